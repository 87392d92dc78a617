/* tls_tickets.c: one writer, many readers in other processes, no lock: readers look at the version
 * before and after, and try again when it changed meanwhile. */
#include "net/tls_tickets.h"

#include <string.h>
#include <sys/random.h>

enum { TRIES_MAX = 1000 };

static int make_key(jh_tls_ticket_key *key) {
  return getrandom(key, sizeof *key, 0) == (ssize_t)sizeof *key ? 0 : JH_EUNSUPPORTED;
}

int jh_tls_tickets_rotate(jh_tls_tickets *tickets) {
  jh_tls_ticket_key fresh, previous = tickets->keys[0];
  int error = make_key(&fresh);
  if (!error && tickets->version == 0) error = make_key(&previous);
  if (error) return error;
  uint32_t version = tickets->version;
  __atomic_store_n(&tickets->version, version + 1, __ATOMIC_SEQ_CST);
  tickets->keys[1] = previous;
  tickets->keys[0] = fresh;
  __atomic_store_n(&tickets->version, version + 2, __ATOMIC_SEQ_CST);
  return 0;
}

static int copy_key(const jh_tls_tickets *tickets, const uint8_t *name, jh_tls_ticket_key *key) {
  for (int i = 0; i < JH_TLS_TICKET_KEY_COUNT; i++) {
    if (name && memcmp(tickets->keys[i].name, name, JH_TLS_TICKET_NAME_BYTES) != 0) continue;
    *key = tickets->keys[i];
    return i;
  }
  return JH_ENOTFOUND;
}

int jh_tls_tickets_find(const jh_tls_tickets *tickets, const uint8_t *name,
                        jh_tls_ticket_key *key) {
  for (int i = 0; i < TRIES_MAX; i++) {
    uint32_t before = __atomic_load_n(&tickets->version, __ATOMIC_SEQ_CST);
    if (before % 2 == 1) continue;
    int index = copy_key(tickets, name, key);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&tickets->version, __ATOMIC_SEQ_CST) == before) return index;
  }
  return JH_ENOTFOUND;
}
