/* command.h: from the command line to what it asks for. Exit codes: 0 done, 1 failed, 2 the command
 * line, an option or the app's place is wrong; then one line on standard error says what to write
 * instead. */
#ifndef JH_SERVER_COMMAND_H
#define JH_SERVER_COMMAND_H

#include "server/worker_config.h"

/* Runs the command in argv[1] and returns the exit code. `environment` is NULL ended; `work` is
 * jh_worker_main, called here for `check` and `routes` and in forked workers for `run`. */
int jh_command_main(int argc, const char *const *argv, const char *const *environment,
                    int (*work)(const jh_worker_config *config));

#endif
