/* error.c: names and texts of result codes.
 *
 * Names of errno values come from glibc's strerrorname_np() and strerrordesc_np(): unlike
 * strerror() they are thread-safe and speak English in every locale. */
#include "base/error.h"

#include <string.h>

/* errno values are small; the JH_E* codes start at JH_EINVAL. */
static int is_errno(int code) {
  return code < 0 && code > JH_EINVAL;
}

const char *jh_error_name(int code) {
  const char *name = NULL;
  switch (code) {
  case JH_OK:
    return "JH_OK";
#define XX(error, text) \
  case error:           \
    return #error;
    JH_ERROR_MAP(XX)
#undef XX
  default:
    if (is_errno(code)) name = strerrorname_np(-code);
    return name != NULL ? name : "unknown";
  }
}

const char *jh_strerror(int code) {
  const char *description = NULL;
  switch (code) {
  case JH_OK:
    return "ok";
#define XX(error, text) \
  case error:           \
    return text;
    JH_ERROR_MAP(XX)
#undef XX
  default:
    if (is_errno(code)) description = strerrordesc_np(-code);
    return description != NULL ? description : "unknown error";
  }
}
