/* status.c: status lines by number.
 *
 * One table, indexed by the code itself, holds the ready-made lines; a reason phrase is not stored
 * a second time in the table, because only error pages ask for it. */
#include "http/status.h"

enum { FIRST_CODE = 100, LAST_CODE = 599 };

static const jh_str lines[LAST_CODE - FIRST_CODE + 1] = {
#define XX(code, name, reason)                                \
  [code - FIRST_CODE] = {"HTTP/1.1 " #code " " reason "\r\n", \
                         sizeof("HTTP/1.1 " #code " " reason "\r\n") - 1},
    JH_STATUS_MAP(XX)
#undef XX
};

const char *jh_status_reason(int code) {
  switch (code) {
#define XX(number, name, reason) \
  case number:                   \
    return reason;
    JH_STATUS_MAP(XX)
#undef XX
  default:
    return "Unknown";
  }
}

jh_str jh_status_line(int code) {
  if (code < FIRST_CODE || code > LAST_CODE || lines[code - FIRST_CODE].len == 0) {
    return (jh_str){"", 0};
  }
  return lines[code - FIRST_CODE];
}
