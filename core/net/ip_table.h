/* ip_table.h: how many connections each client address has, over all workers.
 *
 * One piece of shared memory, made by the supervisor before it forks. Every worker has a part of
 * its own that only it writes; the count of an address is the sum over all parts, read without
 * locks. So a worker that dies takes nothing with it but its part, which its successor clears.
 * Counting comes before looking: two workers that accept at the same moment may both refuse the
 * last place, but never both give it away. */
#ifndef JH_NET_IP_TABLE_H
#define JH_NET_IP_TABLE_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

typedef struct jh_ip_table jh_ip_table;

/* Shared memory for `slot_count` workers of at most `max_connections` each, or NULL. */
jh_ip_table *jh_ip_table_new(uint32_t slot_count, uint32_t max_connections);
void jh_ip_table_free(jh_ip_table *table);

/* Forgets what the last worker of this slot counted. */
void jh_ip_table_clear(jh_ip_table *table, uint32_t slot);

/* Counts a connection of the address with this key (jh_ip_limit_key(), not 0). 0, or JH_ELIMIT when
 * `limit` connections of it are open already: then it is not counted. */
int jh_ip_table_enter(jh_ip_table *table, uint32_t slot, uint64_t key, uint32_t limit);

/* A counted connection closed. */
void jh_ip_table_leave(jh_ip_table *table, uint32_t slot, uint64_t key);

/* Connections of an address in all workers. */
uint32_t jh_ip_table_count(const jh_ip_table *table, uint64_t key);

/* ==== cdef: end ==== */

#endif
