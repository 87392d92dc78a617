/* call.c: calls as their owners see them: asking, being told, deadlines, the end. */
#include "net/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/origin.h"

enum { REASON_BYTES = 512, INTERIM_MAX = 100, CONTINUE_MS = 1000 };

jh_call *jh_call_new(jh_origin *origin, const jh_call_options *options, jh_str head, jh_str body,
                     double timeout_ms) {
  jh_clients *clients = origin->clients;
  jh_call *call = jh_pool_try_acquire(&clients->calls_pool);
  if (!call) return NULL;
  memset(call, 0, sizeof *call);
  call->clients = clients;
  call->origin = origin;
  call->options = *options;
  call->limits = (jh_response_limits){.max_header_bytes = options->max_header_bytes,
                                      .max_header_count = options->max_header_count,
                                      .max_interim_count = INTERIM_MAX,
                                      .max_body_bytes = UINT64_MAX};
  if (options->max_body_bytes < 1e18) {
    call->limits.max_body_bytes = (uint64_t)options->max_body_bytes;
  }
  call->head = head;
  call->body = body;
  call->is_held = options->flags & JH_CALL_EXPECTS_BIT;
  call->is_body_complete = !(options->flags & JH_CALL_SENDS_STREAM_BIT);
  jh_list_init(&call->node);
  jh_list_init(&call->open_node);
  jh_list_append(&clients->calls, &call->open_node);
  origin->call_count++;
  uv_loop_t *uv = &clients->loop->uv;
  uv_update_time(uv); /* it stood still while Lua ran */
  if (timeout_ms > 0) {
    call->end_at_ms = uv_now(uv) + (uint64_t)timeout_ms + 1;
  }
  call->read_node.owner = JH_EVENT_OF_CALL_READ;
  call->write_node.owner = JH_EVENT_OF_CALL_WRITE;
  jh_call_rewind(call);
  call->attempts = 0;
  return call;
}

void jh_call_rewind(jh_call *call) {
  jh_response_to to = JH_RESPONSE_TO_ANY;
  if (call->options.flags & JH_CALL_HEAD_BIT) to = JH_RESPONSE_TO_HEAD;
  if (call->options.flags & JH_CALL_CONNECT_BIT) to = JH_RESPONSE_TO_CONNECT;
  jh_response_parser_init(&call->parser, to);
  call->is_held = call->options.flags & JH_CALL_EXPECTS_BIT;
  call->is_sent = false;
  call->sent = 0;
  call->acked_before = 0;
  call->state = JH_CALL_ON_CONN;
  call->attempts++;
}

void jh_call_submit(jh_call *call) {
  jh_origin_submit(call->origin, call);
}

int jh_call_bytes_append(jh_call_bytes *bytes, const char *from, size_t len) {
  if (bytes->len + len > bytes->capacity) {
    size_t capacity = (bytes->len + len) * 2;
    char *ptr = jh_try_realloc(bytes->ptr, capacity);
    if (!ptr) return JH_ENOMEM;
    bytes->ptr = ptr;
    bytes->capacity = capacity;
  }
  memcpy(bytes->ptr + bytes->len, from, len);
  bytes->len += len;
  return 0;
}

/* ---- telling ---- */

static void post(jh_call *call, jh_event_node *node, uint32_t *wait_id) {
  if (!*wait_id || !call->ready) return;
  node->event = (jh_event){.kind = JH_EVENT_WAKE, .id = *wait_id, .error = call->error};
  *wait_id = 0;
  jh_event_queue_push(call->ready, node);
}

void jh_call_wake_reader(jh_call *call) {
  if (call->hooks) {
    call->hooks->on_readable(call, call->hooks_data);
  } else {
    post(call, &call->read_node, &call->wait_id);
  }
}

void jh_call_wake_writer(jh_call *call) {
  if (call->hooks) {
    if (call->write_wait_id) {
      call->write_wait_id = 0;
      call->hooks->on_writable(call, call->hooks_data);
    }
  } else {
    post(call, &call->write_node, &call->write_wait_id);
  }
}

/* It is on no link any more, for good. */
static void settle(jh_call *call, jh_call_state state) {
  call->state = (uint8_t)state;
  jh_deadline_clear(&call->clients->deadlines, &call->deadline);
  /* Whoever is told may close it. */
  call->pins++;
  if (!call->is_closed) jh_call_wake_writer(call);
  if (!call->is_closed) jh_call_wake_reader(call);
  jh_call_unpin(call);
}

void jh_call_fail(jh_call *call, int error, int failure, const char *format, ...) {
  call->error = error;
  call->failure = (uint8_t)failure;
  call->reason = jh_try_alloc(REASON_BYTES);
  if (call->reason) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->reason, REASON_BYTES, format, arguments);
    va_end(arguments);
  }
  settle(call, JH_CALL_FAILED);
}

void jh_call_finish(jh_call *call) {
  settle(call, call->in_first ? JH_CALL_IN_BODY : JH_CALL_DONE);
}

