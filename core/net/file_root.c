/* file_root.c: openat2(2), and what its errors mean to a client.
 *
 * A path is opened twice when it is new: first only as a path (O_PATH), which no FIFO blocks and no
 * device notices, and for reading once it is known to be a regular file. */
#include "net/file_root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

enum { ATTEMPTS = 8 /* the kernel gives up on a path that is renamed under its feet */ };

/* Where the kernel has no openat2: part by part, and no symbolic link is followed at all. */
static int walk_beneath(const jh_file_root *root, const char *path, int flags) {
  char part[NAME_MAX + 1];
  int fd = root->fd;
  for (;;) {
    size_t len = strcspn(path, "/");
    const char *rest = path + len + strspn(path + len, "/");
    bool is_last = *rest == '\0';
    int next = -1;
    errno = ENOENT;
    if (len <= NAME_MAX) {
      memcpy(part, path, len);
      part[len] = '\0';
      bool is_directory = !is_last || path[len] == '/';
      int wanted = is_last ? flags : O_PATH;
      next = openat(fd, part, wanted | O_NOFOLLOW | O_CLOEXEC | (is_directory ? O_DIRECTORY : 0));
    }
    if (fd != root->fd) close(fd);
    if (next < 0 || is_last) return next;
    fd = next;
    path = rest;
  }
}

static int open_with_kernel(const jh_file_root *root, const char *path, int flags) {
  bool is_trusted = root->flags & JH_FILE_TRUSTED_BIT;
  struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC,
                         .resolve = RESOLVE_NO_MAGICLINKS | (is_trusted ? 0 : RESOLVE_BENEATH)};
  for (int i = 0; i < ATTEMPTS; i++) {
    long fd = syscall(SYS_openat2, root->fd, path, &how, sizeof how);
    if (fd >= 0) return (int)fd;
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return -1;
}

static int open_beneath(const jh_file_root *root, const char *path, int flags) {
  int fd;
  if (root->has_openat2) {
    fd = open_with_kernel(root, path, flags);
  } else if (root->flags & JH_FILE_TRUSTED_BIT) {
    fd = openat(root->fd, path, flags | O_CLOEXEC);
  } else {
    fd = walk_beneath(root, path, flags);
  }
  if (fd >= 0) return fd;
  bool is_ours = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
  return is_ours ? -errno : -ENOENT;
}

