/* file_root.h: a directory that files are served from, and opening what is below it.
 *
 * The kernel resolves every path with openat2(RESOLVE_BENEATH): "..", absolute links and links that
 * lead out of the directory end in "not found", whatever happens to the tree meanwhile. Where it
 * cannot (before Linux 5.6, in some sandboxes) no link below the directory is followed at all. Made
 * when an app says app:static() or uses ctx:file(); the generation that asked for it owns it.
 *
 * The directory may be replaced while it is served (a new release behind a link, a build that
 * removes it and makes it anew): it is opened again within a second. */
#ifndef JH_NET_FILE_ROOT_H
#define JH_NET_FILE_ROOT_H

#include <sys/stat.h>

#include "base/list.h"
#include "base/zip.h"
#include "justhttp.h"

/* ==== cdef: begin ==== */

enum {
  JH_FILE_INDEXES_MAX = 8, /* names that stand for a directory */
  JH_FILE_CACHE_CONTROL_MAX_BYTES = 256,
  JH_FILE_ROOT_CHECK_MS = 1000
};

struct jh_file_root {
  jh_list node;      /* in the cache's list of roots */
  const void *owner; /* whoever opened it; see jh_file_cache_close_roots() */
  int fd;            /* O_PATH */
  uint32_t flags;    /* jh_file_flag bits */
  bool has_openat2;
  uint64_t device;
  uint64_t inode;
  uint64_t checked_at_ms; /* when the path was last seen to lead to the same directory */
  uint32_t index_count;
  jh_str indexes[JH_FILE_INDEXES_MAX];
  jh_str cache_control; /* "" for none */
  const jh_zip *zip;    /* the archive that the directory is in; NULL on the disk */
  int zip_fd;           /* of that, borrowed */
  char *path;           /* NUL-terminated; in an archive "" or with a slash at its end */
  char text[];          /* that all of the above point into */
};

/* Opens a directory. NULL when that fails: *error is then a negative code. */
jh_file_root *jh_file_root_new(const char *path, const jh_file_options *options, int *error);

/* The same for a directory in an archive, named without a slash at its end. The archive and its
 * descriptor must outlive the root. */
jh_file_root *jh_file_root_new_in_zip(const jh_zip *zip, int fd, jh_str directory,
                                      const jh_file_options *options, int *error);

void jh_file_root_free(jh_file_root *root);

/* The entry for a path below the root, which is in an archive; NULL when there is none. */
const jh_zip_entry *jh_file_root_entry(const jh_file_root *root, jh_str path);

/* Whether there is a directory of that path below the root, which is in an archive. */
bool jh_file_root_has_directory(const jh_file_root *root, jh_str path);

/* Looks, at most once in JH_FILE_ROOT_CHECK_MS, whether the path leads to another directory now,
 * and then serves that one. True when it does: what was found before is of the past. */
bool jh_file_root_renew(jh_file_root *root, uint64_t now_ms);

/* Opens a regular file for reading; `path` is NUL-terminated and was checked by
 * jh_file_path_is_allowed(). A descriptor with *status filled, -ENOENT (also for what is refused),
 * -EISDIR for a directory, -EMFILE, -ENFILE or -ENOMEM. */
int jh_file_root_open_file(const jh_file_root *root, const char *path, struct stat *status);

/* The same for a directory, to be listed. A descriptor or -ENOENT, -EMFILE, …. */
int jh_file_root_open_directory(const jh_file_root *root, const char *path);

/* What a path leads to when it does not leave the directory. 0 or -ENOENT. */
int jh_file_root_stat(const jh_file_root *root, const char *path, struct stat *status);

/* ==== cdef: end ==== */

#endif