/* ---- deadlines ---- */

void jh_call_set_deadline(jh_call *call, uint32_t timeout_ms) {
  jh_deadlines *deadlines = &call->clients->deadlines;
  uint64_t at_ms = call->end_at_ms;
  if (timeout_ms) {
    uint64_t phase_ms = uv_now(&call->clients->loop->uv) + timeout_ms + 1;
    if (at_ms == 0 || phase_ms < at_ms) at_ms = phase_ms;
  }
  if (at_ms == 0) {
    jh_deadline_clear(deadlines, &call->deadline);
  } else {
    jh_deadline_set(deadlines, &call->deadline, at_ms);
  }
}

void jh_call_set_first_deadline(jh_call *call) {
  bool is_streaming = !call->is_body_complete;
  if (call->is_held) {
    jh_call_set_deadline(call, CONTINUE_MS);
  } else {
    jh_call_set_deadline(call, is_streaming ? 0 : call->options.read_timeout_ms);
  }
}

static const char *what_took_long(const jh_call *call) {
  if (call->state == JH_CALL_WAITING) return "no link became free";
  if (call->state == JH_CALL_IN_BODY) return "the body did not arrive in time";
  if (call->conn && !call->conn->is_open) return "connecting took too long";
  if (!call->is_sent && call->sent < call->head.len + call->body.len) {
    return "the request could not be sent in time";
  }
  if (!call->is_sent) return "the request did not end in time";
  return "no answer in time";
}

void jh_call_on_deadline(jh_call *call) {
  char name[300];
  uint64_t now_ms = uv_now(&call->clients->loop->uv);
  if (call->is_held && (call->end_at_ms == 0 || call->end_at_ms > now_ms)) {
    /* Nobody said 100 Continue, and nobody has to (RFC 9110 §10.1.1). */
    call->is_held = false;
    jh_call_set_first_deadline(call);
    if (call->conn) call->conn->protocol->go_on(call->conn, call);
    return;
  }
  const char *what = what_took_long(call);
  if (call->conn) {
    call->conn->protocol->time_out(call->conn, call, what);
    return;
  }
  jh_origin_name(call->origin, name, sizeof name);
  jh_list_remove(&call->node);
  call->origin->waiting_count--;
  jh_call_fail(call, JH_ETIMEDOUT, JH_CALL_TIMED_OUT, "%s: %s", name, what);
}

/* ---- the end ---- */

static void release_all(jh_buf_pool *bufs, jh_buf *buf) {
  while (buf) {
    jh_buf *next = buf->next;
    jh_buf_release(bufs, buf);
    buf = next;
  }
}

void jh_call_free_unused(jh_call *call) {
  if (!call->is_closed || call->pins || call->conn) return;
  if (call->read_node.is_queued || call->write_node.is_queued) return;
  jh_clients *clients = call->clients;
  jh_origin *origin = call->origin;
  jh_buf_pool *bufs = &clients->loop->bufs;
  jh_deadline_clear(&clients->deadlines, &call->deadline);
  release_all(bufs, call->out_first);
  release_all(bufs, call->in_first);
  if (call->link) jh_link_close(call->link);
  if (call->buf) jh_buf_release(bufs, call->buf);
  jh_free(call->memory);
  jh_free(call->large_body.ptr);
  jh_free(call->trailers.ptr);
  jh_free(call->own_trailers.ptr);
  jh_free(call->interim.ptr);
  jh_free(call->reason);
  jh_pool_release(&clients->calls_pool, call);
  origin->call_count--;
  if (origin->refs == 0) jh_origin_free_unused(origin);
}

void jh_call_unpin(jh_call *call) {
  call->pins--;
  jh_call_free_unused(call);
}

void jh_call_on_event_taken(jh_call *call) {
  jh_call_free_unused(call);
}

void jh_call_close(jh_call *call) {
  if (call->is_closed) return;
  jh_list_remove(&call->open_node);
  call->wait_id = call->write_wait_id = 0;
  call->hooks = NULL;
  if (call->conn) {
    call->conn->protocol->give_up(call->conn, call);
    return;
  }
  call->is_closed = true;
  if (call->state == JH_CALL_WAITING) {
    jh_list_remove(&call->node);
    call->origin->waiting_count--;
  }
  jh_call_free_unused(call);
}

void jh_call_close_all(jh_clients *clients, const jh_event_queue *ready) {
  jh_list *node = clients->calls.next;
  while (node != &clients->calls) {
    jh_call *call = JH_LIST_ENTRY(node, jh_call, open_node);
    node = node->next;
    if (call->ready == ready) jh_call_close(call);
  }
}

/* ---- reading ---- */

