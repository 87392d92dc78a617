/* client_read.c: responses as they come in.
 *
 * Bytes are read into `in` until a head is there. When all of a response is in that buffer, which
 * most are, the buffer goes to the call as it is, or a copy when more responses follow in it. A
 * longer body is read straight to where it will lie, and decoded in place; a streamed one to where
 * its reader wants it, and only when he asks: a link that nobody reads is not read ahead. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "net/client_conn.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/origin.h"

enum {
  READS_MAX = 16, /* per wake-up; others have their turn */
  FIRST_BODY_BYTES = 32768,
  TRUSTED_BODY_BYTES = 1 << 20, /* a declared length that is believed at once */
  DIRECT_READ_BYTES = 4096      /* smaller reads go through a buffer */
};

static jh_buf_pool *bufs_of(const jh_client_conn *conn) {
  return &conn->origin->clients->loop->bufs;
}

static void out_of_memory(jh_client_conn *conn) {
  jh_client_conn_break(conn, JH_ENOMEM, JH_CALL_NO_MEMORY, "out of memory");
}

static void break_by_parser(jh_client_conn *conn, const jh_response_parser *parser) {
  int failure = parser->error == JH_ELIMIT ? JH_CALL_OVER_LIMIT : JH_CALL_BAD_ANSWER;
  jh_client_conn_break(conn, parser->error, failure, parser->problem);
}

/* ---- the end of a link ---- */

void jh_client_conn_break_by_reset(jh_client_conn *conn, int error) {
  /* A session that failed has the better reason: a client certificate, a missing close_notify. */
  if (conn->link->tls && error <= JH_EINVAL) {
    jh_client_conn_break(conn, error, error == JH_EPROTO ? JH_CALL_TLS_FAILED : JH_CALL_LINK_CLOSED,
                         jh_link_reason(conn->link));
    return;
  }
  if (conn->write_error && conn->write_error != -EPIPE) error = conn->write_error;
  jh_client_conn_break(conn, error, JH_CALL_LINK_CLOSED,
                       error == -ECONNRESET ? "the link was reset before the answer was complete"
                                            : jh_strerror(error));
}

/* It ended in good order, between two messages or within one. */
static void break_by_end(jh_client_conn *conn) {
  jh_call *call = jh_client_conn_first(conn);
  const char *problem = "the link was closed before the answer";
  bool is_in_head = call && (call->parser.is_in_fields || (conn->in && jh_buf_len(conn->in)));
  if (is_in_head) problem = "the link was closed in the middle of the head";
  if (call && call->state == JH_CALL_IN_BODY) {
    problem = "the link was closed in the middle of the body";
  }
  jh_client_conn_break(conn, JH_ECLOSED, JH_CALL_LINK_CLOSED, problem);
}

static void break_by_read(jh_client_conn *conn, ssize_t count) {
  if (count == 0) {
    break_by_end(conn);
  } else {
    jh_client_conn_break_by_reset(conn, (int)count);
  }
}

/* ---- input ---- */

/* Keeps bytes that were read beyond a response. */
static bool keep_rest(jh_client_conn *conn, const char *bytes, size_t len) {
  if (len == 0) return true;
  jh_buf *buf = jh_buf_try_acquire(bufs_of(conn));
  if (buf && len > buf->capacity) {
    jh_buf *grown = jh_buf_try_grow(bufs_of(conn), buf, len);
    if (!grown) jh_buf_release(bufs_of(conn), buf);
    buf = grown;
  }
  if (!buf) return false;
  memcpy(buf->data, bytes, len);
  buf->end = (uint32_t)len;
  conn->in = buf;
  return true;
}

/* Room for more input: the head may be larger than a buffer. */
static bool make_room(jh_client_conn *conn) {
  if (!conn->in) {
    conn->in = jh_buf_try_acquire(bufs_of(conn));
    return conn->in != NULL;
  }
  jh_buf_compact(conn->in);
  if (jh_buf_space(conn->in) > 0) return true;
  jh_buf *grown = jh_buf_try_grow(bufs_of(conn), conn->in, (size_t)conn->in->capacity * 2);
  if (grown) conn->in = grown;
  return grown != NULL;
}

static void drop_empty_input(jh_client_conn *conn) {
  if (!conn->in || jh_buf_len(conn->in) > 0) return;
  jh_buf_release(bufs_of(conn), conn->in);
  conn->in = NULL;
}

/* ---- bodies that are collected ---- */

