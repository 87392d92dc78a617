/* run_files.c: log files are made by the supervisor, perhaps as root, and handed over to the user
 * that the workers become: they open them again by name and must be allowed to. */
#include "server/run_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_file(const char *log_option) {
  return log_option[0] != '\0' && strcmp(log_option, "-") != 0;
}

static int make_log(const char *path, const jh_identity *identity, char *error,
                    size_t error_bytes) {
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) {
    int code = errno;
    snprintf(error, error_bytes, "cannot write the log %s: %s", path, strerror(code));
    return -code;
  }
  jh_identity_own(identity, path);
  return fd;
}

int jh_run_files_open(jh_run_files *files, const jh_options *options, const jh_identity *identity,
                      char *error, size_t error_bytes) {
  int fd = STDERR_FILENO, level = options->log_level;
  files->options = options;
  files->pid_file = "";
  if (is_file(options->access_log)) {
    fd = make_log(options->access_log, identity, error, error_bytes);
    if (fd < 0) return fd;
    close(fd);
    fd = STDERR_FILENO;
  }
  if (is_file(options->error_log)) {
    fd = make_log(options->error_log, identity, error, error_bytes);
    if (fd < 0) return fd;
  }
  if (options->error_log[0] == '\0') level = JH_LOG_OFF;
  jh_log_init(&files->log, fd, level, options->log_format == 1);
  return 0;
}

/* Whoever holds the number, holds the new file: there is no moment without a log. */
static int replace_fd(int fresh, int fd) {
  int rc = dup3(fresh, fd, O_CLOEXEC) < 0 ? -errno : 0;
  close(fresh);
  return rc;
}

int jh_run_files_reopen(const jh_run_files *files, const jh_identity *identity, char *error,
                        size_t error_bytes) {
  const jh_options *options = files->options;
  int rc = 0;
  if (is_file(options->access_log)) {
    int fd = make_log(options->access_log, identity, error, error_bytes);
    if (fd < 0) rc = fd;
    if (fd >= 0) close(fd);
  }
  if (!is_file(options->error_log)) return rc;
  int fd = make_log(options->error_log, identity, error, error_bytes);
  if (fd < 0) return fd;
  int replaced = replace_fd(fd, files->log.fd);
  return rc != 0 ? rc : replaced;
}

int jh_run_files_reopen_log(const char *path, int fd) {
  if (!is_file(path) || fd <= STDERR_FILENO) return 0;
  int fresh = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  return fresh < 0 ? -errno : replace_fd(fresh, fd);
}

int jh_run_files_write_pid(jh_run_files *files, char *error, size_t error_bytes) {
  const char *path = files->options->pid_file;
  if (path[0] == '\0') return 0;
  FILE *file = fopen(path, "we");
  bool is_written = file != NULL && fprintf(file, "%ld\n", (long)getpid()) > 0;
  if (file != NULL && fclose(file) != 0) is_written = false;
  if (!is_written) {
    int code = errno;
    snprintf(error, error_bytes, "cannot write the pid file %s: %s", path, strerror(code));
    return -code;
  }
  files->pid_file = path;
  return 0;
}

void jh_run_files_close(jh_run_files *files) {
  if (files->options == NULL) return;
  if (files->pid_file[0] != '\0') unlink(files->pid_file);
  if (files->log.fd > STDERR_FILENO) close(files->log.fd);
}
