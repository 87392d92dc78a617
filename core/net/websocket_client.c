/* websocket_client.c: how a client comes to a WebSocket: dialling, the request, the answer's head.
 *
 * The link becomes the transport of a jh_conn, so that all the rest is as on the server's side. Lua
 * makes the request and judges the answer; until it has done so what comes behind the answer stays
 * in the input buffer. */
#include "net/websocket.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/link.h"

enum { ANSWER_BYTES_MAX = 16000, REASON_BYTES = 256 };

typedef struct jh_websocket_opening {
  jh_link *link; /* until the connection has it */
  int error;
  uint32_t timeout_ms;
  uint32_t answer_bytes; /* 0: the head of the answer is not whole */
  char reason[REASON_BYTES];
  size_t head_bytes;
  char head[];
} jh_websocket_opening;

/* ---- a link as transport ---- */

static ssize_t link_read(jh_conn *conn, char *out, size_t bytes) {
  return jh_link_read(conn->transport_data, out, bytes);
}

static ssize_t link_write(jh_conn *conn, const struct iovec *parts, int count) {
  return jh_link_write(conn->transport_data, parts, count);
}

static int link_poll(jh_conn *conn, int events) {
  jh_link_poll(conn->transport_data, events);
  return 0;
}

static void link_shutdown(jh_conn *conn) {
  jh_link_shutdown(conn->transport_data);
}

static bool link_close(jh_conn *conn) {
  jh_link_close(conn->transport_data);
  return false;
}

static const jh_transport link_transport = {.scheme = "http",
                                            .read = link_read,
                                            .write = link_write,
                                            .sendfile = jh_transport_copy_file,
                                            .poll = link_poll,
                                            .shutdown_write = link_shutdown,
                                            .close = link_close};

static void on_readable(jh_link *link) {
  jh_conn_on_readable(link->owner_data);
}

static void on_writable(jh_link *link) {
  jh_conn_flush(link->owner_data);
}

static const jh_link_owner conn_owner = {.on_readable = on_readable, .on_writable = on_writable};

/* ---- dialling ---- */

/* The end of it. Whoever waits asks jh_websocket_answer(). */
static void fail(jh_websocket *websocket, int error, const char *reason) {
  jh_websocket_opening *dial = websocket->dial;
  if (dial->error) return;
  dial->error = error;
  size_t len = strlen(reason);
  if (len >= REASON_BYTES) len = REASON_BYTES - 1;
  memcpy(dial->reason, reason, len);
  dial->reason[len] = '\0';
  if (dial->link) {
    jh_link_close(dial->link);
    dial->link = NULL;
    jh_websocket_lose(websocket);
  } else if (websocket->conn) {
    jh_conn_close(websocket->conn);
  }
}

void jh_websocket_stop_dialling(jh_websocket *websocket) {
  fail(websocket, JH_ETIMEDOUT, "the server does not answer the handshake");
}

static void send_request(jh_websocket *websocket, jh_link *link) {
  jh_websocket_opening *dial = websocket->dial;
  jh_conn *conn = jh_conn_new(websocket->loop, &link_transport, link, -1);
  if (!conn) {
    fail(websocket, JH_ENOMEM, "out of memory");
    return;
  }
  dial->link = NULL;
  jh_link_set_owner(link, &conn_owner, conn);
  jh_websocket_take_over(websocket, conn);
  if (jh_conn_append(conn, dial->head, dial->head_bytes) < 0) {
    fail(websocket, JH_ENOMEM, "out of memory");
    return;
  }
  jh_timeout_set_own(&websocket->loop->timeouts, &conn->timeout, JH_TIMEOUT_KEEPALIVE,
                     dial->timeout_ms);
  jh_conn_poll(conn, UV_READABLE);
  jh_conn_flush(conn);
}

static void on_open(jh_link *link, int error) {
  jh_websocket *websocket = link->owner_data;
  jh_websocket_enter(websocket);
  if (error) {
    fail(websocket, error, jh_link_reason(link));
  } else {
    send_request(websocket, link);
  }
  jh_websocket_leave(websocket);
}

static const jh_link_owner dial_owner = {.on_open = on_open};

/* ---- the answer ---- */

