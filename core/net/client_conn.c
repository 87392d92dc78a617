/* client_conn.c: life of a link that speaks HTTP, and what happens to its calls when it ends.
 *
 * A link that was kept may end before its peer has seen the next request: that request is sent once
 * more on a new link. A request that may not be processed twice is, too, when the kernel says that
 * the other side has taken none of its bytes (TCP_INFO; RFC 9110 §9.2.2 allows it then).
 *
 * Closing only takes the conn off its origin; its memory stays until the end of the turn, so that
 * whoever is on the stack may still look at `is_closed`. */
#include "net/client_conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/http2_client.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/origin.h"
#include "net/tcp_acked.h"
#include "net/tunnel.h"

/* ---- links ---- */

/* It turned out that calls have to wait for each other here: those beyond what the link may have
 * look for another one. */
static void shed(jh_client_conn *conn) {
  jh_origin *origin = conn->origin;
  conn->capacity = origin->options.max_pending;
  while (conn->call_count > conn->capacity) {
    jh_call *last = JH_LIST_ENTRY(conn->calls.prev, jh_call, node);
    jh_client_conn_remove(conn, last);
    jh_origin_requeue(origin, last);
  }
}

/* What the link speaks, where that was not known before. False when the conn is no more. */
static bool choose_protocol(jh_client_conn *conn) {
  jh_origin *origin = conn->origin;
  jh_str agreed = {"", 0};
  if (conn->link->tls) jh_tls_alpn(conn->link->tls, &agreed);
  bool is_required = origin->options.http2 == JH_HTTP2_ALWAYS;
  bool is_http2 = conn->link->tls ? jh_str_equal(agreed, JH_STR("h2")) : is_required;
  if (is_required && !is_http2) {
    jh_client_conn_break(conn, JH_EPROTO, JH_CALL_TLS_FAILED,
                         "the server does not agree to speak HTTP/2 (ALPN)");
    return false;
  }
  origin->is_http1 = !is_http2;
  if (is_http2) return jh_http2_client_take_over(conn);
  shed(conn);
  for (jh_list *node = conn->calls.next; node != &conn->calls; node = node->next) {
    if (jh_client_conn_frame_body(JH_LIST_ENTRY(node, jh_call, node)) == 0) continue;
    jh_client_conn_break(conn, JH_ENOMEM, JH_CALL_NO_MEMORY, "out of memory");
    return false;
  }
  return true;
}

static void on_ready(jh_client_conn *conn) {
  jh_origin *origin = conn->origin;
  conn->is_open = true;
  if (origin->options.http2 != JH_HTTP2_NEVER && !choose_protocol(conn)) return;
  jh_client_conn_poll(conn, UV_READABLE);
  for (jh_list *node = conn->calls.next; node != &conn->calls; node = node->next) {
    jh_call_set_first_deadline(JH_LIST_ENTRY(node, jh_call, node));
  }
  origin->refs++; /* what fails may let go of the last call */
  conn->protocol->flush(conn);
  if (origin->waiting_count > 0) jh_origin_serve(origin);
  jh_origin_close(origin);
}

static int failure_of_link(const jh_link *link, int error) {
  if (error == -ETIMEDOUT || error == JH_ETIMEDOUT) return JH_CALL_TIMED_OUT;
  switch (jh_link_stage_of(link)) {
  case JH_LINK_RESOLVING:
    return JH_CALL_NOT_RESOLVED;
  case JH_LINK_TLS:
    return JH_CALL_TLS_FAILED;
  default:
    return JH_CALL_NOT_CONNECTED;
  }
}

static void on_open(jh_link *link, int error) {
  jh_client_conn *conn = link->owner_data;
  if (error < 0) {
    jh_client_conn_break(conn, error, failure_of_link(link, error), jh_link_reason(link));
    return;
  }
  if (conn->origin->options.proxy_kind != JH_PROXY_NONE && !conn->is_tunnelled) {
    jh_tunnel_start(conn);
    return;
  }
  on_ready(conn);
}

static void on_readable(jh_link *link) {
  jh_client_conn *conn = link->owner_data;
  conn->protocol->read(conn);
}

