/* spool.h: temporary files of uploads; declared in justhttp.h, here is what one is made of.
 *
 * They have no name (O_TMPFILE, or a name that is removed at once where the file system has none),
 * so nothing is left behind whatever happens. Saving links the file where that is possible and
 * copies into another nameless file where not; only a complete file ever gets the name. */
#ifndef JH_SERVER_SPOOL_H
#define JH_SERVER_SPOOL_H

#include "http/ctx.h"

struct jh_spool {
  jh_cleanup cleanup;
  int fd;
  bool is_saved; /* the file has a name: a second one would share its content */
  uint64_t size;
  int copy_fd;     /* of a copy that is being made, -1 without one */
  char *copy_name; /* where that has a name already; NULL without one */
  uint64_t copied; /* bytes */
};

#endif