/* Older kernels say ENOSYS, sandboxes EPERM. */
static bool has_openat2(const jh_file_root *root) {
  int fd = open_with_kernel(root, ".", O_PATH);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

int jh_file_root_stat(const jh_file_root *root, const char *path, struct stat *status) {
  int fd = open_beneath(root, path, O_PATH);
  if (fd < 0) return fd;
  int error = fstat(fd, status) < 0 ? -ENOENT : 0;
  close(fd);
  return error;
}

int jh_file_root_open_file(const jh_file_root *root, const char *path, struct stat *status) {
  int error = jh_file_root_stat(root, path, status);
  if (error) return error;
  if (S_ISDIR(status->st_mode)) return -EISDIR;
  if (!S_ISREG(status->st_mode)) return -ENOENT;
  /* It may be another thing by now; O_NONBLOCK is for that. */
  int fd = open_beneath(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return fd;
  if (fstat(fd, status) == 0 && S_ISREG(status->st_mode)) return fd;
  close(fd);
  return -ENOENT;
}

int jh_file_root_open_directory(const jh_file_root *root, const char *path) {
  return open_beneath(root, *path ? path : ".", O_RDONLY | O_DIRECTORY);
}

static int open_root(jh_file_root *root) {
  struct stat status;
  int fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (fstat(fd, &status) < 0) {
    close(fd);
    return -errno;
  }
  if (root->fd >= 0) close(root->fd);
  root->fd = fd;
  root->device = status.st_dev;
  root->inode = status.st_ino;
  return 0;
}

bool jh_file_root_renew(jh_file_root *root, uint64_t now_ms) {
  if (root->zip || now_ms - root->checked_at_ms < JH_FILE_ROOT_CHECK_MS) return false;
  root->checked_at_ms = now_ms;
  struct stat status;
  if (stat(root->path, &status) < 0) return false;
  if (status.st_dev == root->device && status.st_ino == root->inode) return false;
  return open_root(root) == 0;
}

static jh_str keep(char **at, jh_str text) {
  char *start = *at;
  if (text.len) memcpy(start, text.ptr, text.len);
  start[text.len] = '\0';
  *at = start + text.len + 1;
  return (jh_str){start, text.len};
}

/* Names with slashes between them. */
static void split_indexes(jh_file_root *root, jh_str names) {
  while (names.len && root->index_count < JH_FILE_INDEXES_MAX) {
    const char *slash = memchr(names.ptr, '/', names.len);
    size_t len = slash ? (size_t)(slash - names.ptr) : names.len;
    if (len) root->indexes[root->index_count++] = (jh_str){names.ptr, len};
    size_t used = slash ? len + 1 : len;
    names = (jh_str){names.ptr + used, names.len - used};
  }
}

/* Everything but what it is that is served. */
static jh_file_root *try_new(jh_str path, const jh_file_options *options, int *error) {
  jh_str index = {options->index, options->index_len};
  jh_str cache_control = {options->cache_control, options->cache_control_len};
  if (cache_control.len > JH_FILE_CACHE_CONTROL_MAX_BYTES) {
    *error = JH_ERANGE;
    return NULL;
  }
  size_t text_bytes = path.len + index.len + cache_control.len + 4;
  jh_file_root *root = jh_try_calloc(1, sizeof *root + text_bytes);
  if (!root) {
    *error = JH_ENOMEM;
    return NULL;
  }
  char *at = root->text;
  root->path = at;
  keep(&at, path);
  if (path.len) *at++ = '\0'; /* room for a slash */
  split_indexes(root, keep(&at, index));
  root->cache_control = keep(&at, cache_control);
  root->fd = -1;
  root->flags = options->flags;
  jh_list_init(&root->node);
  return root;
}

jh_file_root *jh_file_root_new(const char *path, const jh_file_options *options, int *error) {
  jh_file_root *root = try_new((jh_str){path, strlen(path)}, options, error);
  if (!root) return NULL;
  *error = open_root(root);
  if (*error == 0) {
    root->has_openat2 = has_openat2(root);
    return root;
  }
  jh_file_root_free(root);
  return NULL;
}

/* ---- in an archive ---- */

jh_file_root *jh_file_root_new_in_zip(const jh_zip *zip, int fd, jh_str directory,
                                      const jh_file_options *options, int *error) {
  *error = JH_ENOTFOUND;
  if (!jh_zip_has_directory(zip, directory)) return NULL;
  jh_file_root *root = try_new(directory, options, error);
  if (!root) return NULL;
  if (directory.len) root->path[directory.len] = '/';
  root->zip = zip;
  root->zip_fd = fd;
  *error = 0;
  return root;
}

/* Writes the whole name. Its length, or 0 when there can be no such entry. */
static size_t name_in_zip(const jh_file_root *root, jh_str path, char *out) {
  size_t prefix_len = strlen(root->path);
  while (path.len && path.ptr[path.len - 1] == '/') path.len--;
  if (prefix_len + path.len > JH_ZIP_NAME_MAX_BYTES) return 0;
  memcpy(out, root->path, prefix_len);
  if (path.len) memcpy(out + prefix_len, path.ptr, path.len);
  return prefix_len + path.len;
}

const jh_zip_entry *jh_file_root_entry(const jh_file_root *root, jh_str path) {
  char name[JH_ZIP_NAME_MAX_BYTES];
  if (path.len == 0 || path.ptr[path.len - 1] == '/') return NULL;
  size_t len = name_in_zip(root, path, name);
  const jh_zip_entry *entry = len ? jh_zip_find(root->zip, (jh_str){name, len}) : NULL;
  return entry && !entry->is_deflated ? entry : NULL;
}

bool jh_file_root_has_directory(const jh_file_root *root, jh_str path) {
  char name[JH_ZIP_NAME_MAX_BYTES];
  if (path.len == 0 || (path.len == 1 && path.ptr[0] == '.')) return true;
  size_t len = name_in_zip(root, path, name);
  return len && jh_zip_has_directory(root->zip, (jh_str){name, len});
}

void jh_file_root_free(jh_file_root *root) {
  if (root->fd >= 0) close(root->fd);
  jh_list_remove(&root->node);
  jh_free(root);
}
