/* origin.c: finding origins, and who gets which link.
 *
 * What must stay true: a conn is in `idle` exactly while it is open and has no call; calls wait
 * only while every link is taken and no further one may be opened. */
#include "net/origin.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/tls_context.h"

enum {
  BUCKETS = 256,
  FREE_CALLS_MAX = 1024,
  FREE_CONNS_MAX = 1024,
  HTTP2_CAPACITY = 100 /* before a server has said something else (RFC 9113 §6.5.2) */
};

/* ---- the client side of a worker ---- */

static void sweep(jh_origin *origin);

static void on_deadline(jh_deadlines *deadlines, jh_deadline *deadline) {
  (void)deadlines;
  if (deadline->kind == JH_DEADLINE_OF_CALL) {
    jh_call_on_deadline(JH_LIST_ENTRY(deadline, jh_call, deadline));
  } else {
    sweep(JH_LIST_ENTRY(deadline, jh_origin, sweep));
  }
}

jh_clients *jh_clients_new(struct jh_loop *loop) {
  jh_clients *clients = jh_alloc(sizeof *clients);
  memset(clients, 0, sizeof *clients);
  clients->loop = loop;
  jh_list_init(&clients->origins);
  jh_list_init(&clients->calls);
  clients->buckets = jh_alloc(BUCKETS * sizeof(jh_origin *));
  memset(clients->buckets, 0, BUCKETS * sizeof(jh_origin *));
  clients->buckets_mask = BUCKETS - 1;
  jh_pool_init(&clients->calls_pool, sizeof(jh_call), FREE_CALLS_MAX);
  jh_pool_init(&clients->conns_pool, sizeof(jh_client_conn), FREE_CONNS_MAX);
  jh_deadlines_init(&clients->deadlines, &loop->uv, on_deadline);
  return clients;
}

static void close_all(jh_list *conns) {
  while (!jh_list_is_empty(conns)) {
    jh_client_conn *conn = JH_LIST_ENTRY(conns->next, jh_client_conn, node);
    conn->is_retired = true;
    jh_client_conn_break(conn, JH_ECLOSED, JH_CALL_LINK_CLOSED, "the worker ends");
  }
}

void jh_clients_close(jh_clients *clients) {
  while (!jh_list_is_empty(&clients->calls)) {
    jh_call_close(JH_LIST_ENTRY(clients->calls.next, jh_call, open_node));
  }
  jh_list *node = clients->origins.next;
  while (node != &clients->origins) {
    jh_origin *origin = JH_LIST_ENTRY(node, jh_origin, node);
    node = node->next;
    origin->refs++;
    close_all(&origin->idle);
    close_all(&origin->busy);
    origin->refs = 0;
    jh_origin_free_unused(origin);
  }
  jh_clients_finish_turn(clients);
  jh_deadlines_close(&clients->deadlines);
}

void jh_clients_free(jh_clients *clients) {
  jh_deadlines_deinit(&clients->deadlines);
  jh_pool_deinit(&clients->calls_pool);
  jh_pool_deinit(&clients->conns_pool);
  jh_free(clients->buckets);
  jh_free(clients);
}

void jh_clients_finish_turn(jh_clients *clients) {
  while (clients->first_pending) {
    jh_client_conn *conn = clients->first_pending;
    clients->first_pending = conn->next_pending;
    conn->is_pending = false;
    if (!conn->is_closed) conn->protocol->flush(conn);
  }
  while (clients->first_closed) {
    jh_client_conn *conn = clients->first_closed;
    clients->first_closed = conn->next_closed;
    jh_pool_release(&clients->conns_pool, conn);
  }
}

/* ---- origins ---- */

static jh_origin *find(const jh_clients *clients, jh_str key, uint64_t hash) {
  jh_origin *origin = clients->buckets[hash & clients->buckets_mask];
  while (origin) {
    bool is_it = origin->hash == hash && jh_str_equal((jh_str){origin->key, origin->key_len}, key);
    if (is_it) return origin;
    origin = origin->next_in_bucket;
  }
  return NULL;
}

