/* supervisor.h: the process that owns the listening sockets and keeps a worker alive in every slot.
 *
 * It runs no event loop and no Lua: it forks, waits for signals, and restarts. What a worker does
 * to itself therefore cannot reach it, and a worker that it forks starts from a clean copy. */
#ifndef JH_SERVER_SUPERVISOR_H
#define JH_SERVER_SUPERVISOR_H

#include "server/options.h"
#include "server/worker_config.h"

typedef struct jh_supervisor_config {
  const jh_options *options; /* complete and checked */
  const char *app_path;      /* as in jh_worker_config */
  const char *app_code;
  const struct jh_bundle_source *source; /* what app_path was before; NULL with app_code */
  const struct jh_bundle *bundle;        /* what the first workers load; as in jh_worker_config */
  const char *const *argv;               /* of this process, for the one that takes its place */
  int (*work)(const jh_worker_config *config); /* jh_worker_main; what a forked worker runs */
} jh_supervisor_config;

/* Opens the listeners, starts the workers, prints one "listening on URL" line per listener once
 * all of them serve, and stays until told to stop:
 *
 *   SIGTERM, SIGINT, SIGHUP   stop accepting, finish what runs within shutdown_timeout_ms
 *   the same again, SIGQUIT   stop at once
 *   SIGUSR2                   start the executable anew and hand the listeners over to it
 *   SIGUSR1                   open the log files again, which somebody has moved away
 *
 * Returns the exit code: 0 stopped when asked to, 1 could not start (one line on standard error
 * says why), 2 an option that this machine cannot honour, or the first worker's own code when it
 * ends before it serves. */
int jh_supervisor_run(const jh_supervisor_config *config);

#endif
