/* chunk_scanner.h: walks the chunked coding byte by byte and accepts nothing that is not RFC 9112
 * §7.
 *
 * The parser runs it ahead of http-parser, which takes bare LF and any junk after a chunk size and
 * does not check the CRLF after chunk data. It says which runs of bytes may be passed on: sizes,
 * data and their CRLFs, not chunk extensions, which end here, and not trailer fields, which the
 * parser shows to its caller.
 *
 * It keeps no bytes of its input and no pointers, so input may be cut anywhere. */
#ifndef JH_HTTP_CHUNK_SCANNER_H
#define JH_HTTP_CHUNK_SCANNER_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_CHUNK_EXTENSION_BYTES_MAX = 4096, JH_CHUNK_TRAILER_NAME_MAX = 24 };

typedef struct jh_chunk_limits {
  uint64_t max_body_bytes;
  uint32_t max_trailer_bytes;
  uint32_t max_trailer_count;
} jh_chunk_limits;

typedef struct jh_chunk_scanner {
  uint64_t size;            /* of the current chunk while its size is read, then bytes left */
  uint64_t body_bytes;      /* announced by all chunks so far */
  uint32_t extension_bytes; /* in the whole message */
  uint32_t trailer_bytes;
  uint32_t trailer_count;
  uint16_t status; /* after an error */
  uint8_t state;
  uint8_t digits;   /* of the current chunk size */
  uint8_t name_len; /* of the current trailer name; above its maximum it is no known one */
  char name[JH_CHUNK_TRAILER_NAME_MAX]; /* the current trailer name in lower case */
  const char *reason;                   /* after an error: static text */
} jh_chunk_scanner;

typedef enum jh_chunk_run {
  JH_CHUNK_PASS = 0, /* the run belongs to the coding: pass it on */
  JH_CHUNK_DROP,     /* extension: checked, drop it */
  JH_CHUNK_TRAILER,  /* field lines behind the last chunk, with their CRLFs: checked, keep them */
  JH_CHUNK_END,      /* the run is the last one of the message: pass it on */
  JH_CHUNK_ERROR     /* status and reason are set */
} jh_chunk_run;

void jh_chunk_scanner_init(jh_chunk_scanner *scanner);

/* Walks the `len` > 0 bytes at `data` until the kind of run changes. *run_len > 0 is its length
 * (0 for an error). */
jh_chunk_run jh_chunk_scanner_next(jh_chunk_scanner *scanner, const jh_chunk_limits *limits,
                                   const char *data, size_t len, size_t *run_len);

/* Bytes of chunk data that come next: 0 when something else does. */
uint64_t jh_chunk_scanner_data_left(const jh_chunk_scanner *scanner);

/* ==== cdef: end ==== */

#endif
