/* bundle_snapshot.c: reads the files of an app into a bundle.
 *
 * Files are taken in the order of their names, so the same files make the same bundle. One that
 * vanishes or cannot be read is left out: the app says what it misses when it asks for it. Links to
 * files are followed, links to directories are not, because they may lead back. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "http/mime.h"
#include "server/bundle.h"

enum { DEPTH_MAX = 32, ENTRIES_MAX = 20000, NAMES_MAX = 80000 };

typedef struct name {
  unsigned char type; /* DT_* */
  char text[];
} name;

typedef struct snapshot {
  const char *directory;
  bool is_lone;      /* only the Lua files of the directory itself */
  char *buffer;      /* JH_BUNDLE_FILE_MAX_BYTES + 1 */
  bool wants_lua;    /* of the two passes over a directory the first takes code only */
  size_t name_count; /* looked at, so that a huge tree does not hold the start up for long */
  jh_zip_writer *writer;
  char *error;
  size_t error_bytes;
} snapshot;

static bool ends_in_lua(const char *name) {
  size_t len = strlen(name);
  return len > 4 && strcmp(name + len - 4, ".lua") == 0;
}

/* What only clients ask for is not worth the memory. */
static bool is_media(const char *name) {
  static const char *const kinds[] = {"audio/", "video/", "font/", "image/", "application/zip"};
  jh_str type = jh_mime_of_path(jh_str_of(name));
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    size_t len = strlen(kinds[i]);
    if (type.len >= len && memcmp(type.ptr, kinds[i], len) == 0)
      return type.len < 9 || memcmp(type.ptr, "image/svg", 9) != 0;
  }
  return false;
}

/* The whole of a regular file, or a length below 0. */
static ssize_t read_file(const snapshot *snapshot, int directory, const char *name,
                         struct stat *status) {
  int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -1;
  ssize_t len = -1;
  if (fstat(fd, status) == 0 && S_ISREG(status->st_mode) &&
      status->st_size <= JH_BUNDLE_FILE_MAX_BYTES) {
    len = 0;
    while (len <= JH_BUNDLE_FILE_MAX_BYTES) {
      size_t room = JH_BUNDLE_FILE_MAX_BYTES + 1 - (size_t)len;
      ssize_t count = read(fd, snapshot->buffer + len, room);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) len = -1;
      if (count <= 0) break;
      len += count;
    }
  }
  close(fd);
  return len <= JH_BUNDLE_FILE_MAX_BYTES ? len : -1;
}

static int add_file(snapshot *snapshot, int directory, const char *name, const char *path) {
  struct stat status;
  ssize_t len = read_file(snapshot, directory, name, &status);
  if (len < 0) return 0;
  jh_zip_writer *writer = snapshot->writer;
  if (writer->count >= ENTRIES_MAX || writer->at + (uint64_t)len > JH_BUNDLE_MAX_BYTES) {
    if (!snapshot->wants_lua) return 0;
    snprintf(snapshot->error, snapshot->error_bytes,
             "%s: the app has more than %d Lua files, or more than %d MiB of them",
             snapshot->directory, ENTRIES_MAX, JH_BUNDLE_MAX_BYTES >> 20);
    return JH_ELIMIT;
  }
  jh_str bytes = {snapshot->buffer, (size_t)len};
  if (!jh_zip_name_is_allowed(jh_str_of(path))) return 0;
  int result = jh_zip_writer_add(writer, jh_str_of(path), bytes, status.st_mtim.tv_sec);
  if (result < 0)
    snprintf(snapshot->error, snapshot->error_bytes, "%s/%s: %s", snapshot->directory, path,
             jh_strerror(result));
  return result;
}

static int walk(snapshot *snapshot, int directory, char *path, size_t path_len, int depth);

static int enter(snapshot *snapshot, int directory, const char *name, char *path, size_t path_len,
                 int depth) {
  if (snapshot->is_lone || depth >= DEPTH_MAX) return 0;
  int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  path[path_len] = '/';
  int result = walk(snapshot, fd, path, path_len + 1, depth + 1);
  close(fd);
  return result;
}

