/* worker_guard.h: what a worker does so that neither code that computes for ever nor a call that
 * never returns holds it up. */
#ifndef JH_SERVER_WORKER_GUARD_H
#define JH_SERVER_WORKER_GUARD_H

#include "server/worker.h"

/* Makes worker->budget, when cpu_budget_ms asks for one. The signals it takes are the process's. */
void jh_worker_guard_start_budget(jh_worker *worker);

/* Lets the loop turn often enough for the supervisor, and answers when it asks; see stuck.h. */
void jh_worker_guard_start_turning(jh_worker *worker);

#endif