static void on_writable(jh_link *link) {
  jh_client_conn *conn = link->owner_data;
  jh_client_conn_poll(conn, UV_READABLE);
  conn->protocol->flush(conn);
}

static const jh_link_owner owner = {
    .on_open = on_open, .on_readable = on_readable, .on_writable = on_writable};

/* Of a link that is a tunnel and waits to be taken over. */
static const jh_link_owner nobody = {.on_open = NULL};

void jh_client_conn_on_tunnel(jh_client_conn *conn) {
  const jh_origin_options *options = &conn->origin->options;
  conn->is_tunnelled = true;
  jh_link_set_owner(conn->link, &owner, conn);
  if (!options->tls) {
    on_ready(conn);
    return;
  }
  jh_str name = {options->server_name, options->server_name_len};
  if (!name.len) name = (jh_str){options->host, options->host_len};
  int error = jh_link_start_tls(conn->link, options->tls, name, options->connect_timeout_ms);
  if (error < 0) {
    jh_client_conn_break(conn, error, JH_CALL_TLS_FAILED, jh_link_reason(conn->link));
  }
}

void jh_client_conn_poll(jh_client_conn *conn, int events) {
  jh_link_poll(conn->link, events);
}

static void start_dialling(jh_client_conn *conn) {
  const jh_origin_options *options = &conn->origin->options;
  bool has_proxy = options->proxy_kind != JH_PROXY_NONE;
  jh_link_address address = {
      .host = {options->host, options->host_len},
      .port = (uint16_t)options->port,
      .connect_timeout_ms = options->connect_timeout_ms,
      .tls = has_proxy ? NULL : options->tls,
      .server_name = {options->server_name, options->server_name_len},
  };
  if (has_proxy) {
    address.host = (jh_str){options->proxy_host, options->proxy_host_len};
    address.port = (uint16_t)options->proxy_port;
  }
  int error = jh_link_dial(conn->link, &address);
  if (error < 0) {
    jh_client_conn_break(conn, error, failure_of_link(conn->link, error),
                         jh_link_reason(conn->link));
  }
}

static void append_call(jh_client_conn *conn, jh_call *call) {
  jh_list_append(&conn->calls, &call->node);
  conn->call_count++;
  call->conn = conn;
  call->state = JH_CALL_ON_CONN;
  if (!conn->writing) conn->writing = call;
}

jh_client_conn *jh_client_conn_dial(jh_origin *origin, jh_list *calls) {
  jh_clients *clients = origin->clients;
  jh_client_conn *conn = jh_pool_try_acquire(&clients->conns_pool);
  if (!conn) return NULL;
  memset(conn, 0, sizeof *conn);
  conn->link = jh_link_new(clients->loop, &owner, conn);
  if (!conn->link) {
    jh_pool_release(&clients->conns_pool, conn);
    return NULL;
  }
  conn->origin = origin;
  conn->protocol = &jh_client_protocol_http1;
  conn->capacity =
      jh_origin_is_shared(origin) ? origin->http2_capacity : origin->options.max_pending;
  conn->born_ms = uv_now(&clients->loop->uv);
  jh_list_init(&conn->calls);
  jh_list_init(&conn->node);
  origin->connection_count++;
  origin->dialled++;
  jh_origin_on_busy(origin, conn);
  while (!jh_list_is_empty(calls)) {
    jh_call *call = JH_LIST_ENTRY(calls->next, jh_call, node);
    jh_list_remove(&call->node);
    append_call(conn, call);
    jh_call_set_deadline(call, 0); /* dialling has its own */
  }
  start_dialling(conn);
  return conn;
}

bool jh_client_conn_is_usable(const jh_client_conn *conn) {
  return !conn->is_closed && !conn->is_retired && !conn->write_error;
}

/* ---- what the other side may have processed ---- */

static int64_t acked_bytes(const jh_client_conn *conn) {
  return conn->link ? jh_tcp_acked_bytes(conn->link->fd) : -1;
}

static bool is_idempotent(const jh_call *call) {
  return call->options.flags & JH_CALL_IDEMPOTENT_BIT;
}

