/* cpu.h: how many workers this machine is good for, and which CPU each of them gets. Counts what
 * this process may use (its affinity mask, its control group's quota), not what the board has: in a
 * container the two differ by an order of magnitude. */
#ifndef JH_SERVER_CPU_H
#define JH_SERVER_CPU_H

#include <stdint.h>

/* ==== cdef: begin ==== */

/* CPUs in the affinity mask of this process; at least 1. */
uint32_t jh_cpu_allowed_count(void);

/* The number of workers for `workers = "auto"`: allowed CPUs, or the quota of the control group
 * rounded up when that is less; at least 1. */
uint32_t jh_cpu_worker_count(void);

/* The share that a cgroup v2 `cpu.max` text ("150000 100000", "max 100000") allows, rounded up to
 * whole CPUs; 0 for no limit or a text that makes no sense. */
uint32_t jh_cpu_quota(const char *cpu_max);

/* Confines the calling process to the allowed CPU number `slot`, counted round. 0 or a negated
 * errno. */
int jh_cpu_pin(uint32_t slot);

/* ==== cdef: end ==== */

#endif
