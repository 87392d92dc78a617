/* bundle_command.c: writes the executable that runs, and an app behind it, into a new file.
 *
 * The file appears under its name when it is complete. An executable that has an app behind it
 * already leaves it out of the copy. */
#include "server/bundle_command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "http/coding.h"
#include "lua/bundler.h"
#include "server/bundle.h"

enum {
  EXIT_USAGE = 2,
  NAMES_MAX = 64,
  TEXT_BYTES = 8192,
  GZIP_LEVEL = 9,
  BROTLI_LEVEL = 11,
  BROTLI_LARGE_LEVEL = 9, /* the best one takes a second per MiB */
  BROTLI_LARGE_BYTES = 1024 * 1024
};

typedef struct request {
  const char *app_path, *out_path;
  const char *modules[NAMES_MAX], *externals[NAMES_MAX];
  size_t module_count, external_count;
  bool keeps_source;
} request;

static int refuse(const char *what, const char *why) {
  fprintf(stderr, "justhttp: %s: %s\n", what, why);
  return EXIT_FAILURE;
}

/* ---- compressing ------------------------------------------------------------------------- */

/* The room is one byte short of what would make no difference. */
static char *compress_with(jh_encoder *encoder, jh_str bytes, size_t *out_len) {
  char *room = jh_try_alloc(bytes.len);
  if (!room) return NULL;
  jh_coding_io io = {bytes.ptr, bytes.len, room, bytes.len - 1};
  if (jh_encoder_finish(encoder, &io) == JH_CODING_DONE) {
    *out_len = bytes.len - 1 - io.output_bytes;
    return room;
  }
  jh_free(room);
  return NULL;
}

static char *compress_bytes(const char *extension, jh_str bytes, size_t *out_len) {
  jh_coding_pool pool;
  bool is_gzip = strcmp(extension, ".gz") == 0;
  int level = bytes.len > BROTLI_LARGE_BYTES ? BROTLI_LARGE_LEVEL : BROTLI_LEVEL;
  if (bytes.len < 2) return NULL;
  jh_coding_pool_init(&pool, 0);
  jh_encoder *encoder = jh_encoder_try_acquire(&pool, is_gzip ? JH_CODING_GZIP : JH_CODING_BROTLI,
                                               is_gzip ? GZIP_LEVEL : level);
  char *out = encoder ? compress_with(encoder, bytes, out_len) : NULL;
  jh_encoder_release(&pool, encoder);
  jh_coding_pool_deinit(&pool);
  return out;
}

/* ---- the executable ---------------------------------------------------------------------- */

/* Where an archive behind this executable begins, or its end when there is none. */
static int64_t own_bytes(int fd) {
  struct stat status;
  char error[256];
  jh_bundle *bundle = NULL;
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0 || fstat(fd, &status) < 0) return -errno;
  if (jh_bundle_open(&bundle, copy, error, sizeof error) < 0) close(copy);
  int64_t bytes = bundle ? (int64_t)jh_bundle_zip(bundle)->start : status.st_size;
  jh_bundle_close(bundle);
  return bytes;
}

/* Copies this executable; returns its length or a negative errno. */
static int64_t copy_self(int out) {
  int fd = jh_bundle_open_executable();
  if (fd < 0) return fd;
  int64_t bytes = own_bytes(fd);
  off_t at = 0;
  while (at < bytes) {
    ssize_t count = sendfile(out, fd, &at, (size_t)(bytes - at));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) bytes = count < 0 ? -errno : -EIO;
  }
  close(fd);
  return bytes;
}

/* ---- the app ----------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *ending) {
  size_t len = strlen(text), ending_len = strlen(ending);
  return len > ending_len && strcmp(text + len - ending_len, ending) == 0;
}

/* All files of a directory; of a script those that its snapshot has. */
static int read_files(jh_bundle **out, const char *path, char *error, size_t error_bytes) {
  struct stat status;
  if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
    int result = jh_bundle_take_directory(out, path, error, error_bytes);
    if (result < 0) return result;
    if (jh_bundle_find(*out, jh_bundle_main(*out))) return 0;
    jh_bundle_close(*out);
    *out = NULL;
    snprintf(error, error_bytes, "%s: the directory has no app.lua", path);
    return JH_ENOTFOUND;
  }
  const jh_bundle_source source = {.path = path};
  return jh_bundle_load(out, &source, error, error_bytes);
}

