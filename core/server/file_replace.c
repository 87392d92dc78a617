/* file_replace.c: writes a small file of an app's state (a cookie jar) so that whoever reads its
 * name sees the old file or the whole new one; declared in justhttp.h.
 *
 * The bytes go to a file beside it, which then takes its name. Only the owner may read it: what is
 * kept this way are secrets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "justhttp.h"

static int write_all(int fd, const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t count = write(fd, bytes, len);
    if (count < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    bytes += count;
    len -= (size_t)count;
  }
  return 0;
}

int jh_file_replace(const char *path, const char *bytes, size_t len) {
  static const char ending[] = ".XXXXXX";
  size_t path_len = strlen(path);
  char *name = jh_try_alloc(path_len + sizeof ending);
  if (!name) return JH_ENOMEM;
  memcpy(name, path, path_len);
  memcpy(name + path_len, ending, sizeof ending);
  int fd = mkostemp(name, O_CLOEXEC); /* mode 0600 */
  int result = fd < 0 ? -errno : write_all(fd, bytes, len);
  if (fd >= 0 && close(fd) != 0 && result == 0) result = -errno;
  if (fd >= 0 && result == 0 && rename(name, path) != 0) result = -errno;
  if (fd >= 0 && result != 0) unlink(name);
  jh_free(name);
  return result;
}