static bool has_answer_begun(const jh_client_conn *conn, const jh_call *call) {
  if (call->state != JH_CALL_ON_CONN) return true;
  return call->parser.interim_count > 0 || (conn->in && jh_buf_len(conn->in) > 0);
}

/* Whether a call may be sent again when its link ends without an answer. */
static bool may_resend(const jh_client_conn *conn, const jh_call *call, bool is_first,
                       int failure) {
  enum { ATTEMPTS_MAX = 100 };
  if (call->stream_bytes > 0 || call->attempts >= ATTEMPTS_MAX) return false;
  if (call->is_closed) return false;
  if (!is_first) {
    return conn->is_open && (conn->said_close || call->sent == 0 || is_idempotent(call));
  }
  if (failure != JH_CALL_LINK_CLOSED || conn->exchange_count == 0) return false;
  if (conn->said_close) return true;
  if (has_answer_begun(conn, call)) return false;
  if (call->sent == 0 || is_idempotent(call)) return true;
  return call->acked_before > 0 && acked_bytes(conn) == (int64_t)call->acked_before;
}

static bool is_silent(jh_client_conn *conn) {
  char byte;
  ssize_t count = jh_link_read(conn->link, &byte, 1);
  if (count == -EAGAIN) return true;
  conn->is_retired = true;
  jh_client_conn_break(conn, JH_ECLOSED, JH_CALL_LINK_CLOSED, "the link was closed");
  return false;
}

/* ---- calls ---- */

void jh_client_conn_add(jh_client_conn *conn, jh_call *call) {
  if (conn->is_idle) jh_origin_on_busy(conn->origin, conn);
  append_call(conn, call);
  if (!conn->is_open) {
    jh_call_set_deadline(call, 0);
    return;
  }
  jh_call_set_first_deadline(call);
  conn->protocol->add(conn, call);
}

static void add(jh_client_conn *conn, jh_call *call) {
  if (call->is_raw && jh_client_conn_frame_body(call) < 0) {
    jh_client_conn_break(conn, JH_ENOMEM, JH_CALL_NO_MEMORY, "out of memory");
    return;
  }
  if (!is_idempotent(call) && conn->exchange_count > 0 && conn->call_count == 1) {
    int64_t acked = acked_bytes(conn);
    call->acked_before = acked > 0 ? (uint64_t)acked : 0;
  }
  if (conn->origin->options.max_pending > 1) {
    jh_client_conn_flush_later(conn);
  } else {
    jh_client_conn_flush(conn);
  }
}

void jh_client_conn_flush_later(jh_client_conn *conn) {
  jh_clients *clients = conn->origin->clients;
  if (conn->is_pending) return;
  conn->is_pending = true;
  conn->next_pending = clients->first_pending;
  clients->first_pending = conn;
}

void jh_client_conn_remove(jh_client_conn *conn, jh_call *call) {
  if (conn->writing == call) {
    bool is_last = call->node.next == &conn->calls;
    conn->writing = is_last ? NULL : JH_LIST_ENTRY(call->node.next, jh_call, node);
  }
  jh_list_remove(&call->node);
  conn->call_count--;
  call->conn = NULL;
  jh_http2_client_forget(call);
}

static void take_off(jh_client_conn *conn) {
  jh_origin *origin = conn->origin;
  jh_clients *clients = origin->clients;
  conn->is_closed = true;
  if (conn->tunnel) jh_tunnel_free(conn);
  if (conn->http2) jh_http2_client_free(conn);
  if (conn->in) jh_buf_release(&clients->loop->bufs, conn->in);
  conn->in = NULL;
  if (conn->link) jh_link_close(conn->link);
  conn->link = NULL;
  jh_origin_on_closed(origin, conn);
  if (conn->is_pending) {
    jh_client_conn **at = &clients->first_pending;
    while (*at != conn) at = &(*at)->next_pending;
    *at = conn->next_pending;
    conn->is_pending = false;
  }
  conn->next_closed = clients->first_closed;
  clients->first_closed = conn;
}

