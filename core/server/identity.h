/* identity.h: the user and group that the workers run as. The supervisor keeps root so that it can
 * remove its pid file and unix sockets at the end; each worker gives it up before it loads the app.
 */
#ifndef JH_SERVER_IDENTITY_H
#define JH_SERVER_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct jh_identity {
  bool is_set; /* false: stay who we are */
  uid_t uid;
  gid_t gid;
  const char *user; /* the caller's text */
} jh_identity;

/* Looks both names up. `user` "" leaves everything as it is; `group` "" is the user's own group.
 * 0, or JH_EINVAL and one line in `error`: unknown name, or not started as root. */
int jh_identity_find(jh_identity *identity, const char *user, const char *group, char *error,
                     size_t error_bytes);

/* Becomes that user for good, supplementary groups included. 0 or a negated errno. */
int jh_identity_assume(const jh_identity *identity);

/* Gives a file to that user, so that the workers may open it. 0 or a negated errno. */
int jh_identity_own(const jh_identity *identity, const char *path);

#endif
