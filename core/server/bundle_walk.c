/* bundle_walk.c: the files of a directory tree, in the order of their names, so that the same files
 * make the same bundle. Names that begin with a dot are left out. What vanishes while it is looked
 * at is left out, too. Links to files are followed, links to directories are not, because they may
 * lead back. */
#include "server/bundle_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/zip.h"

enum { DEPTH_MAX = 32 };

typedef struct name {
  unsigned char type; /* DT_* */
  char text[];
} name;

static int visit(const jh_bundle_walk *walk, int directory, char *path, size_t path_len, int depth);

static int enter(const jh_bundle_walk *walk, int directory, const char *name, char *path,
                 size_t path_len, int depth) {
  if (walk->is_flat || depth >= DEPTH_MAX) return 0;
  int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  path[path_len] = '/';
  int result = visit(walk, fd, path, path_len + 1, depth + 1);
  close(fd);
  return result;
}

static int take(const jh_bundle_walk *walk, int directory, const name *entry, char *path,
                size_t path_len, int depth) {
  size_t len = strlen(entry->text);
  struct stat status;
  if (path_len + len + 1 >= JH_ZIP_NAME_MAX_BYTES) return 0;
  memcpy(path + path_len, entry->text, len + 1);
  bool is_directory = entry->type == DT_DIR;
  if (entry->type == DT_UNKNOWN)
    is_directory = fstatat(directory, entry->text, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                   S_ISDIR(status.st_mode);
  if (is_directory) return enter(walk, directory, entry->text, path, path_len + len, depth);
  return walk->on_file(walk->target, directory, entry->text, path);
}

static int in_order(const void *a, const void *b) {
  return strcmp((*(const name *const *)a)->text, (*(const name *const *)b)->text);
}

static void free_names(name **names, size_t count) {
  for (size_t i = 0; i < count; i++) jh_free(names[i]);
  jh_free(names);
}

/* Every name that does not begin with a dot, sorted. What memory does not suffice for is left out.
 */
static size_t read_names(DIR *stream, name ***out) {
  name **names = NULL;
  size_t count = 0, capacity = 0;
  const struct dirent *entry;
  while ((entry = readdir(stream)) != NULL) {
    if (entry->d_name[0] == '.') continue;
    if (count == capacity) {
      capacity = capacity ? capacity * 2 : 32;
      name **grown = jh_try_realloc(names, capacity * sizeof(name *));
      if (!grown) break;
      names = grown;
    }
    size_t bytes = strlen(entry->d_name) + 1;
    name *copy = jh_try_alloc(sizeof *copy + bytes);
    if (!copy) break;
    copy->type = entry->d_type;
    memcpy(copy->text, entry->d_name, bytes);
    names[count++] = copy;
  }
  if (count) qsort(names, count, sizeof(name *), in_order);
  *out = names;
  return count;
}

static int visit(const jh_bundle_walk *walk, int directory, char *path, size_t path_len,
                 int depth) {
  int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd < 0 ? NULL : fdopendir(fd);
  if (!stream) {
    if (fd >= 0) close(fd);
    return 0;
  }
  name **names;
  size_t count = read_names(stream, &names);
  closedir(stream);
  int result = 0;
  for (size_t i = 0; i < count && result == 0; i++) {
    result = take(walk, directory, names[i], path, path_len, depth);
  }
  free_names(names, count);
  return result;
}

int jh_bundle_walk_files(const jh_bundle_walk *walk, const char *directory, char *error,
                         size_t error_bytes) {
  char path[JH_ZIP_NAME_MAX_BYTES + 1];
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    int code = -errno;
    snprintf(error, error_bytes, "%s: %s", directory, jh_strerror(code));
    return code;
  }
  int result = visit(walk, fd, path, 0, 0);
  close(fd);
  return result;
}
