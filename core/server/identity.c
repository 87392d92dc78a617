/* identity.c: user and group lookup, and the order in which root is given up.
 *
 * The order is what matters: groups first, the user last, because without root nothing can be
 * changed any more; and what cannot be undone is checked to be undone no more. */
#include "server/identity.h"

#include "justhttp.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int jh_identity_find(jh_identity *identity, const char *user, const char *group, char *error,
                     size_t error_bytes) {
  memset(identity, 0, sizeof *identity);
  if (user[0] == '\0') return 0;
  const struct passwd *account = getpwnam(user);
  if (account == NULL) {
    snprintf(error, error_bytes, "user: '%.80s' is not a user of this machine", user);
    return JH_EINVAL;
  }
  identity->uid = account->pw_uid;
  identity->gid = account->pw_gid;
  identity->user = user;
  if (group[0] != '\0') {
    const struct group *entry = getgrnam(group);
    if (entry == NULL) {
      snprintf(error, error_bytes, "group: '%.80s' is not a group of this machine", group);
      return JH_EINVAL;
    }
    identity->gid = entry->gr_gid;
  }
  if (geteuid() != 0) {
    if (geteuid() == identity->uid && getegid() == identity->gid) return 0;
    snprintf(error, error_bytes,
             "user: cannot become '%.80s' without root; leave the option out, or start as root",
             user);
    return JH_EINVAL;
  }
  identity->is_set = true;
  return 0;
}

int jh_identity_assume(const jh_identity *identity) {
  if (!identity->is_set) return 0;
  if (initgroups(identity->user, identity->gid) != 0) return -errno;
  if (setresgid(identity->gid, identity->gid, identity->gid) != 0) return -errno;
  if (setresuid(identity->uid, identity->uid, identity->uid) != 0) return -errno;
  if (identity->uid != 0 && setuid(0) == 0) return -EPERM;
  return 0;
}

int jh_identity_own(const jh_identity *identity, const char *path) {
  if (!identity->is_set) return 0;
  return lchown(path, identity->uid, identity->gid) == 0 ? 0 : -errno;
}
