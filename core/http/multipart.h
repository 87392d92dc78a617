/* multipart.h: takes the body of a form with files apart while it comes in (RFC 7578, RFC 2046).
 *
 * The caller pushes pieces of any size and pulls events; how the body is cut changes nothing but
 * where the data is cut. Nothing is allocated and content is not copied: the data of an event is a
 * slice of the caller's piece. Only bytes that looked like the beginning of a boundary at the end
 * of a piece are kept back, and these are the boundary's own. Part headers are collected here.
 *
 *   for (size_t used; len > 0; data += used, len -= used)
 *     switch (jh_multipart_next(multipart, data, len, &used, &event)) { … }
 *   result = jh_multipart_finish(multipart);
 *
 * It is strict: no bytes before the first boundary but one CRLF, no bare CR or LF in part headers,
 * no transfer encodings, one Content-Disposition with one name. What follows the final boundary is
 * ignored. Sizes of fields and files are the caller's to limit, as their data passes. */
#ifndef JH_HTTP_MULTIPART_H
#define JH_HTTP_MULTIPART_H

#include "http/delimiter.h"
#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_MULTIPART_HEADER_BYTES_MAX = 4096 };

typedef struct jh_multipart_limits {
  uint32_t max_header_bytes; /* of one part; at most JH_MULTIPART_HEADER_BYTES_MAX */
  uint32_t max_header_count; /* of one part */
  uint32_t max_part_count;
} jh_multipart_limits;

typedef enum jh_multipart_event_kind {
  JH_MULTIPART_MORE = 0,   /* the piece is used up */
  JH_MULTIPART_PART_BEGIN, /* name, filename and content_type are set */
  JH_MULTIPART_PART_DATA,  /* data is the next of the part's content; never empty */
  JH_MULTIPART_PART_END,
  JH_MULTIPART_END /* the final boundary; what is still to come is ignored */
} jh_multipart_event_kind;

/* Slices other than `data` live until the headers of the next part begin. */
typedef struct jh_multipart_event {
  jh_str data; /* lives as long as the piece, and no longer than until the next call */
  jh_str name;
  jh_str filename;     /* as sent: see filename.h; may be empty for a file */
  jh_str content_type; /* as sent; empty when absent, which means text/plain */
  bool has_filename;   /* the part is a file */
} jh_multipart_event;

typedef struct jh_multipart {
  jh_multipart_limits limits;
  uint32_t part_count;
  uint32_t header_len;   /* bytes of the current part's header in `text` */
  uint32_t header_line;  /* where its current line begins */
  uint32_t header_count; /* lines so far */
  uint8_t state;
  uint8_t matched;         /* bytes of the delimiter at the end of the last piece */
  uint8_t matched_before;  /* of these, those that were no content in any case */
  uint16_t status;         /* after an error: what the request is to be answered with */
  const char *reason;      /* after an error: static text */
  jh_multipart_event part; /* the current part */
  jh_str disposition, content_type;
  jh_delimiter delimiter;
  char text[2 * JH_MULTIPART_HEADER_BYTES_MAX]; /* header lines as sent, then decoded names */
} jh_multipart;

/* The boundary that a Content-Type field value names; a slice of it. 0, JH_EUNSUPPORTED when the
 * type is another one than multipart/form-data, or JH_EINVAL when the boundary is missing, comes
 * twice or is not valid. */
int jh_multipart_boundary(jh_str content_type, jh_str *out);

/* `limits` may be NULL for 4096 bytes and 16 lines per header and 1000 parts. 0, or JH_EINVAL when
 * the boundary is not valid. The boundary is copied. */
int jh_multipart_init(jh_multipart *multipart, jh_str boundary, const jh_multipart_limits *limits);

/* Goes on in the `len` bytes at `data`. Returns a jh_multipart_event_kind, or JH_EPROTO or
 * JH_ELIMIT with status and reason set; it is then the same for every further call. *used bytes are
 * done with; they may be 0 for an event other than MORE. `out` is set for PART_BEGIN and PART_DATA
 * and describes the current part in both. */
int jh_multipart_next(jh_multipart *multipart, const char *data, size_t len, size_t *used,
                      jh_multipart_event *out);

/* To be called where the body ends. 0, or JH_EPROTO when it was not complete. */
int jh_multipart_finish(jh_multipart *multipart);

/* Value of the current part's header of that name, from PART_BEGIN to PART_END; the first one of
 * several, or ptr NULL. Lives as the names of an event do. */
jh_str jh_multipart_header(const jh_multipart *multipart, jh_str name);

/* Headers of the current part by position, as above. 0 or JH_ENOTFOUND. */
int jh_multipart_header_at(const jh_multipart *multipart, uint32_t index, jh_str *name,
                           jh_str *value);

/* ==== cdef: end ==== */

#endif
