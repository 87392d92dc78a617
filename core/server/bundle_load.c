/* bundle_load.c: from what an app is given as to its bundle, and laying a directory over one.
 *
 * An overlay is merged when the bundle is loaded, not looked at for every file: what runs is one
 * state of all files, the same in every worker. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "server/bundle.h"
#include "server/bundle_walk.h"

bool jh_bundle_is_archive(const char *path) {
  char mark[4] = {0};
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  bool is_read = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                 pread(fd, mark, sizeof mark, 0) == (ssize_t)sizeof mark;
  close(fd);
  return is_read && (memcmp(mark, "PK\3\4", 4) == 0 || memcmp(mark, "\177ELF", 4) == 0);
}

/* ---- all files of a directory ---- */

typedef struct addition {
  jh_zip_writer *writer;
  char *error;
  size_t error_bytes;
} addition;

static int refuse(const addition *addition, const char *path, int code) {
  snprintf(addition->error, addition->error_bytes, "%s: %s", path,
           code == JH_ELIMIT ? "does not fit into an archive of 4 GiB" : jh_strerror(code));
  return code;
}

static int add_mapped(const addition *addition, int fd, const char *path) {
  struct stat status;
  if (fstat(fd, &status) < 0) return refuse(addition, path, -errno);
  if (!S_ISREG(status.st_mode)) return 0;
  size_t len = (size_t)status.st_size;
  char *data = len ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
  if (data == MAP_FAILED) return refuse(addition, path, -errno);
  int result = jh_zip_writer_add(addition->writer, jh_str_of(path), jh_str_make(data, len),
                                 status.st_mtim.tv_sec);
  if (data) munmap(data, len);
  return result < 0 ? refuse(addition, path, result) : 0;
}

static int on_file(void *target, int directory, const char *name, const char *path) {
  int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return refuse(target, path, -errno);
  int result = add_mapped(target, fd, path);
  close(fd);
  return result;
}

static int write_all_files(void *target, jh_zip_writer *writer, char *error, size_t error_bytes) {
  addition addition = {writer, error, error_bytes};
  jh_bundle_walk walk = {.target = &addition, .on_file = on_file};
  return jh_bundle_walk_files(&walk, target, error, error_bytes);
}

int jh_bundle_take_directory(jh_bundle **out, const char *directory, char *error,
                             size_t error_bytes) {
  return jh_bundle_make(out, write_all_files, (void *)(uintptr_t)directory,
                        JH_STR(JH_BUNDLE_COMMENT_APP "app.lua"), error, error_bytes);
}

/* ---- overlays ---- */

typedef struct layers {
  const jh_bundle *below, *above;
} layers;

static int copy_entry(jh_zip_writer *writer, const jh_bundle_entry *entry, char *error,
                      size_t error_bytes) {
  addition addition = {writer, error, error_bytes};
  int result = jh_zip_writer_add(writer, entry->name, entry->bytes, entry->modified_s);
  return result < 0 ? refuse(&addition, "the overlay", result) : 0;
}

static bool ends_in(jh_str name, jh_str ending) {
  return name.len > ending.len &&
         memcmp(name.ptr + name.len - ending.len, ending.ptr, ending.len) == 0;
}

/* A file that is changed above takes the compressed forms of the one below with it. */
static bool is_replaced(const jh_bundle *above, jh_str name) {
  static const char *const endings[] = {".gz", ".br", ".zst"};
  if (jh_bundle_find(above, name)) return true;
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    jh_str ending = jh_str_of(endings[i]);
    if (ends_in(name, ending) &&
        jh_bundle_find(above, jh_str_make(name.ptr, name.len - ending.len)))
      return true;
  }
  return false;
}

static int write_layers(void *target, jh_zip_writer *writer, char *error, size_t error_bytes) {
  const layers *layers = target;
  int result = 0;
  for (size_t i = 0; result == 0 && i < jh_bundle_count(layers->above); i++)
    result = copy_entry(writer, jh_bundle_at(layers->above, i), error, error_bytes);
  for (size_t i = 0; result == 0 && i < jh_bundle_count(layers->below); i++) {
    const jh_bundle_entry *entry = jh_bundle_at(layers->below, i);
    if (is_replaced(layers->above, entry->name)) continue;
    result = copy_entry(writer, entry, error, error_bytes);
  }
  return result;
}

static int lay_over(jh_bundle **bundle, const char *directory, char *error, size_t error_bytes) {
  jh_bundle *above = NULL, *merged = NULL;
  int result = jh_bundle_take_directory(&above, directory, error, error_bytes);
  if (!above) return result;
  layers layers = {*bundle, above};
  result = jh_bundle_make(&merged, write_layers, &layers, jh_bundle_zip(*bundle)->comment, error,
                          error_bytes);
  jh_bundle_close(above);
  if (!merged) return result;
  jh_bundle_close(*bundle);
  *bundle = merged;
  return 0;
}

int jh_bundle_load(jh_bundle **out, const jh_bundle_source *source, char *error,
                   size_t error_bytes) {
  char reason[256];
  jh_bundle *bundle = NULL;
  int result;
  *out = NULL;
  if (source->is_self) {
    result = jh_bundle_open_self(&bundle, error, error_bytes);
  } else if (jh_bundle_is_archive(source->path)) {
    result = jh_bundle_open_file(&bundle, source->path, reason, sizeof reason);
    if (result < 0) snprintf(error, error_bytes, "%s: %s", source->path, reason);
  } else {
    result = jh_bundle_snapshot(&bundle, source->path, error, error_bytes);
  }
  if (!bundle) return result;
  bool has_overlay = source->overlay && source->overlay[0];
  result = 0;
  if (has_overlay && !jh_bundle_is_whole(bundle)) {
    snprintf(error, error_bytes, "overlay is for apps in one file; '%s' is edited where it is",
             source->path);
    result = JH_EINVAL;
  } else if (has_overlay) {
    result = lay_over(&bundle, source->overlay, error, error_bytes);
  }
  if (result == 0 && !jh_bundle_find(bundle, jh_bundle_main(bundle))) {
    snprintf(error, error_bytes, "%s: has no app.lua", source->path);
    result = JH_ENOTFOUND;
  }
  if (result < 0) {
    jh_bundle_close(bundle);
    return result;
  }
  *out = bundle;
  return 0;
}
