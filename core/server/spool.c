/* spool.c: nameless files: making, filling, and giving them a name.
 *
 * A descriptor is given a name by linking /proc/self/fd/N, which needs no privilege. Where that
 * cannot be (another file system, or one without O_TMPFILE) the content is copied, a few MiB per
 * call, into a file beside the target, which is then linked or renamed. */
#include "server/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "server/worker.h"

enum {
  PIECE_BYTES = 262144, /* given to one write(2) */
  COPY_BYTES = 4194304, /* copied in one call */
  SAVED_MODE = 0640
};

/* ---- making ---- */

/* "dir/suffix" for the directory of `path`. 0 or -ENAMETOOLONG. */
static int beside(const char *path, const char *suffix, char out[PATH_MAX]) {
  const char *slash = strrchr(path, '/');
  int dir_len = slash ? (int)(slash - path) + 1 : 0;
  int len = snprintf(out, PATH_MAX, "%.*s%s", dir_len, path, suffix);
  return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int open_nameless(const char *dir) {
  int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, SAVED_MODE);
  return fd < 0 ? -errno : fd;
}

static bool is_unsupported(int error) {
  return error == -EOPNOTSUPP || error == -EISDIR || error == -EINVAL;
}

static int open_named(char *name) {
  int fd = mkostemp(name, O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static int open_in(const char *dir) {
  char name[PATH_MAX];
  int fd = open_nameless(dir);
  if (!is_unsupported(fd)) return fd;
  if (snprintf(name, sizeof name, "%s/justhttp-XXXXXX", dir) >= PATH_MAX) return -ENAMETOOLONG;
  fd = open_named(name);
  if (fd >= 0) unlink(name);
  return fd;
}

static const char *upload_dir(const jh_ctx *ctx) {
  const char *dir = ctx->generation->worker->options->upload_dir;
  if (dir[0] == '\0') dir = getenv("TMPDIR");
  return dir && dir[0] ? dir : "/tmp";
}

static void end_copy(jh_spool *spool) {
  if (spool->copy_fd >= 0) close(spool->copy_fd);
  if (spool->copy_name) unlink(spool->copy_name);
  jh_free(spool->copy_name);
  spool->copy_fd = -1;
  spool->copy_name = NULL;
}

static void free_spool(jh_cleanup *cleanup) {
  jh_spool *spool = JH_LIST_ENTRY(cleanup, jh_spool, cleanup);
  end_copy(spool);
  close(spool->fd);
  jh_free(spool);
}

static int open_for(const jh_ctx *ctx, const char *path) {
  char dir[PATH_MAX];
  if (!path) return open_in(upload_dir(ctx));
  int error = beside(path, ".", dir);
  return error ? error : open_in(dir);
}

jh_spool *jh_spool_open(jh_ctx *ctx, const char *path, int *error) {
  if (!ctx->is_held_by_lua) {
    *error = JH_ESTALE;
    return NULL;
  }
  jh_spool *spool = jh_try_calloc(1, sizeof *spool);
  if (!spool) {
    *error = JH_ENOMEM;
    return NULL;
  }
  spool->fd = open_for(ctx, path);
  if (spool->fd < 0) {
    *error = spool->fd;
    jh_free(spool);
    return NULL;
  }
  spool->copy_fd = -1;
  spool->cleanup.run = free_spool;
  jh_list_init(&spool->cleanup.node);
  jh_list_append(&ctx->cleanups, &spool->cleanup.node);
  *error = 0;
  return spool;
}

void jh_spool_close(jh_spool *spool) {
  jh_list_remove(&spool->cleanup.node);
  free_spool(&spool->cleanup);
}

/* ---- content ---- */

int jh_spool_write(jh_spool *spool, const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t count = write(spool->fd, bytes, len < PIECE_BYTES ? len : PIECE_BYTES);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    bytes += count;
    len -= (size_t)count;
    spool->size += (uint64_t)count;
  }
  return 0;
}

ssize_t jh_spool_read(jh_spool *spool, uint64_t offset, char *out, size_t bytes) {
  for (;;) {
    ssize_t count = pread(spool->fd, out, bytes, (off_t)offset);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

/* ---- names ---- */

static int link_fd(int fd, const char *path) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* Names the file, in place of what has the name: links it beside and renames. */
static int replace_by_fd(int fd, const char *path) {
  uint64_t random;
  char suffix[40], name[PATH_MAX];
  if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) return -EAGAIN;
  snprintf(suffix, sizeof suffix, ".justhttp-%016llx", (unsigned long long)random);
  int error = beside(path, suffix, name);
  if (error == 0) error = link_fd(fd, name);
  if (error) return error;
  if (rename(name, path) == 0) return 0;
  error = -errno;
  unlink(name);
  return error;
}

static int name_fd(int fd, const char *path, bool overwrites) {
  if (fchmod(fd, SAVED_MODE) < 0) return -errno;
  int error = link_fd(fd, path);
  return error == -EEXIST && overwrites ? replace_by_fd(fd, path) : error;
}

/* A copy that has a name of its own already gets the final one. */
static int rename_copy(const jh_spool *spool, const char *path, bool overwrites) {
  if (fchmod(spool->copy_fd, SAVED_MODE) < 0) return -errno;
  if (overwrites) return rename(spool->copy_name, path) < 0 ? -errno : 0;
  return link(spool->copy_name, path) < 0 ? -errno : 0;
}

/* ---- copies ---- */

static int begin_copy(jh_spool *spool, const char *path) {
  char name[PATH_MAX];
  int error = beside(path, ".", name);
  if (error) return error;
  spool->copied = 0;
  spool->copy_fd = open_nameless(name);
  if (is_unsupported(spool->copy_fd)) {
    error = beside(path, ".justhttp-XXXXXX", name);
    if (error) return error;
    spool->copy_name = jh_try_alloc(strlen(name) + 1);
    if (!spool->copy_name) return JH_ENOMEM;
    spool->copy_fd = open_named(name);
    memcpy(spool->copy_name, name, strlen(name) + 1);
  }
  if (spool->copy_fd >= 0) return 0;
  error = spool->copy_fd;
  jh_free(spool->copy_name);
  spool->copy_name = NULL;
  spool->copy_fd = -1;
  return error;
}

/* Copies the next bytes. 0 or a negated errno. */
static int copy_some(jh_spool *spool) {
  off_t from = (off_t)spool->copied;
  uint64_t left = spool->size - spool->copied;
  size_t wanted = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
  ssize_t count = copy_file_range(spool->fd, &from, spool->copy_fd, NULL, wanted, 0);
  /* Not between these two: the kernel still copies between their pages. */
  if (count < 0 && errno != EINTR && errno != ENOSPC && errno != EDQUOT && errno != EIO) {
    count = sendfile(spool->copy_fd, spool->fd, &from, wanted);
  }
  if (count < 0) return errno == EINTR ? 0 : -errno;
  if (count == 0) return -EIO; /* somebody cut the file */
  spool->copied += (uint64_t)count;
  return 0;
}

static int go_on_copying(jh_spool *spool, const char *path, bool overwrites) {
  int error = spool->copied < spool->size ? copy_some(spool) : 0;
  if (error == 0 && spool->copied < spool->size) return 1;
  if (error == 0 && spool->copy_name) {
    error = rename_copy(spool, path, overwrites);
  } else if (error == 0) {
    error = name_fd(spool->copy_fd, path, overwrites);
  }
  end_copy(spool);
  return error;
}

int jh_spool_save(jh_spool *spool, const char *path, bool overwrites) {
  if (spool->copy_fd >= 0) return go_on_copying(spool, path, overwrites);
  if (!spool->is_saved) {
    int error = name_fd(spool->fd, path, overwrites);
    spool->is_saved = error == 0;
    /* ENOENT: the spool had a name that was removed, or there is no such directory; the copy tells.
     */
    if (error != -EXDEV && error != -ENOENT) return error;
  }
  if (!overwrites && access(path, F_OK) == 0) return -EEXIST; /* rather now than after copying */
  int error = begin_copy(spool, path);
  return error ? error : go_on_copying(spool, path, overwrites);
}