static char *copy_text(const char *bytes, size_t len) {
  char *copy = jh_try_alloc(len + 1);
  if (!copy) return NULL;
  if (len) memcpy(copy, bytes, len);
  copy[len] = '\0';
  return copy;
}

static void free_origin(jh_origin *origin) {
  jh_tls_context_release(origin->options.tls);
  jh_free(origin->key);
  jh_free(origin->host);
  jh_free(origin->proxy_host);
  jh_free(origin->proxy_auth);
  jh_free(origin->server_name);
  jh_free(origin);
}

static bool copy_strings(jh_origin *origin, jh_str key, const jh_origin_options *from) {
  jh_origin_options *options = &origin->options;
  options->host = origin->host = copy_text(from->host, from->host_len);
  options->proxy_host = origin->proxy_host = copy_text(from->proxy_host, from->proxy_host_len);
  options->proxy_auth = origin->proxy_auth = copy_text(from->proxy_auth, from->proxy_auth_len);
  options->server_name = origin->server_name = copy_text(from->server_name, from->server_name_len);
  origin->key = copy_text(key.ptr, key.len);
  origin->key_len = key.len;
  return origin->host && origin->proxy_host && origin->proxy_auth && origin->server_name &&
         origin->key;
}

static jh_origin *add(jh_clients *clients, jh_str key, uint64_t hash,
                      const jh_origin_options *options) {
  jh_origin *origin = jh_try_calloc(1, sizeof *origin);
  if (!origin) return NULL;
  origin->options = *options;
  jh_tls_context_acquire(origin->options.tls);
  if (origin->options.max_pending == 0) origin->options.max_pending = 1;
  if (origin->options.max_connections == 0) origin->options.max_connections = 1;
  if (!copy_strings(origin, key, options)) {
    free_origin(origin);
    return NULL;
  }
  origin->clients = clients;
  origin->http2_capacity = HTTP2_CAPACITY;
  origin->hash = hash;
  origin->sweep.kind = JH_DEADLINE_OF_ORIGIN;
  jh_list_init(&origin->idle);
  jh_list_init(&origin->busy);
  jh_list_init(&origin->waiting);
  jh_list_init(&origin->node);
  jh_list_append(&clients->origins, &origin->node);
  jh_origin **bucket = &clients->buckets[hash & clients->buckets_mask];
  origin->next_in_bucket = *bucket;
  *bucket = origin;
  clients->origin_count++;
  return origin;
}

jh_origin *jh_origin_acquire(jh_clients *clients, jh_str key, const jh_origin_options *options,
                             int *error) {
  uint64_t hash = jh_str_hash(key);
  jh_origin *origin = find(clients, key, hash);
  if (!origin) origin = add(clients, key, hash, options);
  *error = origin ? 0 : JH_ENOMEM;
  if (origin) origin->refs++;
  return origin;
}

void jh_origin_free_unused(jh_origin *origin) {
  if (origin->refs > 0 || origin->connection_count > 0 || origin->call_count > 0) return;
  jh_clients *clients = origin->clients;
  jh_origin **at = &clients->buckets[origin->hash & clients->buckets_mask];
  while (*at != origin) at = &(*at)->next_in_bucket;
  *at = origin->next_in_bucket;
  jh_list_remove(&origin->node);
  jh_deadline_clear(&clients->deadlines, &origin->sweep);
  clients->origin_count--;
  free_origin(origin);
}

void jh_origin_close(jh_origin *origin) {
  JH_ASSERT(origin->refs > 0);
  origin->refs--;
  jh_origin_free_unused(origin);
}

void jh_origin_read_stats(jh_origin *origin, jh_origin_stats *stats) {
  *stats = (jh_origin_stats){.connections = origin->connection_count,
                             .idle = origin->idle_count,
                             .waiting = origin->waiting_count,
                             .calls = origin->calls,
                             .dialled = origin->dialled,
                             .retried = origin->retried};
}

