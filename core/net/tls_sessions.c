/* tls_sessions.c: the table of sessions to resume. */
#include "net/tls_sessions.h"

#include <openssl/ssl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

enum { SLOT_COUNT = 256 };

typedef struct slot {
  char *peer; /* NULL: empty */
  size_t peer_len;
  SSL_SESSION *session;
} slot;

struct jh_tls_sessions {
  slot slots[SLOT_COUNT];
};

jh_tls_sessions *jh_tls_sessions_new(void) {
  return jh_try_calloc(1, sizeof(jh_tls_sessions));
}

static void clear(slot *place) {
  if (!place->peer) return;
  jh_free(place->peer);
  SSL_SESSION_free(place->session);
  *place = (slot){NULL, 0, NULL};
}

void jh_tls_sessions_free(jh_tls_sessions *sessions) {
  if (!sessions) return;
  for (int i = 0; i < SLOT_COUNT; i++) clear(&sessions->slots[i]);
  jh_free(sessions);
}

static slot *slot_of(jh_tls_sessions *sessions, jh_str peer) {
  return &sessions->slots[jh_str_hash(peer) % SLOT_COUNT];
}

static bool is_of(const slot *place, jh_str peer) {
  return place->peer && jh_str_equal((jh_str){place->peer, place->peer_len}, peer);
}

bool jh_tls_sessions_put(jh_tls_sessions *sessions, jh_str peer, SSL_SESSION *session) {
  slot *place = slot_of(sessions, peer);
  if (is_of(place, peer)) {
    SSL_SESSION_free(place->session);
    place->session = session;
    return true;
  }
  char *copy = jh_try_alloc(peer.len + 1);
  if (!copy) return false;
  memcpy(copy, peer.ptr, peer.len);
  clear(place);
  *place = (slot){copy, peer.len, session};
  return true;
}

SSL_SESSION *jh_tls_sessions_find(jh_tls_sessions *sessions, jh_str peer) {
  const slot *place = slot_of(sessions, peer);
  return is_of(place, peer) && SSL_SESSION_is_resumable(place->session) ? place->session : NULL;
}

void jh_tls_sessions_drop(jh_tls_sessions *sessions, jh_str peer) {
  slot *place = slot_of(sessions, peer);
  if (is_of(place, peer)) clear(place);
}
