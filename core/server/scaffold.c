/* scaffold.c: directories and files, one by one, and the first error ends it.
 *
 * New files are made with O_EXCL: what somebody put there in between is not overwritten either. The
 * stubs are the annotated sources themselves, so they cannot disagree with this version. */
#include "server/scaffold.h"

#include "justhttp.h"
#include "lua/embed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char name_mark[] = "@NAME@"; /* stands for the app's name in the files */
static const char stubs_place[] = ".justhttp/stubs";

typedef struct target {
  const char *dir;
  char *error;
  size_t error_bytes;
} target;

static int refuse(const target *target, const char *path, const char *why) {
  snprintf(target->error, target->error_bytes, "cannot write %s: %s", path, why);
  return JH_EINVAL;
}

/* Makes the directories of `path` below the first `from` bytes. */
static int make_parents(const target *target, char *path, size_t from) {
  for (char *at = path + from; (at = strchr(at, '/')) != NULL; at++) {
    *at = '\0';
    bool is_made = mkdir(path, 0755) == 0 || errno == EEXIST;
    int code = errno;
    if (!is_made) return refuse(target, path, strerror(code));
    *at = '/';
  }
  return 0;
}

/* Writes `text` with the app's name in place of its mark. */
static bool write_text(int fd, jh_str text, const char *name) {
  FILE *file = fdopen(fd, "w");
  if (file == NULL) {
    close(fd);
    return false;
  }
  size_t mark_len = sizeof name_mark - 1;
  while (text.len > 0) {
    const char *mark = name != NULL ? memmem(text.ptr, text.len, name_mark, mark_len) : NULL;
    size_t len = mark != NULL ? (size_t)(mark - text.ptr) : text.len;
    fwrite(text.ptr, 1, len, file);
    if (mark != NULL) {
      fputs(name, file);
      len += mark_len;
    }
    text.ptr += len;
    text.len -= len;
  }
  bool is_written = !ferror(file);
  return fclose(file) == 0 && is_written;
}

/* `name` NULL: the text is written as it is, over a file that is there. */
static int write_file(const target *target, const char *below, jh_str text, const char *name) {
  char path[PATH_MAX];
  int len = snprintf(path, sizeof path, "%s/%s", target->dir, below);
  if (len < 0 || (size_t)len >= sizeof path) return refuse(target, below, "the path is too long");
  int rc = make_parents(target, path, strlen(target->dir) + 1);
  if (rc != 0) return rc;
  int how = name != NULL ? O_EXCL : O_TRUNC;
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0644);
  if (fd < 0 || !write_text(fd, text, name)) return refuse(target, path, strerror(errno));
  return 0;
}

static bool is_empty_directory(const char *path) {
  DIR *dir = opendir(path);
  if (dir == NULL) return false;
  bool is_empty = true;
  for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) is_empty = false;
  }
  closedir(dir);
  return is_empty;
}

static int make_directory(const target *target) {
  if (mkdir(target->dir, 0755) == 0) return 0;
  int code = errno;
  if (code != EEXIST) return refuse(target, target->dir, strerror(code));
  if (is_empty_directory(target->dir)) return 0;
  snprintf(target->error, target->error_bytes,
           "'%s' is there already and is not empty; nothing was written", target->dir);
  return JH_EEXIST;
}

/* The last part of the directory's real path: "." has a name too. */
static const char *name_of(const char *dir, char out[PATH_MAX]) {
  if (realpath(dir, out) == NULL) return "app";
  const char *slash = strrchr(out, '/');
  return slash != NULL && slash[1] != '\0' ? slash + 1 : "app";
}

int jh_scaffold_stubs(const char *dir, char *error, size_t error_bytes) {
  const target target = {.dir = dir, .error = error, .error_bytes = error_bytes};
  for (size_t i = 0; i < jh_embed_module_count; i++) {
    const jh_embed_module *module = &jh_embed_modules[i];
    char below[PATH_MAX];
    snprintf(below, sizeof below, "%s/%s", stubs_place, module->chunk_name + 1);
    int rc = write_file(&target, below, (jh_str){module->source, module->len}, NULL);
    if (rc != 0) return rc;
  }
  return 0;
}

int jh_scaffold_new(const char *dir, char *error, size_t error_bytes) {
  char real[PATH_MAX];
  const target target = {.dir = dir, .error = error, .error_bytes = error_bytes};
  int rc = make_directory(&target);
  const char *name = name_of(dir, real);
  for (size_t i = 0; rc == 0 && i < jh_embed_scaffold_count; i++) {
    const jh_embed_file *file = &jh_embed_scaffold[i];
    rc = write_file(&target, file->path, (jh_str){file->bytes, file->len}, name);
  }
  return rc == 0 ? jh_scaffold_stubs(dir, error, error_bytes) : rc;
}