static void describe(const jh_call *call, jh_call_response *out) {
  const jh_response_parser *parser = &call->parser;
  *out = (jh_call_response){
      .head = {call->answer, call->head_len},
      .fields = parser->fields,
      .status = parser->status,
      .content_length = parser->has_length ? (int64_t)parser->content_length : -1,
      .http_minor = parser->http_minor,
      .is_over = call->has_read_all || !(call->options.flags & JH_CALL_STREAMED_BIT),
      .is_tunnel = parser->body == JH_RESPONSE_TUNNEL,
      .has_coding = parser->has_coding,
      .has_trailers = call->trailers.len > 0,
  };
  if (call->state == JH_CALL_DONE) out->body = (jh_str){call->body_ptr, call->body_len};
}

static bool has_response(const jh_call *call) {
  if (call->state == JH_CALL_DONE) return true;
  return call->state == JH_CALL_IN_BODY && (call->options.flags & JH_CALL_STREAMED_BIT);
}

int jh_call_read_response(jh_call *call, jh_call_response *out) {
  if (call->state == JH_CALL_FAILED) return call->error;
  if (!has_response(call)) return JH_EWAIT;
  describe(call, out);
  return 0;
}

int jh_call_next_interim(jh_call *call, jh_call_response *out) {
  uint32_t about[3];
  if (call->interim_taken >= call->interim.len) return JH_ENOTFOUND;
  const char *from = call->interim.ptr + call->interim_taken;
  memcpy(about, from, sizeof about);
  *out = (jh_call_response){.head = {from + sizeof about, about[0]},
                            .status = about[1],
                            .fields = about[2],
                            .content_length = -1,
                            .http_minor = 1};
  call->interim_taken += sizeof about + about[0];
  return 0;
}

int jh_call_await(jh_call *call, uint32_t wait_id) {
  if (call->state == JH_CALL_FAILED || has_response(call)) return 0;
  if (call->interim_taken < call->interim.len) return 0;
  call->wait_id = wait_id;
  return JH_EWAIT;
}

int jh_call_keep(jh_call *call, jh_str bytes) {
  jh_buf_pool *bufs = &call->clients->loop->bufs;
  while (bytes.len > 0) {
    jh_buf *last = call->in_last;
    if (!last || jh_buf_space(last) == 0) {
      jh_buf *buf = jh_buf_try_acquire(bufs);
      if (!buf) return JH_ENOMEM;
      if (last) {
        last->next = buf;
      } else {
        call->in_first = buf;
      }
      call->in_last = last = buf;
    }
    size_t count = jh_buf_space(last) < bytes.len ? jh_buf_space(last) : bytes.len;
    memcpy(last->data + last->end, bytes.ptr, count);
    last->end += (uint32_t)count;
    bytes.ptr += count;
    bytes.len -= count;
  }
  return 0;
}

ssize_t jh_call_take_kept(jh_call *call, char *out, size_t bytes) {
  size_t total = 0;
  while (call->in_first && total < bytes) {
    jh_buf *buf = call->in_first;
    size_t count = jh_buf_len(buf) < bytes - total ? jh_buf_len(buf) : bytes - total;
    memcpy(out + total, buf->data + buf->start, count);
    buf->start += (uint32_t)count;
    total += count;
    if (jh_buf_len(buf)) break;
    call->in_first = buf->next;
    if (!buf->next) call->in_last = NULL;
    jh_buf_release(&call->clients->loop->bufs, buf);
  }
  if (!call->in_first && !call->conn) {
    call->has_read_all = true;
    call->state = JH_CALL_DONE;
  }
  return (ssize_t)total;
}

ssize_t jh_call_read(jh_call *call, char *out, size_t bytes, uint32_t wait_id) {
  if (call->state == JH_CALL_FAILED) return call->error;
  if (call->has_read_all || call->state == JH_CALL_DONE) return 0;
  if (call->state != JH_CALL_IN_BODY || bytes == 0) return JH_EINVAL;
  if (call->wait_id) return JH_EBUSY;
  if (!call->conn) return jh_call_take_kept(call, out, bytes);
  const jh_client_protocol *protocol = call->conn->protocol;
  call->pins++;
  ssize_t count = protocol->read_body(call->conn, call, out, bytes);
  jh_call_unpin(call);
  if (count != JH_EWAIT) return count;
  call->wait_id = wait_id;
  jh_call_set_deadline(call, call->options.read_timeout_ms);
  protocol->want(call->conn, call, true);
  return JH_EWAIT;
}

void jh_call_trailers(jh_call *call, jh_str *out) {
  *out = (jh_str){call->trailers.ptr, call->trailers.len};
}

int jh_call_failure_of(jh_call *call) {
  return call->failure;
}

const char *jh_call_reason(jh_call *call) {
  return call->reason ? call->reason : jh_strerror(call->error);
}

struct jh_link *jh_call_take_link(jh_call *call, jh_str *rest) {
  struct jh_link *link = call->link;
  call->link = NULL;
  *rest = (jh_str){NULL, 0};
  if (call->buf && call->raw_end > call->raw_start) {
    *rest = (jh_str){call->buf->data + call->raw_start, call->raw_end - call->raw_start};
  }
  return link;
}
