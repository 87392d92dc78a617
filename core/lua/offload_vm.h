/* offload_vm.h: a Lua state for http.offload, which runs one job at a time on any thread.
 *
 * It has the standard libraries and the app's package.path and nothing of justhttp; what goes in
 * and out are encoded values (lua/justhttp/offload_job.lua). server/offload.c keeps them. */
#ifndef JH_LUA_OFFLOAD_VM_H
#define JH_LUA_OFFLOAD_VM_H

#include "base/zip.h"
#include "justhttp.h"

/* ==== cdef: begin ==== */

typedef struct jh_offload_vm jh_offload_vm;

/* A state for the jobs of one bundle, which `number` tells from others: modules that were loaded
 * stay. NULL when memory is out. */
jh_offload_vm *jh_offload_vm_new(uint64_t number);

uint64_t jh_offload_vm_number(const jh_offload_vm *vm);

/* Runs a job; modules are looked for in `files` first, when that is not NULL. 0 and its encoded
 * outcome; or JH_ENOMEM, or JH_EINVAL and a text when the job itself did not even come to its end.
 * *output is a copy, for jh_free(). */
int jh_offload_vm_run(jh_offload_vm *vm, const jh_zip *files, jh_str input, jh_str *output);

/* Collects what jobs left. Bytes that are in use after that. */
size_t jh_offload_vm_collect(jh_offload_vm *vm);

void jh_offload_vm_free(jh_offload_vm *vm);

/* ==== cdef: end ==== */

#endif
