/* budget.c: a timer on the thread's CPU time, a signal, a hook.
 *
 * Each tick of the timer, some 10 ms of computing apart, looks whether Lua still works for the
 * event it worked for before; nothing is paid per event. When one has had its time, the tick sets a
 * count hook, which the interpreter calls before its next instruction, and raises SIGPROF. That is
 * for compiled code: traces made while the profiler runs in line mode check at every line whether
 * the profiler wants a sample, and go back to the interpreter when it does. The hook raises the
 * error. Set inside the profiler's own callback it would be lost again.
 *
 * The first error is like any other: the app may catch it, and answer. An app that goes on gets
 * little more time; then the error is raised at every instruction of its own until all is unwound.
 * The server's code below it is never interrupted. */
#include "lua/budget.h"

#include <errno.h>
#include <lua.h>
#include <luajit.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lua/place.h"
#include "lua/vm_state.h"

enum {
  TICK_MS_MAX = 10,
  GRACE_TICKS = 2 /* for whoever catches the first error */
};

/* ---- the error --------------------------------------------------------------------------- */

static void on_instruction(lua_State *state, lua_Debug *unused) {
  lua_Debug call;
  jh_budget *budget = jh_vm_of(state)->budget;
  (void)unused;
  if (!budget || *budget->event_count != budget->event) {
    lua_sethook(state, NULL, 0, 0);
    return;
  }
  if (!jh_place_find(state, &call)) return;
  if (!budget->is_final) lua_sethook(state, NULL, 0, 0);
  budget->error_event = budget->event;
  budget->tick_count = budget->limit_ticks;
  lua_pushfstring(state, "%s:%d: cpu budget of %d ms exceeded", call.short_src, call.currentline,
                  (int)budget->budget_ms);
  lua_error(state);
}

/* ---- the clock --------------------------------------------------------------------------- */

/* LuaJIT does not mind where in it this comes: setting a hook is what its own lua.c does in a
 * handler. Should it be lost, it is set again by the next tick. */
static void interrupt(jh_budget *budget) {
  lua_sethook(budget->running, on_instruction, LUA_MASKCOUNT, 1);
  if (budget->profiled && budget->profiled->state == budget->running) raise(SIGPROF);
}

static void on_tick(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  if (info->si_code != SI_TIMER) return;
  jh_budget *budget = info->si_value.sival_ptr;
  uint64_t event = *budget->event_count;
  if (!budget->running || event != budget->event) {
    budget->event = event;
    budget->tick_count = 0;
    budget->is_final = false;
    return;
  }
  budget->tick_count++;
  if (budget->tick_count < budget->limit_ticks) return;
  if (budget->error_event == event) {
    if (budget->tick_count < budget->limit_ticks + GRACE_TICKS) return;
    budget->is_final = true;
  }
  interrupt(budget);
}

static bool try_take_signal(void) {
  struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  return sigaction(SIGVTALRM, &action, NULL) == 0;
}

/* Ticks that the budget is a whole number of. */
static bool try_start_timer(jh_budget *budget) {
  uint32_t tick_us = (uint32_t)((uint64_t)budget->budget_ms * 1000 / budget->limit_ticks);
  struct timespec tick = {.tv_nsec = (long)tick_us * 1000};
  struct itimerspec times = {.it_interval = tick, .it_value = tick};
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGVTALRM};
  event.sigev_value.sival_ptr = budget;
#ifdef sigev_notify_thread_id
  event.sigev_notify_thread_id = gettid();
#else
  event._sigev_un._tid = gettid();
#endif
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &budget->timer) != 0) return false;
  if (timer_settime(budget->timer, 0, &times, NULL) == 0) return true;
  timer_delete(budget->timer);
  return false;
}

jh_budget *jh_budget_try_new(uint32_t budget_ms, const volatile uint64_t *event_count) {
  jh_budget *budget = jh_alloc(sizeof *budget);
  *budget = (jh_budget){.budget_ms = budget_ms,
                        .limit_ticks = (budget_ms + TICK_MS_MAX - 1) / TICK_MS_MAX,
                        .event_count = event_count,
                        .error_event = UINT64_MAX};
  if (try_take_signal() && try_start_timer(budget)) return budget;
  int code = errno;
  jh_free(budget);
  errno = code;
  return NULL;
}

void jh_budget_free(jh_budget *budget) {
  if (!budget) return;
  if (budget->profiled) jh_budget_forget(budget, budget->profiled);
  timer_delete(budget->timer);
  jh_free(budget);
}

/* ---- VMs --------------------------------------------------------------------------------- */

static void on_sample(void *data, lua_State *state, int sample_count, int vm_state) {
  (void)data, (void)state, (void)sample_count, (void)vm_state;
}

static void interpret(jh_vm *vm, bool does) {
  if (vm->is_interpreted == does) return;
  vm->is_interpreted = does;
  luaJIT_setmode(vm->state, 0, LUAJIT_MODE_ENGINE | (does ? LUAJIT_MODE_OFF : LUAJIT_MODE_ON));
}

/* Its own timer would tick for nothing. */
static void start_profiler(jh_vm *vm) {
  struct itimerval never = {0};
  luaJIT_profile_start(vm->state, "li1000000", on_sample, NULL);
  setitimer(ITIMER_PROF, &never, NULL);
}

void jh_budget_join(jh_budget *budget, jh_vm *vm) {
  vm->budget = budget;
  interpret(vm, true);
}

void jh_budget_watch(jh_budget *budget, jh_vm *vm) {
  jh_vm *previous = budget->profiled;
  vm->budget = budget;
  if (previous == vm) return;
  if (previous) {
    luaJIT_profile_stop(previous->state);
    interpret(previous, true);
  }
  budget->profiled = vm;
  interpret(vm, false);
  start_profiler(vm);
}

void jh_budget_forget(jh_budget *budget, jh_vm *vm) {
  if (vm->budget != budget) return;
  if (budget->profiled == vm) {
    luaJIT_profile_stop(vm->state);
    budget->profiled = NULL;
  }
  lua_sethook(vm->state, NULL, 0, 0);
  vm->budget = NULL;
}
