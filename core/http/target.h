/* target.h: takes a request-target apart (RFC 9112 §3.2) and normalises its path.
 *
 * The parser calls jh_target_split() once per request; whoever dispatches the request calls
 * jh_target_normalise() only when `path_is_plain` is false, which is rare: the path of a plain
 * target is its own normal form, and no byte is copied.
 *
 * Accepted bytes are printable ASCII without '#'. Bytes from 0x80 on are rejected: a URI has none
 * (RFC 3986), http-parser's strict mode refuses them as well, and two readers that disagree about
 * such a byte are how caches get poisoned. A client that means "ü" sends "%C3%BC". */
#ifndef JH_HTTP_TARGET_H
#define JH_HTTP_TARGET_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

typedef enum jh_target_form {
  JH_TARGET_ORIGIN = 0, /* "/path?query" */
  JH_TARGET_ABSOLUTE,   /* "http://host/path?query" */
  JH_TARGET_AUTHORITY,  /* "host:port": CONNECT and nothing else */
  JH_TARGET_ASTERISK    /* "*", or an absolute form with neither path nor query: OPTIONS only */
} jh_target_form;

/* Parts of a target. Every slice points into the target it was split from. */
typedef struct jh_target {
  jh_str path_raw;    /* as sent; empty for "http://host", "host:port" and "*" */
  jh_str query;       /* without '?' */
  jh_str host;        /* authority with its port, as sent; empty in origin form and for "*" */
  uint8_t form;       /* jh_target_form */
  bool path_is_plain; /* path_raw starts with '/' and normalising it would change nothing */
  bool has_query;     /* there was a '?': tells "/a?" from "/a" */
  bool is_https;      /* absolute form with the scheme https */
} jh_target;

/* Takes `target` apart; `method` (a jh_method) decides which forms are allowed. 0, or JH_EINVAL
 * when the request must be answered 400; `out` is then unspecified. */
int jh_target_split(jh_str target, int method, jh_target *out);

/* Writes the normal form of a raw path to `out`, which has room for raw.len + 1 bytes and does not
 * overlap `raw`: percent-decoded ('+' stays, a malformed '%' stays), "//" and "/./" collapsed,
 * "/../" resolved and never above the root. The result starts with '/' and is at most raw.len
 * bytes, or 1 byte when `raw` is empty, or raw.len + 1 when it lacks the leading '/'. It is not
 * NUL-terminated. 0, or JH_EINVAL when the path holds a NUL, which is always an attack. */
int jh_target_normalise(jh_str raw, char *out, size_t *out_len);

/* True for uri-host [":" port] of RFC 3986 without userinfo: "example.com", "127.0.0.1:80",
 * "[::1]:8080". The port may be empty, at most 65535. False for "". For a Host field value. */
bool jh_target_host_is_valid(jh_str host);

/* ==== cdef: end ==== */

#endif
