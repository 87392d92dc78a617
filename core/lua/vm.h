/* vm.h: the Lua VM of one generation, and the one place where C enters Lua.
 *
 * A VM is told by an opaque handle which generation it serves; it hands that to
 * lua/justhttp/boot.lua, which returns the active dispatcher, a coroutine. jh_vm_drain() resumes it
 * once per loop turn that has events; it costs less than a function that would resume it. */
#ifndef JH_LUA_VM_H
#define JH_LUA_VM_H

#include <stddef.h>

#include "base/log.h"

typedef struct jh_vm jh_vm;

/* A new VM with the libraries open, the embedded modules requirable and justhttp.boot run with
 * `generation` as its argument. NULL after an error, which is written to `log`. */
jh_vm *jh_vm_new(void *generation, jh_log *log);

void jh_vm_free(jh_vm *vm);

/* Lets Lua pull events until the ready queue is empty. 0, or JH_EINVAL after an error that escaped
 * the dispatcher (a bug of ours: handlers' errors are caught in Lua); it is written to the log. */
int jh_vm_drain(jh_vm *vm);

/* For a signal handler on the thread of jh_vm_drain(): the line of the app that runs,
 * "app.lua:12", without a line where it cannot be told, or "". */
void jh_vm_write_place(char *out, size_t out_bytes);

#endif
