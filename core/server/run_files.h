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

/* Writes the pid of this process where options->pid_file says. 0 or a negated errno and `error`. */
int jh_run_files_write_pid(jh_run_files *files, char *error, size_t error_bytes);

/* Removes the pid file, keeps the logs. Zeroed files are fine. */
void jh_run_files_close(jh_run_files *files);

#endif
