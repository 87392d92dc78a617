/* accept_encoding.h: which content coding to answer in (RFC 9110 §12.5.3).
 *
 * The client says how much it likes each coding; the server says which ones it has. The one liked
 * most is chosen; among equals br, zstd, gzip and then identity, which is by size of the result. */
#ifndef JH_HTTP_ACCEPT_ENCODING_H
#define JH_HTTP_ACCEPT_ENCODING_H

#include "http/coding.h"
#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Chooses among the codings whose bits (1 << jh_coding) are set in `available`, for a field value;
 * ptr NULL when the field is absent, which leaves the choice to the server: identity. Lines are
 * joined with commas. JH_ENOTFOUND when the client accepts none of them; answering in identity
 * nonetheless is allowed and mostly wiser than 406. */
int jh_accept_encoding_choose(jh_str field, uint32_t available);

/* "br" and so on, as Content-Encoding wants it; empty for identity. Static text. */
jh_str jh_accept_encoding_name(int coding);

/* ==== cdef: end ==== */

#endif
