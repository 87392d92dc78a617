/* vm_state.h: what the files of this room share about a VM. Nobody else includes this; vm.h is for
 * the rest. */
#ifndef JH_LUA_VM_STATE_H
#define JH_LUA_VM_STATE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lua/budget.h"
#include "lua/heap.h"
#include "lua/vm.h"

struct jh_vm {
  jh_heap heap; /* first: what the state's allocator is given is the VM */
  lua_State *state;
  lua_State *active; /* the active dispatcher; Lua keeps it alive */
  jh_log *log;
  jh_budget *budget;   /* NULL: its Lua may compute for ever */
  bool is_interpreted; /* by the budget's wish */
  int replace_ref;
};

/* Its fields are read and written by a signal handler on the same thread. */
struct jh_budget {
  timer_t timer;
  uint32_t budget_ms;
  uint32_t limit_ticks; /* the same in ticks */
  const volatile uint64_t *event_count;
  jh_vm *profiled;              /* has the profiler */
  lua_State *volatile running;  /* of the VM whose Lua runs now; NULL none */
  volatile uint64_t event;      /* that the last tick saw */
  volatile uint32_t tick_count; /* since then */
  uint64_t error_event;         /* in which the error was raised last */
  volatile bool is_final;       /* it is raised until all is unwound */
};

/* The VM that a state, or a coroutine of it, is part of. */
static inline jh_vm *jh_vm_of(lua_State *state) {
  void *vm;
  lua_getallocf(state, &vm);
  return vm;
}

#endif
