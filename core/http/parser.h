/* parser.h: turns the bytes of a connection into requests, strictly.
 *
 * The HTTP/1 connection calls it: jh_parser_init() before every message, jh_parser_head() until it
 * is done, then jh_parser_body() until it is done when the request has a body. Bytes may come one
 * by one or all at once, the result is the same. It stops at the end of the message; what follows
 * is the next one.
 *
 * http-parser decides about framing and keep-alive and decodes bodies; all that RFC 9110/9112
 * demand beyond it (it takes bare LF, obs-fold, spaces in field names) is checked by the scanners
 * beside it, before it sees a byte. Whatever either of them rejects is rejected. No I/O, no
 * allocation; after JH_PARSE_ERROR answer with `status`, close, and do not call again. */
#ifndef JH_HTTP_PARSER_H
#define JH_HTTP_PARSER_H

#include "http/chunk_scanner.h"
#include "http/framing.h"
#include "http/head_scanner.h"
#include "http/request.h"

/* ==== cdef: begin ==== */

typedef enum jh_parse { JH_PARSE_DONE = 0, JH_PARSE_MORE = 1, JH_PARSE_ERROR = -1 } jh_parse;

typedef struct jh_parse_limits {
  uint32_t max_header_bytes; /* whole head with its request line; trailers alike: 431 */
  uint32_t max_header_count; /* fields in the head; trailers alike: 431 */
  uint32_t max_target_bytes; /* request-target: 414 */
  uint64_t max_body_bytes;   /* decoded body: 413, for a declared length already with the head */
} jh_parse_limits;

typedef struct jh_parser {
  uint64_t engine[4]; /* state of http-parser */
  jh_head_scanner head;
  jh_framing framing;
  jh_chunk_scanner chunks;
  uint64_t body_left; /* bytes to come of a body with a declared length */
  jh_str trailers; /* trailer bytes among those that jh_parser_body() used last, a slice of them */
  const char *reason;  /* after JH_PARSE_ERROR: what was wrong, static text */
  uint16_t status;     /* after JH_PARSE_ERROR: 400 413 414 417 431 501 505 */
  uint8_t blank_lines; /* skipped before the request line */
  bool is_in_fields;   /* the request line is done */
} jh_parser;

/* Prepares for the next message. Cheap. */
void jh_parser_init(jh_parser *parser);

/* Parses a head. `data` begins with the head's first byte and holds all bytes received so far
 * (call again with more after JH_PARSE_MORE; nothing is scanned twice, the bytes may have moved).
 * Empty lines before the request line are skipped. When done, the request is filled with spans
 * relative to `data`, and *head_len is the length of the head: the body, if any, begins there.
 * After an error what the request holds is unspecified, but safe to read. */
jh_parse jh_parser_head(jh_parser *parser, jh_request *request, const jh_parse_limits *limits,
                        const char *data, size_t len, size_t *head_len);

/* Decodes the body in place: takes *used of the `len` bytes at `data` and leaves *body_len bytes
 * of content at its beginning. JH_PARSE_DONE at the end of the message; JH_PARSE_MORE with
 * *used == len before it. Trailer fields are checked and left where they are: parser->trailers has
 * their bytes, which may be cut anywhere. Only after a head whose request has a body. */
jh_parse jh_parser_body(jh_parser *parser, const jh_parse_limits *limits, char *data, size_t len,
                        size_t *used, size_t *body_len);

/* ==== cdef: end ==== */

#endif
