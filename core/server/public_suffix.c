/* public_suffix.c: which domains everybody may register names below ("com", "co.uk", "github.io"),
 * so that no cookie may be set for them; declared in justhttp.h.
 *
 * The list is libpsl's: the file of Debian's package publicsuffix when it is newer than the copy
 * inside the library. It is read once per process, by the first who asks, and stays. */
#include <libpsl.h>
#include <string.h>

#include "justhttp.h"

enum { NAME_MAX_BYTES = 253 };

static const psl_ctx_t *list(void) {
  static const psl_ctx_t *loaded;
  if (!loaded) loaded = psl_latest(NULL);
  if (!loaded) loaded = psl_builtin();
  return loaded;
}

bool jh_public_suffix_test(const char *domain, size_t len) {
  char name[NAME_MAX_BYTES + 1];
  if (len == 0 || len > NAME_MAX_BYTES || memchr(domain, '\0', len)) return true;
  memcpy(name, domain, len);
  name[len] = '\0';
  const psl_ctx_t *suffixes = list();
  return !suffixes || psl_is_public_suffix(suffixes, name);
}