static bool grow_body(jh_call *call) {
  uint64_t wanted = call->parser.body_left;
  size_t capacity = call->body_capacity * 2;
  if (call->parser.body == JH_RESPONSE_LENGTH) {
    uint64_t all = call->body_len + wanted;
    if (all <= TRUSTED_BODY_BYTES || all < capacity) capacity = (size_t)all;
    if (capacity < TRUSTED_BODY_BYTES && all > TRUSTED_BODY_BYTES) capacity = TRUSTED_BODY_BYTES;
  } else if (capacity < FIRST_BODY_BYTES) {
    capacity = FIRST_BODY_BYTES;
  }
  char *ptr = jh_try_realloc(call->large_body.ptr, capacity);
  if (!ptr) return false;
  if (!call->large_body.ptr && call->body_len) memcpy(ptr, call->body_ptr, call->body_len);
  call->large_body = (jh_call_bytes){ptr, call->body_len, capacity};
  call->body_ptr = ptr;
  call->body_capacity = capacity;
  return true;
}

/* Decodes what lies behind the body; true at its end. *is_broken when the conn is no more. */
static bool take_body(jh_client_conn *conn, jh_call *call, size_t raw_len, bool *is_broken) {
  size_t used, decoded;
  char *at = call->body_ptr + call->body_len;
  jh_response_parse parse =
      jh_response_parser_body(&call->parser, &call->limits, at, raw_len, &used, &decoded);
  *is_broken = true;
  if (parse == JH_RESPONSE_ERROR) {
    break_by_parser(conn, &call->parser);
    return false;
  }
  jh_str trailers = call->parser.trailers;
  if (trailers.len && jh_call_bytes_append(&call->trailers, trailers.ptr, trailers.len) < 0) {
    out_of_memory(conn);
    return false;
  }
  if (!keep_rest(conn, at + used, raw_len - used)) {
    out_of_memory(conn);
    return false;
  }
  *is_broken = false;
  call->body_len += decoded;
  return parse == JH_RESPONSE_DONE;
}

/* Reads more of a body to where it is collected. False when there is nothing more to do now. */
static bool collect(jh_client_conn *conn, jh_call *call) {
  bool is_broken;
  if (call->body_len == call->body_capacity && !grow_body(call)) {
    out_of_memory(conn);
    return false;
  }
  size_t room = call->body_capacity - call->body_len;
  uint64_t wanted = jh_response_parser_wanted(&call->parser);
  if (room > wanted) room = (size_t)wanted;
  ssize_t count = jh_link_read(conn->link, call->body_ptr + call->body_len, room);
  if (count == -EAGAIN) return false;
  if (count == 0 && jh_response_parser_end(&call->parser) == JH_RESPONSE_DONE) {
    jh_client_conn_end_call(conn, call);
    return false;
  }
  if (count <= 0) {
    break_by_read(conn, count);
    return false;
  }
  jh_call_set_deadline(call, call->options.read_timeout_ms);
  if (take_body(conn, call, (size_t)count, &is_broken)) {
    jh_client_conn_end_call(conn, call);
    return !conn->is_closed;
  }
  return !is_broken && (size_t)count == room;
}

/* ---- heads ---- */

/* All of a short response is in the input. */
static void take_whole(jh_client_conn *conn, jh_call *call, size_t body_len) {
  jh_buf *in = conn->in;
  size_t len = call->head_len + body_len;
  const char *from = in->data + in->start;
  in->start += (uint32_t)len;
  if (jh_buf_len(in) == 0) {
    call->buf = in;
    conn->in = NULL;
  } else {
    call->memory = jh_try_alloc(len);
    if (!call->memory) {
      out_of_memory(conn);
      return;
    }
    memcpy(call->memory, from, len);
    from = call->memory;
  }
  call->answer = from;
  call->body_ptr = (char *)(uintptr_t)from + call->head_len;
  call->body_len = body_len;
  jh_client_conn_end_call(conn, call);
}

/* The other side wants no more of the request. */
static bool is_refusal(const jh_response_parser *parser) {
  return parser->is_closed || parser->status >= 400;
}

static void stop_sending(jh_client_conn *conn, jh_call *call) {
  if (call->is_sent || !is_refusal(&call->parser)) return;
  conn->is_retired = true;
  conn->writing = NULL;
  call->is_body_complete = true;
  jh_client_conn_poll(conn, UV_READABLE);
  jh_call_wake_writer(call);
}

