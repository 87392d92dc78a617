/* run_files.h: the files a running server leaves on disk: its logs and its pid file. */
#ifndef JH_SERVER_RUN_FILES_H
#define JH_SERVER_RUN_FILES_H

#include <stddef.h>

#include "base/log.h"
#include "server/identity.h"
#include "server/options.h"

typedef struct jh_run_files {
  jh_log log;           /* the supervisor's own view of the error log */
  const char *pid_file; /* the one we wrote; "" none */
  const jh_options *options;
} jh_run_files;

/* Opens the error log for the supervisor and makes both log files for the workers. 0 or a negated
 * errno and one line in `error`. */
int jh_run_files_open(jh_run_files *files, const jh_options *options, const jh_identity *identity,
                      char *error, size_t error_bytes);

/* In the supervisor: makes the log files anew where they were moved away, and goes on in them. 0 or
 * a negated errno and `error`; then what could not be opened goes on as before. */
int jh_run_files_reopen(const jh_run_files *files, const jh_identity *identity, char *error,
                        size_t error_bytes);

/* In a worker: has `fd`, a log opened as option `path` says, go on in the file of that name. Its
 * number stays. 0 or a negated errno; then it goes on as before. */
int jh_run_files_reopen_log(const char *path, int fd);

/* Writes the pid of this process where options->pid_file says. 0 or a negated errno and `error`. */
int jh_run_files_write_pid(jh_run_files *files, char *error, size_t error_bytes);

/* Removes the pid file, keeps the logs. Zeroed files are fine. */
void jh_run_files_close(jh_run_files *files);

#endif
