/* bundle_snapshot.c: reads the code of an app, and small files that it may read, into a bundle.
 *
 * A file that vanishes or cannot be read is left out: the app says what it misses when it asks for
 * it. Pictures and the like are only sent to clients, from the disk, and not worth the memory. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "http/mime.h"
#include "server/bundle.h"
#include "server/bundle_walk.h"

enum { ENTRIES_MAX = 20000, NAMES_MAX = 80000 };

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

static int on_file(void *target, int directory, const char *name, const char *path) {
  snapshot *snapshot = target;
  bool is_lua = ends_in_lua(name);
  if (is_lua != snapshot->wants_lua) return 0;
  if (!is_lua && (is_media(name) || snapshot->name_count++ >= NAMES_MAX)) return 0;
  return add_file(snapshot, directory, name, path);
}

/* Code comes first: if there is too much, then other files are what is left on the disk. */
static int write_files(void *target, jh_zip_writer *writer, char *error, size_t error_bytes) {
  snapshot *snapshot = target;
  jh_bundle_walk walk = {.is_flat = snapshot->is_lone, .target = snapshot, .on_file = on_file};
  snapshot->writer = writer;
  snapshot->error = error;
  snapshot->error_bytes = error_bytes;
  snapshot->wants_lua = true;
  int result = jh_bundle_walk_files(&walk, snapshot->directory, error, error_bytes);
  snapshot->wants_lua = false;
  if (result == 0 && !snapshot->is_lone)
    result = jh_bundle_walk_files(&walk, snapshot->directory, error, error_bytes);
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