const char *jh_origin_name(const jh_origin *origin, char *out, size_t out_bytes) {
  const char *host = origin->host;
  if (strncmp(host, "unix:", 5) == 0) {
    snprintf(out, out_bytes, "%s", host);
  } else {
    bool is_ip6 = strchr(host, ':') != NULL;
    snprintf(out, out_bytes, is_ip6 ? "[%s]:%u" : "%s:%u", host, origin->options.port);
  }
  return out;
}

/* ---- links ---- */

static bool is_too_old(const jh_origin *origin, const jh_client_conn *conn) {
  uint32_t max_age_ms = origin->options.max_connection_age_ms;
  return max_age_ms && uv_now(&origin->clients->loop->uv) - conn->born_ms >= max_age_ms;
}

static void retire(jh_client_conn *conn) {
  conn->is_retired = true;
  jh_client_conn_break(conn, JH_ECLOSED, JH_CALL_LINK_CLOSED, "the link was closed");
}

/* The idle link used last that still serves. */
static jh_client_conn *take_idle(jh_origin *origin) {
  while (!jh_list_is_empty(&origin->idle)) {
    jh_client_conn *conn = JH_LIST_ENTRY(origin->idle.prev, jh_client_conn, node);
    if (!is_too_old(origin, conn)) return conn;
    retire(conn);
  }
  return NULL;
}

/* In a pipeline, or with HTTP/2: the link with the fewest calls, among those with room. */
static jh_client_conn *find_busy(jh_origin *origin) {
  jh_client_conn *best = NULL;
  for (jh_list *node = origin->busy.next; node != &origin->busy; node = node->next) {
    jh_client_conn *conn = JH_LIST_ENTRY(node, jh_client_conn, node);
    if (!jh_client_conn_is_usable(conn)) continue;
    if (conn->call_count >= conn->capacity || is_too_old(origin, conn)) continue;
    if (!best || conn->call_count < best->call_count) best = conn;
  }
  return best;
}

/* Gives the call to a link, or to a new one. False when it has to wait. */
static bool hand_out(jh_origin *origin, jh_call *call) {
  /* One link for all of them, or one for each. */
  jh_client_conn *conn = jh_origin_is_shared(origin) ? find_busy(origin) : NULL;
  if (!conn) conn = take_idle(origin);
  bool may_dial = origin->connection_count < origin->options.max_connections;
  if (!conn && !may_dial && origin->options.max_pending > 1) conn = find_busy(origin);
  if (conn && !(call->options.flags & JH_CALL_IDEMPOTENT_BIT) && conn->is_idle &&
      !conn->protocol->is_silent(conn)) {
    return hand_out(origin, call);
  }
  if (conn) {
    jh_client_conn_add(conn, call);
    return true;
  }
  if (!may_dial) return false;
  jh_list calls;
  jh_list_init(&calls);
  jh_list_append(&calls, &call->node);
  if (jh_client_conn_dial(origin, &calls)) return true;
  jh_list_remove(&call->node);
  jh_call_fail(call, JH_ENOMEM, JH_CALL_NO_MEMORY, "out of memory");
  return true;
}

static void start_waiting(jh_origin *origin, jh_call *call) {
  char name[300];
  if (call->options.wait_timeout_ms == JH_CALL_NO_WAIT) {
    jh_call_fail(call, JH_EBUSY, JH_CALL_BUSY, "all %u links to %s are taken",
                 origin->connection_count, jh_origin_name(origin, name, sizeof name));
    return;
  }
  call->state = JH_CALL_WAITING;
  jh_list_append(&origin->waiting, &call->node);
  origin->waiting_count++;
  jh_call_set_deadline(call, call->options.wait_timeout_ms);
  if (origin->options.max_waiting == 0 || origin->waiting_count <= origin->options.max_waiting) {
    return;
  }
  jh_call *oldest = JH_LIST_ENTRY(origin->waiting.next, jh_call, node);
  jh_list_remove(&oldest->node);
  origin->waiting_count--;
  jh_call_fail(oldest, JH_EBUSY, JH_CALL_BUSY,
               "the pipeline to %s is full: this call waited longest of %u and gave way",
               jh_origin_name(origin, name, sizeof name), origin->options.max_waiting);
}