/* The final head is there: what comes with it goes to the call. */
static void take_head(jh_client_conn *conn, jh_call *call) {
  jh_buf *in = conn->in;
  jh_response_parser *parser = &call->parser;
  size_t behind = jh_buf_len(in) - call->head_len;
  call->is_held = false;
  stop_sending(conn, call);
  if (conn->is_closed) return;
  bool is_streamed = call->options.flags & JH_CALL_STREAMED_BIT;
  bool has_no_body = parser->body == JH_RESPONSE_NO_BODY;
  bool is_there = parser->body == JH_RESPONSE_LENGTH && parser->content_length <= behind;
  if (has_no_body || (is_there && !is_streamed)) {
    if (has_no_body) call->has_read_all = true;
    take_whole(conn, call, has_no_body ? 0 : (size_t)parser->content_length);
    return;
  }
  call->buf = in;
  conn->in = NULL;
  call->answer = in->data + in->start;
  call->raw_start = in->start + call->head_len;
  call->raw_end = in->end;
  call->state = JH_CALL_IN_BODY;
  if (parser->body == JH_RESPONSE_TUNNEL) {
    call->has_read_all = true;
    jh_client_conn_end_call(conn, call);
    return;
  }
  if (is_streamed) {
    jh_call_set_deadline(call, 0); /* only while somebody reads */
    jh_call_wake_reader(call);
    return;
  }
  bool is_broken;
  call->body_ptr = in->data + call->raw_start;
  call->body_capacity = in->capacity - call->raw_start;
  if (take_body(conn, call, call->raw_end - call->raw_start, &is_broken)) {
    jh_client_conn_end_call(conn, call);
  }
}

static bool take_interim(jh_client_conn *conn, jh_call *call) {
  jh_buf *in = conn->in;
  uint32_t len = call->head_len;
  if (call->parser.status == 100 && call->is_held) {
    call->is_held = false;
    jh_call_set_first_deadline(call);
    jh_client_conn_flush(conn);
    if (conn->is_closed) return false;
  }
  if (call->options.flags & JH_CALL_INTERIM_BIT) {
    uint32_t about[3] = {len, call->parser.status, call->parser.fields};
    bool is_kept = jh_call_bytes_append(&call->interim, (const char *)about, sizeof about) == 0 &&
                   jh_call_bytes_append(&call->interim, in->data + in->start, len) == 0;
    if (is_kept) jh_call_wake_reader(call);
    if (conn->is_closed) return false;
  }
  in->start += len;
  return true;
}

/* Parses what is in the input. */
static void parse_input(jh_client_conn *conn) {
  while (!conn->is_closed && conn->in && jh_buf_len(conn->in) > 0) {
    jh_call *call = jh_client_conn_first(conn);
    if (!call || call->state != JH_CALL_ON_CONN) return;
    jh_buf *in = conn->in;
    size_t head_len;
    jh_response_parse parse = jh_response_parser_head(
        &call->parser, &call->limits, in->data + in->start, jh_buf_len(in), &head_len);
    if (parse == JH_RESPONSE_MORE) return;
    if (parse == JH_RESPONSE_ERROR) {
      break_by_parser(conn, &call->parser);
      return;
    }
    call->head_len = (uint32_t)head_len;
    if (!jh_response_parser_is_interim(&call->parser)) {
      take_head(conn, call);
    } else if (!take_interim(conn, call)) {
      return;
    }
  }
  if (!conn->is_closed) drop_empty_input(conn);
}

/* ---- reading ---- */

/* Nothing may come here: the end, or an answer nobody asked for. */
static void read_idle(jh_client_conn *conn) {
  conn->is_retired = true;
  jh_client_conn_break(conn, JH_ECLOSED, JH_CALL_LINK_CLOSED, "the link was closed");
}

/* Reads once into the input. True when there may be more. */
static bool read_input(jh_client_conn *conn) {
  if (!make_room(conn)) {
    out_of_memory(conn);
    return false;
  }
  size_t room = jh_buf_space(conn->in);
  ssize_t count = jh_link_read(conn->link, conn->in->data + conn->in->end, room);
  if (count == -EAGAIN) {
    drop_empty_input(conn);
    return false;
  }
  if (count <= 0) {
    drop_empty_input(conn);
    break_by_read(conn, count);
    return false;
  }
  conn->in->end += (uint32_t)count;
  parse_input(conn);
  return !conn->is_closed && (size_t)count == room;
}

void jh_client_conn_read(jh_client_conn *conn) {
  for (int i = 0; i < READS_MAX && !conn->is_closed; i++) {
    jh_call *call = jh_client_conn_first(conn);
    if (!call) {
      /* The last read filled the buffer to its end: there need not be more. */
      if (i == 0) read_idle(conn);
      return;
    }
    bool goes_on;
    if (call->state == JH_CALL_ON_CONN) {
      goes_on = read_input(conn);
    } else if (call->options.flags & JH_CALL_STREAMED_BIT) {
      if (call->wait_id || call->hooks) {
        jh_call_wake_reader(call);
      } else {
        jh_client_conn_poll(conn, conn->writing ? UV_WRITABLE : 0);
      }
      return;
    } else {
      goes_on = collect(conn, call);
    }
    if (!goes_on) return;
  }
}