static void fail_call(jh_client_conn *conn, jh_call *call, int error, int failure,
                      const char *problem) {
  char name[300];
  jh_origin_name(conn->origin, name, sizeof name);
  bool names_it = !conn->is_open; /* the link's own words do */
  if (names_it) {
    jh_call_fail(call, error, failure, "%s", problem);
  } else {
    jh_call_fail(call, error, failure, "%s: %s", name, problem);
  }
}

/* Those that were closed meanwhile need no second try. */
static void resend(jh_origin *origin, jh_list *calls) {
  jh_list *node = calls->next;
  while (node != calls) {
    jh_call *call = JH_LIST_ENTRY(node, jh_call, node);
    node = node->next;
    if (call->is_closed) jh_list_remove(&call->node);
    bool is_wanted = !call->is_closed;
    jh_call_unpin(call);
    if (!is_wanted) continue;
    jh_call_rewind(call);
    origin->retried++;
  }
  if (!jh_list_is_empty(calls)) jh_origin_resend(origin, calls);
}

void jh_client_conn_break(jh_client_conn *conn, int error, int failure, const char *problem) {
  jh_origin *origin = conn->origin;
  jh_list failed, again;
  char text[512];
  if (conn->is_closed) return;
  jh_list_init(&failed);
  jh_list_init(&again);
  snprintf(text, sizeof text, "%s", problem); /* it may be the link's own */
  for (bool is_first = true; !jh_list_is_empty(&conn->calls); is_first = false) {
    jh_call *call = jh_client_conn_first(conn);
    bool is_safe = conn->protocol->may_resend(conn, call, is_first, failure);
    jh_client_conn_remove(conn, call);
    call->pins++;
    jh_list_append(is_safe ? &again : &failed, &call->node);
  }
  origin->refs++;
  take_off(conn);
  bool is_first = true;
  while (!jh_list_is_empty(&failed)) {
    jh_call *call = JH_LIST_ENTRY(failed.next, jh_call, node);
    jh_list_remove(&call->node);
    bool is_its_own = is_first || conn->protocol->is_shared;
    if (is_its_own || failure == JH_CALL_LINK_CLOSED || !conn->is_open) {
      fail_call(conn, call, error, failure, text);
    } else {
      fail_call(conn, call, JH_ECLOSED, JH_CALL_LINK_CLOSED,
                "the link was closed after an earlier call on it failed");
    }
    jh_call_unpin(call);
    is_first = false;
  }
  resend(origin, &again);
  jh_origin_serve(origin);
  jh_origin_close(origin);
}

/* The link goes on with its next call, rests, or closes. */
void jh_client_conn_end_call(jh_client_conn *conn, jh_call *call) {
  jh_origin *origin = conn->origin;
  const jh_response_parser *parser = &call->parser;
  bool is_clean = parser->may_keep_alive && call->is_sent && !conn->write_error;
  conn->exchange_count++;
  if (call->options.flags & JH_CALL_CLOSE_BIT) is_clean = false;
  if (!is_clean) conn->is_retired = true;
  if (parser->body == JH_RESPONSE_TUNNEL) {
    call->link = conn->link;
    jh_link_poll(call->link, 0);
    jh_link_set_owner(call->link, &nobody, NULL);
    conn->link = NULL;
  }
  jh_client_conn_remove(conn, call);
  origin->refs++;
  if (conn->is_retired) {
    bool is_doubtful = parser->is_chunked && parser->has_length;
    conn->said_close = !parser->may_keep_alive && !is_doubtful;
    jh_client_conn_break(conn, JH_ECLOSED, JH_CALL_LINK_CLOSED, "the link was closed");
  }
  /* Who read a streamed body may have had it polled no more. */
  if (!conn->is_closed && !conn->writing) jh_client_conn_poll(conn, UV_READABLE);
  jh_call_finish(call);
  if (!conn->is_closed && conn->call_count == 0 && !conn->is_idle) {
    if (conn->in) {
      /* An answer to nothing: whose will the next one be? */
      conn->is_retired = true;
      jh_client_conn_break(conn, JH_EPROTO, JH_CALL_BAD_ANSWER, "bytes behind the answer");
    } else {
      jh_origin_on_idle(origin, conn);
    }
  } else if (!conn->is_closed && origin->waiting_count > 0) {
    jh_origin_serve(origin);
  }
  jh_origin_close(origin);
}

