/* response.h: the response of one exchange, and how its head is written.
 *
 * Header lines are kept as the bytes that go on the wire ("Name: value\r\n"), in the ctx's arena,
 * so writing the head is copying. Names and values are checked when they are set: CR, LF and NUL
 * can not reach the wire (RFC 9110 §5.5). Framing fields belong to the server alone. Called by
 * door.c for handlers and by net/conn_write.c for the head. */
#ifndef JH_HTTP_RESPONSE_H
#define JH_HTTP_RESPONSE_H

#include "base/arena.h"
#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Most bytes of header lines in one response; more is JH_ELIMIT. */
enum { JH_RESPONSE_FIELDS_MAX_BYTES = 65536 };

typedef struct jh_response_line {
  struct jh_response_line *next;
  uint32_t name_len;
  uint32_t line_len; /* with ": " and CRLF */
  bool is_appended;  /* stands beside others of its name */
  char text[];
} jh_response_line;

typedef struct jh_response {
  jh_response_line *first, *last;
  uint32_t fields_bytes;
  bool has_content_type, has_date, has_server; /* the handler's own win over ours */
  bool wants_close;                            /* Connection: close was set */
} jh_response;

/* What the head says beside the lines that were set. */
typedef struct jh_response_head {
  int status;
  int content_type; /* jh_content_type */
  bool is_http10;
  bool is_keep_alive;
  bool has_length;     /* false for 1xx, 204 and 304: no Content-Length (RFC 9110 §8.6) */
  bool is_chunked;     /* Transfer-Encoding: chunked in its place */
  uint64_t body_bytes; /* Content-Length; what GET would send, also for HEAD */
  jh_str server_line;  /* "Server: justhttp\r\n", or empty */
  jh_str date_line;    /* "Date: …\r\n" */
  jh_str field_lines;  /* whole lines of the caller's own, ready to be sent; may be empty */
} jh_response_head;

void jh_response_reset(jh_response *response);

/* See jh_ctx_set_header(). The line lives in `arena`. */
int jh_response_try_set(jh_response *response, jh_arena *arena, jh_str name, jh_str value,
                        bool append);

void jh_response_remove(jh_response *response, jh_str name);

/* First line of that name, or ptr NULL. Lives until it is replaced or the arena is reset. */
jh_str jh_response_find(const jh_response *response, jh_str name);

/* Room that jh_response_write_head() needs at most, but for the head's field_lines. */
size_t jh_response_head_max_bytes(const jh_response *response);

/* Writes status line, fields and the empty line to `out`; returns the bytes written. */
size_t jh_response_write_head(const jh_response *response, const jh_response_head *head, char *out);

/* ==== cdef: end ==== */

/* True for statuses whose responses never have a body: 1xx, 204, 304 (RFC 9110 §6.4.1). */
static inline bool jh_status_has_no_body(int status);

/* inline definitions */

static inline bool jh_status_has_no_body(int status) {
  return status == 204 || status == 304 || status < 200;
}

#endif