/* ---- bodies that are streamed ---- */

/* Decodes `count` raw bytes in `out`. Content bytes; 0 with *is_over at the end of the body. */
static ssize_t decode(jh_client_conn *conn, jh_call *call, char *out, size_t count, size_t *used,
                      bool *is_over) {
  size_t decoded;
  jh_response_parse parse =
      jh_response_parser_body(&call->parser, &call->limits, out, count, used, &decoded);
  if (parse == JH_RESPONSE_ERROR) {
    break_by_parser(conn, &call->parser);
    return call->error;
  }
  jh_str trailers = call->parser.trailers;
  if (trailers.len && jh_call_bytes_append(&call->trailers, trailers.ptr, trailers.len) < 0) {
    out_of_memory(conn);
    return JH_ENOMEM;
  }
  *is_over = parse == JH_RESPONSE_DONE;
  return (ssize_t)decoded;
}

static bool end_body(jh_client_conn *conn, jh_call *call, const char *rest, size_t len) {
  call->has_read_all = true;
  if (!keep_rest(conn, rest, len)) {
    out_of_memory(conn);
    return false;
  }
  jh_client_conn_end_call(conn, call);
  if (!conn->is_closed) parse_input(conn);
  return true;
}

/* From the bytes that came with the head, or were buffered since. */
static ssize_t read_raw(jh_client_conn *conn, jh_call *call, char *out, size_t bytes) {
  jh_buf *buf = call->buf;
  size_t count = call->raw_end - call->raw_start, used;
  if (count > bytes) count = bytes;
  bool is_over = false;
  memcpy(out, buf->data + call->raw_start, count);
  ssize_t decoded = decode(conn, call, out, count, &used, &is_over);
  if (decoded < 0) return decoded;
  call->raw_start += (uint32_t)used;
  if (is_over) {
    const char *rest = buf->data + call->raw_start;
    if (!end_body(conn, call, rest, call->raw_end - call->raw_start)) return JH_ENOMEM;
  }
  return decoded;
}

/* From the link into `out`, past the buffer. */
static ssize_t read_direct(jh_client_conn *conn, jh_call *call, char *out, size_t bytes) {
  uint64_t wanted = jh_response_parser_wanted(&call->parser);
  size_t room = bytes < wanted ? bytes : (size_t)wanted, used;
  bool is_over = false;
  ssize_t count = jh_link_read(conn->link, out, room);
  if (count == -EAGAIN) return JH_EWAIT;
  if (count == 0 && jh_response_parser_end(&call->parser) == JH_RESPONSE_DONE) {
    end_body(conn, call, out, 0);
    return 0;
  }
  if (count <= 0) {
    break_by_read(conn, count);
    return call->error;
  }
  ssize_t decoded = decode(conn, call, out, (size_t)count, &used, &is_over);
  if (decoded >= 0 && is_over && !end_body(conn, call, out + used, (size_t)count - used)) {
    return JH_ENOMEM;
  }
  return decoded;
}

/* Fills the buffer behind the head once more. */
static ssize_t fill_raw(jh_client_conn *conn, jh_call *call) {
  jh_buf *buf = call->buf;
  uint32_t start = (uint32_t)(call->answer - buf->data) + call->head_len;
  uint64_t wanted = jh_response_parser_wanted(&call->parser);
  size_t room = buf->capacity - start;
  if (room > wanted) room = (size_t)wanted;
  ssize_t count = jh_link_read(conn->link, buf->data + start, room);
  if (count <= 0) return count;
  call->raw_start = start;
  call->raw_end = start + (uint32_t)count;
  return count;
}

ssize_t jh_client_conn_read_body(jh_client_conn *conn, jh_call *call, char *out, size_t bytes) {
  for (;;) {
    ssize_t count;
    bool has_room =
        call->buf->capacity - (uint32_t)(call->answer - call->buf->data) - call->head_len >=
        DIRECT_READ_BYTES;
    if (call->raw_start < call->raw_end) {
      count = read_raw(conn, call, out, bytes);
    } else if (bytes >= DIRECT_READ_BYTES || !has_room) {
      count = read_direct(conn, call, out, bytes);
    } else {
      count = fill_raw(conn, call);
      if (count > 0) continue;
      if (count == -EAGAIN) {
        count = JH_EWAIT;
      } else if (count == 0 && jh_response_parser_end(&call->parser) == JH_RESPONSE_DONE) {
        end_body(conn, call, out, 0);
        return 0;
      } else {
        break_by_read(conn, count);
        return call->error;
      }
    }
    if (count != 0 || call->has_read_all || call->state != JH_CALL_IN_BODY) return count;
  }
}
