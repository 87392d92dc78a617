/* framing.h: the header fields that decide how a message is framed and what follows it.
 *
 * The parser hands it every field of a head, in order; it picks Host, Content-Length,
 * Transfer-Encoding, Connection, Upgrade and Expect and holds them to RFC 9112 §3.2, §6 and §9 and
 * RFC 9110 §10.1.1: anything two implementations could read in two ways is refused. What is left
 * is told to http-parser in words it cannot misread (see parser.c). */
#ifndef JH_HTTP_FRAMING_H
#define JH_HTTP_FRAMING_H

#include "http/request.h"

/* ==== cdef: begin ==== */

/* What was seen. The bits below JH_FRAMING_FACTS are all that http-parser needs to know beside the
 * length of the body; parser.c uses them as the index of a table. */
enum {
  JH_FRAMING_HTTP_1_1 = 1,
  JH_FRAMING_CLOSE = 2,              /* Connection: close */
  JH_FRAMING_KEEP_ALIVE = 4,         /* Connection: keep-alive */
  JH_FRAMING_CONNECTION_UPGRADE = 8, /* Connection: upgrade */
  JH_FRAMING_UPGRADE = 16,           /* an Upgrade field with a value */
  JH_FRAMING_CHUNKED = 32,           /* Transfer-Encoding: chunked */
  JH_FRAMING_FACTS = 64,
  JH_FRAMING_LENGTH = 64,      /* Content-Length */
  JH_FRAMING_HOST = 128,       /* Host */
  JH_FRAMING_CONTINUE = 256,   /* Expect: 100-continue */
  JH_FRAMING_EXPECTATION = 512 /* Expect: something else */
};

typedef struct jh_framing {
  uint64_t content_length;
  uint32_t seen; /* JH_FRAMING_* */
} jh_framing;

/* Forgets everything; http_minor comes from the request line. */
void jh_framing_reset(jh_framing *framing, uint8_t http_minor);

/* Takes the next field of the head; request->host is set from Host. 0, or the HTTP status to answer
 * with *reason. */
int jh_framing_add(jh_framing *framing, jh_request *request, const jh_header *field,
                   const char **reason);

/* Judges the fields together when the head is complete. 0, or the HTTP status with *reason. */
int jh_framing_check(const jh_framing *framing, const jh_request *request, uint64_t max_body_bytes,
                     const char **reason);

/* ==== cdef: end ==== */

#endif