/* A stand-in that passes over the answer of a call that waits for it no longer. */
static jh_call *leave_ghost(jh_client_conn *conn, jh_call *call) {
  jh_call *ghost = jh_pool_try_acquire(&call->clients->calls_pool);
  if (!ghost) return NULL;
  *ghost = *call;
  ghost->interim = (jh_call_bytes){0};
  ghost->deadline = (jh_deadline){0};
  ghost->read_node.is_queued = ghost->write_node.is_queued = false;
  ghost->wait_id = ghost->write_wait_id = 0;
  ghost->hooks = NULL;
  ghost->is_closed = true;
  jh_list_init(&ghost->open_node);
  ghost->node.next->prev = ghost->node.prev->next = &ghost->node;
  jh_list_init(&call->node);
  call->conn = NULL;
  conn->origin->call_count++;
  return ghost;
}

static bool has_listeners(const jh_client_conn *conn) {
  for (const jh_list *node = conn->calls.next; node != &conn->calls; node = node->next) {
    if (!JH_LIST_ENTRY(node, jh_call, node)->is_closed) return true;
  }
  return false;
}

static bool is_untouched(const jh_call *call) {
  return call->state == JH_CALL_ON_CONN && call->sent == 0 && call->stream_bytes == 0;
}

static void time_out(jh_client_conn *conn, jh_call *call, const char *problem) {
  char name[300];
  jh_origin_name(conn->origin, name, sizeof name);
  bool has_others = conn->call_count > 1;
  bool is_awaited = call->is_sent && call->state == JH_CALL_ON_CONN && !call->parser.is_in_fields;
  if (has_others && is_untouched(call)) {
    jh_client_conn_remove(conn, call);
    jh_call_fail(call, JH_ETIMEDOUT, JH_CALL_TIMED_OUT, "%s: %s", name, problem);
    return;
  }
  if (has_others && is_awaited && leave_ghost(conn, call)) {
    jh_call_fail(call, JH_ETIMEDOUT, JH_CALL_TIMED_OUT, "%s: %s", name, problem);
    if (has_listeners(conn)) return;
  }
  char text[400];
  snprintf(text, sizeof text, "%s%s%s", conn->is_open ? "" : name, conn->is_open ? "" : ": ",
           problem);
  conn->is_retired = true;
  jh_client_conn_break(conn, JH_ETIMEDOUT, JH_CALL_TIMED_OUT, text);
}

static void give_up(jh_client_conn *conn, jh_call *call) {
  bool has_others = conn->call_count > 1;
  call->is_closed = true;
  if (has_others && is_untouched(call)) {
    jh_client_conn_remove(conn, call);
    jh_call_free_unused(call);
    return;
  }
  bool is_awaited = call->is_sent && call->state == JH_CALL_ON_CONN;
  if (has_others && is_awaited && has_listeners(conn)) {
    jh_deadline_clear(&call->clients->deadlines, &call->deadline);
    return;
  }
  conn->is_retired = true;
  jh_client_conn_break(conn, JH_ECLOSED, JH_CALL_LINK_CLOSED, "an earlier call was given up");
}

/* ---- the seam ---- */

static void go_on(jh_client_conn *conn, jh_call *call) {
  (void)call;
  jh_client_conn_flush(conn);
}

static void want(jh_client_conn *conn, jh_call *call, bool wants) {
  (void)call;
  jh_client_conn_poll(conn, (wants ? UV_READABLE : 0) | (conn->writing ? UV_WRITABLE : 0));
}

const jh_client_protocol jh_client_protocol_http1 = {
    .is_shared = false,
    .add = add,
    .flush = jh_client_conn_flush,
    .go_on = go_on,
    .read = jh_client_conn_read,
    .is_silent = is_silent,
    .read_body = jh_client_conn_read_body,
    .want = want,
    .time_out = time_out,
    .give_up = give_up,
    .may_resend = may_resend,
};
