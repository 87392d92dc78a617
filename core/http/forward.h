/* forward.h: what a proxy sends on of a request head and of a response head.
 *
 * Everything about the connection it came on stays behind (RFC 9110 §7.6.1): Connection and what it
 * names, Keep-Alive, Proxy-*, TE but for trailers, Transfer-Encoding, Upgrade. Framing is written
 * anew from what the parser found, never copied. Fields that go on are copied as the bytes they
 * came as, which the scanners have judged; neighbours in one piece.
 *
 * Pure: no I/O, no allocation. net/relay.c calls it. */
#ifndef JH_HTTP_FORWARD_H
#define JH_HTTP_FORWARD_H

#include "http/name_set.h"
#include "http/request.h"
#include "http/response.h"

/* ==== cdef: begin ==== */

/* Most options that Connection may name beside the usual ones. */
enum { JH_FORWARD_OPTIONS_MAX = 16 };

typedef enum jh_forward_flag {
  JH_FORWARD_HOST_BIT = 1,     /* Host as the client sent it */
  JH_FORWARD_X_BIT = 2,        /* X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto */
  JH_FORWARD_FORWARDED_BIT = 4 /* Forwarded (RFC 7239) */
} jh_forward_flag;

typedef enum jh_forward_body {
  JH_FORWARD_NO_BODY = 0, /* and no Content-Length */
  JH_FORWARD_LENGTH,
  JH_FORWARD_CHUNKED
} jh_forward_body;

/* What holds for all requests to one upstream. */
typedef struct jh_forward_rules {
  uint32_t flags;      /* jh_forward_flag */
  jh_str host;         /* of the upstream, for Host */
  jh_str base;         /* in front of the path: "" or "/base", without a '/' at its end */
  jh_str via;          /* a name for Via; empty: none */
  jh_str lines;        /* whole field lines to be added */
  jh_name_set dropped; /* not sent on: the names in `lines`, and others */
} jh_forward_rules;

typedef struct jh_forward_request {
  const jh_request *request;
  const jh_forward_rules *rules;
  const jh_response *own;     /* fields set for this request alone, in place of the client's */
  const jh_name_set *dropped; /* and those taken away; both may be NULL */
  jh_str method;
  jh_str target;         /* when it is ready; with ptr NULL it is made of the next two */
  jh_str path;           /* the normal form of the request's path */
  jh_str rest;           /* the end of it that goes on; ptr NULL: all of it */
  jh_str peer;           /* address of who sent it; empty: none (a unix socket) */
  jh_str scheme;         /* what the client used */
  bool is_trusted;       /* what the request says of clients before this one is believed */
  bool is_upgrade;       /* send Upgrade on */
  bool expects_continue; /* send Expect: 100-continue on */
  uint8_t body;          /* jh_forward_body */
  uint64_t body_bytes;
} jh_forward_request;

typedef struct jh_forward_response {
  jh_str fields;              /* lines as the upstream sent them, each with its CRLF */
  jh_str reason;              /* its reason phrase */
  const jh_response *own;     /* fields that the app set, in place of the upstream's */
  const jh_name_set *dropped; /* may be NULL */
  jh_str date_line;           /* sent when the upstream sent no Date */
  int status;
  bool is_http10;
  bool is_keep_alive;
  bool has_length;
  bool is_chunked;
  bool is_replaced; /* the body is another one: what described the upstream's stays behind */
  uint64_t body_bytes;
} jh_forward_response;

/* Room that the head of a request needs at most. */
size_t jh_forward_request_bytes(const jh_forward_request *forward);

/* Writes it to `out`. The bytes written, or JH_ELIMIT when Connection names too many fields. */
ssize_t jh_forward_write_request(const jh_forward_request *forward, char *out);

/* Writes base, path and query; returns the end. Needs the same room. forward_target.c. */
char *jh_forward_write_target(const jh_forward_request *forward, char *out);

/* Room that the head of a response needs at most. */
size_t jh_forward_response_bytes(const jh_forward_response *forward);

/* As jh_forward_write_request(). With status 101 the upgrade goes on. */
ssize_t jh_forward_write_response(const jh_forward_response *forward, char *out);

/* Gives the fields that go on to a response, beside those it has. 0, JH_ELIMIT or JH_ENOMEM. */
int jh_forward_import(const jh_forward_response *forward, jh_response *response, jh_arena *arena);

/* Adds the options of a Connection field that name other fields. 0 or JH_ELIMIT. */
int jh_forward_add_options(jh_name_set *options, jh_str *names, jh_str value);

/* True when a field was set in place of those of that name. `own` may be NULL. */
bool jh_forward_is_replaced(const jh_response *own, jh_str name);

/* ==== cdef: end ==== */

#endif