void jh_websocket_read_answer(jh_websocket *websocket) {
  jh_conn *conn = websocket->conn;
  jh_websocket_opening *dial = websocket->dial;
  if (!conn->in) conn->in = jh_buf_try_acquire(&websocket->loop->bufs);
  if (dial->answer_bytes || !conn->in) {
    jh_conn_poll(conn, conn->events & ~UV_READABLE);
    return;
  }
  jh_buf *buf = conn->in;
  ssize_t count = conn->transport->read(conn, buf->data + buf->end, jh_buf_space(buf));
  if (count == -EAGAIN) return;
  if (count <= 0) {
    fail(websocket, JH_ECLOSED, "the server closed the connection during the handshake");
    return;
  }
  buf->end += (uint32_t)count;
  const char *end = memmem(buf->data, buf->end, "\r\n\r\n", 4);
  if (end) {
    dial->answer_bytes = (uint32_t)(end + 4 - buf->data);
    jh_websocket_tell_reader(websocket);
  } else if (buf->end > ANSWER_BYTES_MAX) {
    fail(websocket, JH_ELIMIT, "the answer to the handshake is too long");
  }
}

/* ---- what Lua calls ---- */

static int start_dialling(jh_websocket *websocket, const jh_websocket_address *to) {
  jh_link_address address = {.host = {to->host, to->host_len},
                             .port = (uint16_t)to->port,
                             .connect_timeout_ms = to->timeout_ms,
                             .tls = to->tls,
                             .server_name = {to->server_name, to->server_name_len}};
  jh_websocket_opening *dial = websocket->dial;
  dial->link = jh_link_new(websocket->loop, &dial_owner, websocket);
  return dial->link ? jh_link_dial(dial->link, &address) : JH_ENOMEM;
}

jh_websocket *jh_websocket_open_client(jh_loop *loop, jh_event_queue *ready,
                                       const jh_websocket_address *address, jh_str head,
                                       const jh_websocket_options *options, uint32_t wait_id,
                                       int *error) {
  jh_websocket *websocket = jh_websocket_try_new(loop, ready, options);
  jh_websocket_opening *dial = jh_try_calloc(1, sizeof *dial + head.len);
  *error = JH_ENOMEM;
  if (websocket) {
    websocket->dial = dial;
    websocket->state = JH_WEBSOCKET_DIALLING;
    websocket->is_client = websocket->reader.is_client = true;
  }
  if (dial) {
    dial->timeout_ms = address->timeout_ms;
    dial->head_bytes = head.len;
    memcpy(dial->head, head.ptr, head.len);
    if (websocket) *error = start_dialling(websocket, address);
  }
  if (*error == 0) {
    websocket->read_wait_id = wait_id;
    return websocket;
  }
  if (!websocket) {
    jh_free(dial);
    return NULL;
  }
  if (dial && dial->link) jh_link_close(dial->link);
  websocket->state = JH_WEBSOCKET_ENDED;
  jh_websocket_release(websocket);
  return NULL;
}

int jh_websocket_answer(jh_websocket *websocket, jh_str *text) {
  jh_websocket_opening *dial = websocket->dial;
  if (!dial) return JH_EINVAL;
  if (!dial->error && dial->answer_bytes && websocket->conn) {
    *text = (jh_str){websocket->conn->in->data, dial->answer_bytes};
    return 0;
  }
  *text = jh_str_of(dial->reason);
  return dial->error ? dial->error : JH_ECLOSED;
}

int jh_websocket_begin(jh_websocket *websocket, const jh_websocket_options *options,
                       const char *extensions, size_t extensions_len) {
  jh_websocket_deflate chosen, wish = {.server_bits = options->server_bits,
                                       .client_bits = options->client_bits,
                                       .server_takes_over = options->server_takes_over,
                                       .client_takes_over = options->client_takes_over};
  jh_conn *conn = websocket->conn;
  if (!conn || websocket->state != JH_WEBSOCKET_DIALLING) return JH_ECLOSED;
  int result =
      jh_websocket_deflate_read_answer((jh_str){extensions, extensions_len}, &wish, &chosen);
  if (result < 0 || (result == 1 && !options->is_compressed)) return JH_EPROTO;
  conn->in->start = websocket->dial->answer_bytes;
  jh_free(websocket->dial);
  websocket->dial = NULL;
  websocket->state = JH_WEBSOCKET_OPEN;
  jh_websocket_agree_on(websocket, result == 1 ? &chosen : NULL);
  jh_websocket_set_deadline(websocket);
  jh_conn_poll(conn, conn->events | UV_READABLE);
  return 0;
}

size_t jh_websocket_write_offer(const jh_websocket_options *options, char out[160]) {
  jh_websocket_deflate wish = {.server_bits = options->server_bits,
                               .client_bits = options->client_bits,
                               .server_takes_over = options->server_takes_over,
                               .client_takes_over = options->client_takes_over};
  return jh_websocket_deflate_write_offer(&wish, out);
}
