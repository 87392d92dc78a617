/* request.h: one parsed request head, as spans into the bytes it was read from.
 *
 * The parser fills it, ctx owns it, the router, the dispatcher and the door read it. A span is an
 * offset and a length relative to `base`, so the owner may move the bytes (a growing input buffer)
 * and only has to set `base` anew. Everything in it was validated by the parser: names are tokens,
 * values have no control bytes, `host` is a well-formed authority.
 *
 * Nothing here allocates: `headers` is an array of the owner's. */
#ifndef JH_HTTP_REQUEST_H
#define JH_HTTP_REQUEST_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* `len` bytes that begin `off` bytes after the request's base. */
typedef struct jh_span {
  uint32_t off;
  uint32_t len;
} jh_span;

/* One field line; the value is without the white space around it. */
typedef struct jh_header {
  jh_span name;
  jh_span value;
} jh_header;

typedef struct jh_request {
  const char *base;         /* first byte of the head; set by the parser, moved by the owner */
  jh_header *headers;       /* the owner's array, in the order they were sent */
  uint32_t header_capacity; /* set by the owner; a request with more headers gets 431 */
  uint32_t header_count;
  jh_span target; /* request-target as it was sent */
  jh_span path;   /* its path, not decoded; len 0 means "/" (absolute-form without a path) */
  jh_span query;  /* its query without '?'; len 0 when there is none */
  jh_span host;   /* authority of an absolute-form target, otherwise the Host value */
  uint64_t content_length; /* 0 when no Content-Length was sent */
  uint8_t method;          /* jh_method */
  uint8_t http_minor;      /* 0 or 1 */
  bool is_http2;           /* came over HTTP/2; http_minor is 1 then */
  uint8_t target_form;     /* jh_target_form */
  bool path_is_plain;      /* normalising the path would change nothing */
  bool has_query;          /* there was a '?': tells "/a?" from "/a" */
  bool has_content_length;
  bool has_host;      /* false only for HTTP/1.0 without Host */
  bool is_chunked;    /* the body comes in chunks */
  bool is_keep_alive; /* the client lets the connection live on after this exchange */
  bool is_upgrade; /* HTTP/1.1 with Upgrade and Connection: upgrade; the body is framed as ever */
  bool expects_continue; /* HTTP/1.1 with Expect: 100-continue and a body to come */
} jh_request;

/* Forgets the last request; `headers` and `header_capacity` stay. */
void jh_request_reset(jh_request *request);

/* Index of the first header named `name` (any case) at or after `from`, or -1. */
int32_t jh_request_find_header(const jh_request *request, const char *name, size_t name_len,
                               uint32_t from);

/* Value of the first header named `name` (any case); ptr is NULL when there is none. Valid as long
 * as the bytes at `base`. */
jh_str jh_request_header(const jh_request *request, jh_str name);

/* Name and value of the header at `index`, in the order they were sent. 0 or JH_ENOTFOUND. */
int jh_request_header_at(const jh_request *request, uint32_t index, jh_str *name, jh_str *value);

/* Path as it was sent, "/" when the target has none. */
jh_str jh_request_path(const jh_request *request);

/* ==== cdef: end ==== */

/* The bytes of a span; valid as long as the bytes at `base`. */
static inline jh_str jh_request_str(const jh_request *request, jh_span span) {
  return (jh_str){.ptr = request->base + span.off, .len = span.len};
}

/* True when bytes of a body follow the head. */
static inline bool jh_request_has_body(const jh_request *request) {
  return request->is_chunked || request->content_length > 0;
}

#endif