void jh_origin_submit(jh_origin *origin, jh_call *call) {
  origin->calls++;
  /* Who came before has its turn before. */
  if (origin->waiting_count > 0 || !hand_out(origin, call)) start_waiting(origin, call);
}

static void wait_in_front(jh_origin *origin, jh_call *call) {
  origin->waiting_count++;
  call->node.next = origin->waiting.next;
  call->node.prev = &origin->waiting;
  origin->waiting.next->prev = &call->node;
  origin->waiting.next = &call->node;
}

void jh_origin_requeue(jh_origin *origin, jh_call *call) {
  uint32_t timeout_ms = call->options.wait_timeout_ms;
  call->state = JH_CALL_WAITING;
  jh_call_set_deadline(call, timeout_ms == JH_CALL_NO_WAIT ? 0 : timeout_ms);
  wait_in_front(origin, call);
}

void jh_origin_serve(jh_origin *origin) {
  if (origin->is_serving) return;
  origin->is_serving = true;
  origin->refs++; /* what fails may let go of the last call */
  while (origin->waiting_count > 0) {
    jh_call *call = JH_LIST_ENTRY(origin->waiting.next, jh_call, node);
    jh_list_remove(&call->node);
    origin->waiting_count--;
    if (hand_out(origin, call)) continue;
    wait_in_front(origin, call); /* again: it was there */
    break;
  }
  origin->is_serving = false;
  origin->refs--;
  jh_origin_free_unused(origin);
}

void jh_origin_resend(jh_origin *origin, jh_list *calls) {
  if (jh_client_conn_dial(origin, calls)) return;
  while (!jh_list_is_empty(calls)) {
    jh_call *call = JH_LIST_ENTRY(calls->next, jh_call, node);
    jh_list_remove(&call->node);
    jh_call_fail(call, JH_ENOMEM, JH_CALL_NO_MEMORY, "out of memory");
  }
}

/* ---- idle links ---- */

static void sweep(jh_origin *origin) {
  uint64_t now_ms = uv_now(&origin->clients->loop->uv);
  uint32_t timeout_ms = origin->options.idle_timeout_ms;
  origin->refs++;
  while (!jh_list_is_empty(&origin->idle)) {
    jh_client_conn *oldest = JH_LIST_ENTRY(origin->idle.next, jh_client_conn, node);
    uint64_t end_ms = oldest->idle_since_ms + timeout_ms;
    if (end_ms > now_ms) {
      jh_deadline_set(&origin->clients->deadlines, &origin->sweep, end_ms);
      break;
    }
    retire(oldest);
  }
  origin->refs--;
  jh_origin_free_unused(origin);
}

void jh_origin_on_idle(jh_origin *origin, jh_client_conn *conn) {
  uint32_t max_idle = origin->options.max_idle_connections;
  conn->is_idle = true;
  conn->idle_since_ms = uv_now(&origin->clients->loop->uv);
  jh_list_remove(&conn->node);
  jh_list_append(&origin->idle, &conn->node);
  origin->idle_count++;
  if (origin->options.idle_timeout_ms && !origin->sweep.at_ms) {
    jh_deadline_set(&origin->clients->deadlines, &origin->sweep,
                    conn->idle_since_ms + origin->options.idle_timeout_ms);
  }
  if (origin->waiting_count > 0) {
    jh_origin_serve(origin);
  } else if (max_idle && origin->idle_count > max_idle) {
    retire(JH_LIST_ENTRY(origin->idle.next, jh_client_conn, node));
  }
}

void jh_origin_on_busy(jh_origin *origin, jh_client_conn *conn) {
  if (conn->is_idle) origin->idle_count--;
  conn->is_idle = false;
  jh_list_remove(&conn->node);
  jh_list_append(&origin->busy, &conn->node);
}

void jh_origin_on_closed(jh_origin *origin, jh_client_conn *conn) {
  if (conn->is_idle) origin->idle_count--;
  conn->is_idle = false;
  jh_list_remove(&conn->node);
  origin->connection_count--;
}
