/* response_parser.h: turns the bytes of a link into responses, strictly.
 *
 * The client connection calls it: jh_response_parser_init() before every response,
 * jh_response_parser_head() until it is done, again after each interim response, then
 * jh_response_parser_body() until it is done. Bytes may come one by one or all at once, the result
 * is the same. It stops at the end of the message; what follows is the next one.
 *
 * Bytes are judged by the scanners that judge requests: bare CR or LF, folded lines, a space before
 * a colon and control bytes are errors. How long the body is follows RFC 9112 §6.3. Content-Length
 * may be repeated when it is the same every time. Beside chunked it is ignored, as the RFC has it,
 * but then the link serves no further exchange: whoever put both there may have meant to smuggle.
 * No I/O, no allocation; after JH_RESPONSE_ERROR close the link. */
#ifndef JH_HTTP_RESPONSE_PARSER_H
#define JH_HTTP_RESPONSE_PARSER_H

#include "http/chunk_scanner.h"
#include "http/head_scanner.h"
#include "http/request.h"

/* ==== cdef: begin ==== */

typedef enum jh_response_parse {
  JH_RESPONSE_DONE = 0,
  JH_RESPONSE_MORE = 1,
  JH_RESPONSE_ERROR = -1
} jh_response_parse;

/* What makes the end of a body. */
typedef enum jh_response_body {
  JH_RESPONSE_NO_BODY = 0,
  JH_RESPONSE_LENGTH,  /* Content-Length */
  JH_RESPONSE_CHUNKED, /* the last chunk */
  JH_RESPONSE_UNTIL_CLOSE,
  JH_RESPONSE_TUNNEL /* there is no HTTP on this link any more: 101, or 2xx to CONNECT */
} jh_response_body;

typedef struct jh_response_limits {
  uint32_t max_header_bytes; /* of a whole head; of all trailers alike */
  uint32_t max_header_count;
  uint32_t max_interim_count; /* 1xx responses before the final one */
  uint64_t max_body_bytes;    /* decoded; for a declared length already with the head */
} jh_response_limits;

/* The request that is answered, as far as it decides about the answer's framing. */
typedef enum jh_response_to {
  JH_RESPONSE_TO_ANY = 0,
  JH_RESPONSE_TO_HEAD,
  JH_RESPONSE_TO_CONNECT
} jh_response_to;

typedef struct jh_response_parser {
  jh_head_scanner head;
  jh_chunk_scanner chunks;
  uint64_t content_length; /* declared; 0 without has_length */
  uint64_t body_left;      /* of a body with a declared length */
  uint64_t body_bytes;     /* decoded so far */
  jh_span reason_phrase;   /* relative to the head */
  uint32_t fields;         /* offset of the first field line in the head */
  uint32_t header_count;
  uint32_t interim_count;
  jh_str trailers;     /* trailer bytes among those the last jh_response_parser_body() used */
  const char *problem; /* after JH_RESPONSE_ERROR: what was wrong, static text */
  int32_t error;       /* after JH_RESPONSE_ERROR: JH_EPROTO or JH_ELIMIT */
  uint16_t status;     /* 100-999 */
  uint8_t http_minor;  /* 0 or 1 */
  uint8_t to;          /* jh_response_to */
  uint8_t body;        /* jh_response_body */
  bool is_in_fields;   /* the status line is done */
  bool has_length, is_chunked;
  bool has_coding;     /* there is a Content-Encoding */
  bool is_closed;      /* Connection: close */
  bool is_kept;        /* Connection: keep-alive */
  bool may_keep_alive; /* the link may serve another exchange after this one */
} jh_response_parser;

/* Prepares for the next response. Cheap. */
void jh_response_parser_init(jh_response_parser *parser, jh_response_to to);

/* Parses a head. `data` begins with its first byte and holds all bytes received so far; call again
 * with more after JH_RESPONSE_MORE (nothing is scanned twice, the bytes may have moved). When done
 * *head_len is its length. Status 100 and 102-199 are interim: take their bytes off and call again
 * for the next head; max_interim_count bounds them. */
jh_response_parse jh_response_parser_head(jh_response_parser *parser,
                                          const jh_response_limits *limits, const char *data,
                                          size_t len, size_t *head_len);

/* True when the head that was done last is not the final one. */
bool jh_response_parser_is_interim(const jh_response_parser *parser);

/* Decodes the body in place: takes *used of the `len` bytes at `data` and leaves *body_len bytes of
 * content at its beginning. JH_RESPONSE_DONE at the end of the message, which may be at once;
 * JH_RESPONSE_MORE with *used == len before it. */
jh_response_parse jh_response_parser_body(jh_response_parser *parser,
                                          const jh_response_limits *limits, char *data, size_t len,
                                          size_t *used, size_t *body_len);

/* The link ended: JH_RESPONSE_DONE when that is the end of the body, else JH_RESPONSE_ERROR. */
jh_response_parse jh_response_parser_end(jh_response_parser *parser);

/* How many bytes may be read without reading beyond this message; UINT64_MAX when that is not known
 * before they are there. */
uint64_t jh_response_parser_wanted(const jh_response_parser *parser);

/* ==== cdef: end ==== */

#endif
