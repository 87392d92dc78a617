/* disposition.h: what the Content-Disposition of a part of a form says (RFC 7578 §4.2).
 *
 * multipart.c reads one per part. Names come in three spellings, and all three are undone here:
 * browsers write '"', CR and LF as %22, %0D and %0A (and leave any other '%' alone), older clients
 * put a backslash before '"' and '\', and some send filename*=UTF-8''… (RFC 8187), which wins.
 * Names are bytes of a client: filename.h makes file names safe to use. */
#ifndef JH_HTTP_DISPOSITION_H
#define JH_HTTP_DISPOSITION_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

typedef struct jh_disposition {
  jh_str name;
  jh_str filename;   /* as sent, with its path if there was one; UTF-8 if it came as filename* */
  bool has_filename; /* the part is a file, even when its name is empty */
} jh_disposition;

/* Reads a field value. The slices of *out point into `room`, which has value.len bytes. 0, or
 * JH_EINVAL and a static text in *reason; *out is then unspecified. */
int jh_disposition_parse(jh_str value, char *room, jh_disposition *out, const char **reason);

/* ==== cdef: end ==== */

#endif
