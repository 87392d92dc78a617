/* tls_tickets.h: the keys that session tickets are sealed with, shared by all workers.
 *
 * They lie in memory that the supervisor maps before it forks, so a client may resume its session
 * with any worker, and nothing is stored per session. The supervisor makes a new key now and then;
 * the one before it still opens what it sealed, so whoever steals the keys reads little. */
#ifndef JH_NET_TLS_TICKETS_H
#define JH_NET_TLS_TICKETS_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum {
  JH_TLS_TICKET_NAME_BYTES = 16,
  JH_TLS_TICKET_KEY_COUNT = 2,
  JH_TLS_TICKET_LIFETIME_S = 43200, /* of a ticket; a key is used as long, and kept twice that */
};

typedef struct jh_tls_ticket_key {
  uint8_t name[16];
  uint8_t aes[32];
  uint8_t hmac[32];
} jh_tls_ticket_key;

/* The first key seals, all open. */
typedef struct jh_tls_tickets {
  uint32_t version; /* odd while the keys are being changed */
  jh_tls_ticket_key keys[2];
} jh_tls_tickets;

/* Makes a new first key; the oldest one is forgotten. The first call makes all keys. 0, or
 * JH_EUNSUPPORTED when there is no randomness. For the one process that owns them. */
int jh_tls_tickets_rotate(jh_tls_tickets *tickets);

/* Copies the key that seals (`name` NULL) or the one of that name. Its index, or JH_ENOTFOUND. */
int jh_tls_tickets_find(const jh_tls_tickets *tickets, const uint8_t *name, jh_tls_ticket_key *key);

/* ==== cdef: end ==== */

#endif
