/* budget.h: stops Lua code that computes for too long between two events.
 *
 * The clock is the CPU time of the worker's thread: what a handler waits for, and a machine that is
 * busy or asleep, does not count. A VM is watched once jh_budget_watch() was told of it. The budget
 * takes the signals SIGVTALRM and SIGPROF of the process, so a program that embeds the server has
 * one only if it asks. Code inside one C call is not reached: the supervisor ends such a worker. */
#ifndef JH_LUA_BUDGET_H
#define JH_LUA_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct jh_vm;
typedef struct jh_budget jh_budget;

/* Watches code of the calling thread from now on: what `event_count` counts may each take
 * `budget_ms`. NULL when the system has no timer for us; errno tells why. */
jh_budget *jh_budget_try_new(uint32_t budget_ms, const volatile uint64_t *event_count);

/* Before its thread ends; the VMs it watched may live on. */
void jh_budget_free(jh_budget *budget);

/* Watches a VM that only loads its app as yet: what it runs is interpreted. */
void jh_budget_join(jh_budget *budget, struct jh_vm *vm);

/* Watches the VM that serves. LuaJIT's profiler, without which loops that are compiled cannot be
 * left, serves one VM per process: the one given last. Those given before, which only finish what
 * they have, are interpreted from now on, so that they still can be stopped. Call it between two
 * turns. */
void jh_budget_watch(jh_budget *budget, struct jh_vm *vm);

/* The VM is about to be closed. */
void jh_budget_forget(jh_budget *budget, struct jh_vm *vm);

#endif