/* Writes the whole file. 0 or a negative code with text in `text`, which else is worth telling. */
static int write_file(const request *request, const jh_bundle *files, int fd, char *text,
                      size_t text_bytes) {
  char comment[JH_ZIP_COMMENT_MAX_BYTES], name[NAME_MAX + 1];
  bool is_zip = ends_in(request->out_path, ".zip");
  int64_t at = is_zip ? 0 : copy_self(fd);
  if (at < 0) {
    snprintf(text, text_bytes, "%s", jh_strerror((int)at));
    return (int)at;
  }
  const char *slash = strrchr(request->out_path, '/');
  snprintf(name, sizeof name, "%s", slash ? slash + 1 : request->out_path);
  if (is_zip) name[strlen(name) - 4] = '\0';
  jh_str main = jh_bundle_main(files);
  snprintf(comment, sizeof comment, JH_BUNDLE_COMMENT_APP "%.*s", (int)main.len, main.ptr);
  jh_zip_writer writer;
  jh_zip_writer_init(&writer, fd, (uint64_t)at);
  const jh_bundler_job job = {.files = jh_bundle_zip(files),
                              .main = main,
                              .name = name,
                              .keeps_source = request->keeps_source,
                              .modules = request->modules,
                              .module_count = request->module_count,
                              .externals = request->externals,
                              .external_count = request->external_count,
                              .writer = &writer,
                              .compress = compress_bytes};
  int result = jh_bundler_run(&job, text, text_bytes);
  if (result == 0) {
    result = jh_zip_writer_finish(&writer, jh_str_of(comment));
    if (result < 0) snprintf(text, text_bytes, "%s", jh_strerror(result));
  }
  jh_zip_writer_deinit(&writer);
  return result;
}

static int finish_file(const request *request, int fd, const char *temporary, const char *told) {
  struct stat status = {0};
  bool is_zip = ends_in(request->out_path, ".zip");
  mode_t mask = umask(0);
  umask(mask);
  if (fchmod(fd, (is_zip ? 0666 : 0777) & ~mask) < 0 || fstat(fd, &status) < 0 ||
      rename(temporary, request->out_path) < 0)
    return refuse(request->out_path, strerror(errno));
  printf("%s: %.1f MiB, %s\n", request->out_path, (double)status.st_size / (1 << 20), told);
  return EXIT_SUCCESS;
}

static int make_file(const request *request) {
  char text[TEXT_BYTES] = "", temporary[PATH_MAX];
  jh_bundle *files = NULL;
  if (read_files(&files, request->app_path, text, sizeof text) < 0)
    return refuse("cannot bundle", text);
  int len = snprintf(temporary, sizeof temporary, "%s.XXXXXX", request->out_path);
  int fd = len < (int)sizeof temporary ? mkostemp(temporary, O_CLOEXEC) : -1;
  if (fd < 0) {
    jh_bundle_close(files);
    return refuse(request->out_path, strerror(errno));
  }
  int result = write_file(request, files, fd, text, sizeof text);
  int code = result < 0 ? refuse("cannot bundle", text) : finish_file(request, fd, temporary, text);
  if (code != EXIT_SUCCESS) unlink(temporary);
  close(fd);
  jh_bundle_close(files);
  return code;
}

/* ---- the command line -------------------------------------------------------------------- */

static int usage(const char *why, const char *argument) {
  fprintf(stderr, "justhttp: bundle: %s%s; `justhttp bundle --help` tells more\n", why, argument);
  return EXIT_USAGE;
}

/* An option with a value. Returns how many arguments were used, 0 for another option. */
static size_t read_value(request *request, const char *flag, const char *value) {
  if (strcmp(flag, "-o") == 0) {
    request->out_path = value;
  } else if (strcmp(flag, "--module") == 0 && request->module_count < NAMES_MAX) {
    request->modules[request->module_count++] = value;
  } else if (strcmp(flag, "--external") == 0 && request->external_count < NAMES_MAX) {
    request->externals[request->external_count++] = value;
  } else {
    return 0;
  }
  return 2;
}

int jh_bundle_command_run(const char *const *arguments, size_t count) {
  request request = {0};
  for (size_t i = 0; i < count;) {
    const char *argument = arguments[i];
    size_t used = 1;
    if (strcmp(argument, "--source") == 0) {
      request.keeps_source = true;
    } else if (argument[0] == '-') {
      if (i + 1 >= count) return usage("a value is missing behind ", argument);
      used = read_value(&request, argument, arguments[i + 1]);
      if (used == 0) return usage("what is ", argument);
    } else if (request.app_path != NULL) {
      return usage("there is an app already; what is ", argument);
    } else {
      request.app_path = argument;
    }
    i += used;
  }
  if (request.app_path == NULL) return usage("which app?", "");
  if (request.out_path == NULL) return usage("where to? Give -o FILE", "");
  return make_file(&request);
}
