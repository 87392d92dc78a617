/* check.c: reports failed assertions.
 *
 * Standard error and not the log: the log may be what is broken. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void jh_check_abort(const char *file, int line, const char *condition) {
  fprintf(stderr, "justhttp: %s:%d: failed: %s\n", file, line, condition);
  abort();
}

void jh_check_report(bool *is_reported, const char *file, int line, const char *condition) {
#ifndef NDEBUG
  (void)is_reported;
  jh_check_abort(file, line, condition);
#else
  if (*is_reported) return;
  *is_reported = true;
  fprintf(stderr, "justhttp: %s:%d: failed, going on: %s\n", file, line, condition);
#endif
}
