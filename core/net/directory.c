/* directory.c: what is in a directory below a root, for listings. Declared in justhttp.h.
 *
 * Only what a client could ask for is told: no dotfiles unless they are served, no links that lead
 * out of the root, nothing but regular files and directories. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "http/file_path.h"
#include "net/file_root.h"

enum { ZIP_PREFIX_BYTES = JH_ZIP_NAME_MAX_BYTES + JH_FILE_PATH_MAX_BYTES + 2 };

struct jh_directory {
  const jh_file_root *root;
  DIR *stream;  /* NULL in an archive */
  size_t entry; /* the next one of that to look at */
  size_t prefix_len;
  char path[JH_FILE_PATH_MAX_BYTES + 256 + 2]; /* of the directory, then of the entry */
};

/* ---- in an archive ---- */

/* What every entry below the directory begins with. */
static size_t zip_prefix(const jh_directory *directory, char *out) {
  const char *root = directory->root->path;
  size_t root_len = strlen(root), len = directory->prefix_len;
  while (len && directory->path[len - 1] == '/') len--;
  memcpy(out, root, root_len);
  memcpy(out + root_len, directory->path, len);
  if (len) out[root_len + len++] = '/';
  return root_len + len;
}

static jh_directory *open_in_zip(jh_directory *directory, jh_str path, int *error) {
  char prefix[ZIP_PREFIX_BYTES];
  if (!jh_file_root_has_directory(directory->root, path)) {
    jh_free(directory);
    return NULL;
  }
  size_t len = zip_prefix(directory, prefix);
  directory->entry = jh_zip_first(directory->root->zip, (jh_str){prefix, len});
  *error = 0;
  return directory;
}

/* Entries are sorted, so those of one directory below this one stand together. */
static int next_in_zip(jh_directory *directory, jh_directory_entry *out) {
  char prefix[ZIP_PREFIX_BYTES];
  const jh_zip *zip = directory->root->zip;
  bool allows_dotfiles = directory->root->flags & JH_FILE_DOTFILES_BIT;
  size_t prefix_len = zip_prefix(directory, prefix);
  while (directory->entry < zip->count) {
    const jh_zip_entry *entry = &zip->entries[directory->entry++];
    if (entry->name.len <= prefix_len || memcmp(entry->name.ptr, prefix, prefix_len) != 0) break;
    jh_str name = {entry->name.ptr + prefix_len, entry->name.len - prefix_len};
    const char *slash = memchr(name.ptr, '/', name.len);
    if (slash) name.len = (size_t)(slash - name.ptr);
    while (slash && directory->entry < zip->count) {
      jh_str other = zip->entries[directory->entry].name;
      if (other.len <= prefix_len + name.len ||
          memcmp(other.ptr, entry->name.ptr, prefix_len + name.len + 1) != 0)
        break;
      directory->entry++;
    }
    if (!jh_file_path_is_allowed(name, allows_dotfiles)) continue;
    *out = (jh_directory_entry){.name = name,
                                .bytes = slash ? 0 : (double)entry->size,
                                .modified_s = (double)entry->modified_s,
                                .is_directory = slash != NULL};
    return 0;
  }
  return JH_ENOTFOUND;
}

/* ---- on the disk ---- */

jh_directory *jh_directory_open(jh_file_root *root, const char *path, size_t path_len, int *error) {
  bool allows_dotfiles = root->flags & JH_FILE_DOTFILES_BIT;
  *error = JH_ENOTFOUND;
  if (!jh_file_path_is_allowed((jh_str){path, path_len}, allows_dotfiles)) return NULL;
  jh_directory *directory = jh_try_calloc(1, sizeof *directory);
  if (!directory) {
    *error = JH_ENOMEM;
    return NULL;
  }
  directory->root = root;
  memcpy(directory->path, path, path_len);
  directory->prefix_len = path_len;
  if (root->zip) return open_in_zip(directory, (jh_str){path, path_len}, error);
  int fd = jh_file_root_open_directory(root, directory->path);
  directory->stream = fd < 0 ? NULL : fdopendir(fd);
  if (!directory->stream) {
    if (fd != -ENOENT) *error = fd < 0 ? fd : JH_ENOMEM;
    if (fd >= 0) close(fd);
    jh_free(directory);
    return NULL;
  }
  if (path_len > 0 && path[path_len - 1] != '/') directory->path[directory->prefix_len++] = '/';
  *error = 0;
  return directory;
}

static bool describe(jh_directory *directory, const char *name, jh_directory_entry *out) {
  struct stat status;
  size_t len = strlen(name);
  bool allows_dotfiles = directory->root->flags & JH_FILE_DOTFILES_BIT;
  char *at = directory->path + directory->prefix_len;
  if (directory->prefix_len + len >= sizeof directory->path) return false;
  memcpy(at, name, len + 1);
  if (!jh_file_path_is_allowed((jh_str){directory->path, directory->prefix_len + len},
                               allows_dotfiles)) {
    return false;
  }
  if (fstatat(dirfd(directory->stream), name, &status, AT_SYMLINK_NOFOLLOW) < 0) return false;
  if (S_ISLNK(status.st_mode) && jh_file_root_stat(directory->root, directory->path, &status) < 0) {
    return false;
  }
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return false;
  *out = (jh_directory_entry){.name = {at, len},
                              .bytes = (double)status.st_size,
                              .modified_s = (double)status.st_mtim.tv_sec,
                              .is_directory = S_ISDIR(status.st_mode)};
  return true;
}

int jh_directory_next(jh_directory *directory, jh_directory_entry *entry) {
  if (directory->root->zip) return next_in_zip(directory, entry);
  for (;;) {
    const struct dirent *found = readdir(directory->stream);
    if (!found) return JH_ENOTFOUND;
    if (describe(directory, found->d_name, entry)) return 0;
  }
}

void jh_directory_close(jh_directory *directory) {
  if (directory->stream) closedir(directory->stream);
  jh_free(directory);
}