static int take(snapshot *snapshot, int directory, const name *entry, char *path, size_t path_len,
                int depth) {
  size_t len = strlen(entry->text);
  struct stat status;
  if (path_len + len + 1 >= JH_ZIP_NAME_MAX_BYTES) return 0;
  memcpy(path + path_len, entry->text, len + 1);
  bool is_directory = entry->type == DT_DIR;
  if (entry->type == DT_UNKNOWN)
    is_directory = fstatat(directory, entry->text, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                   S_ISDIR(status.st_mode);
  if (is_directory) return enter(snapshot, directory, entry->text, path, path_len + len, depth);
  bool is_lua = ends_in_lua(entry->text);
  if (is_lua != snapshot->wants_lua || (!is_lua && is_media(entry->text))) return 0;
  return add_file(snapshot, directory, entry->text, path);
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

static int walk(snapshot *snapshot, int directory, char *path, size_t path_len, int depth) {
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
    if (snapshot->name_count++ >= NAMES_MAX && !snapshot->wants_lua) break;
    result = take(snapshot, directory, names[i], path, path_len, depth);
  }
  free_names(names, count);
  return result;
}

/* Code comes first: if there is too much, then other files are what is left on the disk. */
static int write_files(void *target, jh_zip_writer *writer, char *error, size_t error_bytes) {
  snapshot *snapshot = target;
  char path[JH_ZIP_NAME_MAX_BYTES + 1];
  int fd = open(snapshot->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    int code = -errno;
    snprintf(error, error_bytes, "%s: %s", snapshot->directory, jh_strerror(code));
    return code;
  }
  snapshot->writer = writer;
  snapshot->error = error;
  snapshot->error_bytes = error_bytes;
  snapshot->wants_lua = true;
  int result = walk(snapshot, fd, path, 0, 0);
  snapshot->wants_lua = false;
  snapshot->name_count = 0;
  if (result == 0 && !snapshot->is_lone) result = walk(snapshot, fd, path, 0, 0);
  close(fd);
  return result;
}

/* A file without the ending .lua is not among those of its directory. */
static int write_lone(void *target, jh_zip_writer *writer, char *error, size_t error_bytes) {
  snapshot *snapshot = target;
  const char *name = snapshot->directory + strlen(snapshot->directory) + 1;
  if (!ends_in_lua(name) || name[0] == '.') {
    snapshot->writer = writer;
    snapshot->error = error;
    snapshot->error_bytes = error_bytes;
    int fd = open(snapshot->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = add_file(snapshot, fd, name, name);
    if (fd >= 0) close(fd);
    if (result < 0) return result;
  }
  return write_files(target, writer, error, error_bytes);
}

/* Splits "a/b.lua" into "a" and "b.lua", which then stand one behind the other. */
static const char *split(char *place, const char *path) {
  const char *slash = strrchr(path, '/');
  size_t len = slash ? (size_t)(slash - path) : 0;
  const char *name = slash ? slash + 1 : path;
  if (slash) {
    memcpy(place, len ? path : "/", len ? len : 1);
    len = len ? len : 1;
  } else {
    place[len++] = '.';
  }
  place[len] = '\0';
  memcpy(place + len + 1, name, strlen(name) + 1);
  return place + len + 1;
}

int jh_bundle_snapshot(jh_bundle **out, const char *app_path, char *error, size_t error_bytes) {
  struct stat status;
  char comment[JH_ZIP_COMMENT_MAX_BYTES];
  char place[PATH_MAX + 4];
  const char *name = "app.lua";
  if (stat(app_path, &status) < 0 || strlen(app_path) >= PATH_MAX) {
    int code = errno ? -errno : -ENAMETOOLONG;
    snprintf(error, error_bytes, "%s: %s", app_path, jh_strerror(code));
    return code;
  }
  snapshot snapshot = {.directory = app_path, .is_lone = !S_ISDIR(status.st_mode)};
  if (snapshot.is_lone) {
    name = split(place, app_path);
    snapshot.directory = place;
  }
  snapshot.buffer = jh_try_alloc(JH_BUNDLE_FILE_MAX_BYTES + 1);
  if (!snapshot.buffer) {
    snprintf(error, error_bytes, "%s", jh_strerror(JH_ENOMEM));
    return JH_ENOMEM;
  }
  snprintf(comment, sizeof comment, JH_BUNDLE_COMMENT_SNAPSHOT "%s", name);
  int result = jh_bundle_make(out, snapshot.is_lone ? write_lone : write_files, &snapshot,
                              jh_str_of(comment), error, error_bytes);
  jh_free(snapshot.buffer);
  if (result == 0 && !jh_bundle_find(*out, jh_bundle_main(*out))) {
    jh_bundle_close(*out);
    snprintf(error, error_bytes, "%s: %s cannot be read, or is larger than %d MiB", app_path, name,
             JH_BUNDLE_FILE_MAX_BYTES >> 20);
    return JH_ENOTFOUND;
  }
  return result;
}
