/* control_place.c: $XDG_RUNTIME_DIR/justhttp, or /tmp/justhttp-UID where there is no such thing.
 *
 * /tmp is everybody's, so the directory must be ours and closed to others; else somebody could have
 * put a socket of his own there. The file is named by a hash of the app's real path. */
#include "server/control_place.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* FNV-1a; it only has to tell the apps of one user from each other. */
static uint64_t hash(const char *text) {
  uint64_t value = 0xcbf29ce484222325u;
  for (; *text; text++) value = (value ^ (unsigned char)*text) * 0x100000001b3u;
  return value;
}

static int check_directory(const char *path, bool makes, char *error, size_t error_bytes) {
  struct stat found;
  if (makes && mkdir(path, 0700) != 0 && errno != EEXIST) {
    int code = errno;
    snprintf(error, error_bytes, "cannot make the directory %s: %s", path, strerror(code));
    return -code;
  }
  if (lstat(path, &found) != 0) {
    int code = errno;
    snprintf(error, error_bytes, "no server of this user has a control socket (%s: %s)", path,
             strerror(code));
    return -code;
  }
  if (S_ISDIR(found.st_mode) && found.st_uid == geteuid() && (found.st_mode & 077) == 0) return 0;
  snprintf(error, error_bytes, "%s must be a directory of this user alone (mode 0700)", path);
  return -EPERM;
}

int jh_control_place_find(const char *app_path, bool makes, char *out, size_t out_bytes,
                          char *error, size_t error_bytes) {
  static const char main_file[] = "/app.lua";
  char real[PATH_MAX], directory[JH_CONTROL_PATH_BYTES];
  if (realpath(app_path, real) == NULL) {
    int code = errno;
    snprintf(error, error_bytes, "cannot find the app '%s': %s", app_path, strerror(code));
    return -code;
  }
  size_t len = strlen(real), tail = sizeof main_file - 1;
  if (len > tail && strcmp(real + len - tail, main_file) == 0) real[len - tail] = '\0';
  const char *base = getenv("XDG_RUNTIME_DIR");
  int used = base != NULL && base[0] == '/'
                 ? snprintf(directory, sizeof directory, "%s/justhttp", base)
                 : snprintf(directory, sizeof directory, "/tmp/justhttp-%u", (unsigned)geteuid());
  if (used < 0 || (size_t)used >= sizeof directory || (size_t)used + 22 > out_bytes) {
    snprintf(error, error_bytes, "the path of XDG_RUNTIME_DIR is too long for a socket");
    return -ENAMETOOLONG;
  }
  int rc = check_directory(directory, makes, error, error_bytes);
  if (rc != 0) return rc;
  snprintf(out, out_bytes, "%s/%016llx.sock", directory, (unsigned long long)hash(real));
  return 0;
}
