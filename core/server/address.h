/* address.h: what may be written after --listen. Pure text and sockaddr work, no sockets: the
 * supervisor's listener set opens them.
 *
 *   127.0.0.1:8080  localhost:8080  [::1]:8080   one address; a name must resolve on this machine
 *   8080                                         127.0.0.1, for this machine only
 *   :8080  *:8080                                every IPv4 address
 *   [::]:8080                                    every IPv6 address
 *   unix:/run/app.sock  unix:app.sock            a unix socket
 *   systemd  systemd:NAME                        sockets passed by the service manager
 *
 * In front of any of them: http:// or https://. */
#ifndef JH_SERVER_ADDRESS_H
#define JH_SERVER_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ==== cdef: begin ==== */

typedef enum jh_address_kind {
  JH_ADDRESS_IPV4 = 0,
  JH_ADDRESS_IPV6,
  JH_ADDRESS_UNIX,
  JH_ADDRESS_SYSTEMD
} jh_address_kind;

typedef enum jh_address_scheme {
  JH_ADDRESS_ANY_SCHEME = 0, /* not said */
  JH_ADDRESS_HTTP,
  JH_ADDRESS_HTTPS
} jh_address_scheme;

enum { JH_ADDRESS_PATH_BYTES = 108, JH_ADDRESS_TEXT_BYTES = 160 };

typedef struct jh_address {
  int kind;                         /* jh_address_kind */
  int scheme;                       /* jh_address_scheme */
  uint16_t port;                    /* host byte order; 0 takes a free one */
  uint32_t scope;                   /* IPv6 zone index */
  uint8_t bytes[16];                /* IPv4 in the first four, network byte order */
  char path[JH_ADDRESS_PATH_BYTES]; /* unix: the path; systemd: the name, "" any; NUL-terminated */
} jh_address;

/* Reads `text`. 0 or JH_EINVAL; then `error` holds one line that quotes `text`, says what is wrong
 * and what to write instead. */
int jh_address_parse(jh_address *address, const char *text, char *error, size_t error_bytes);

/* True for the same kind, address and port; two addresses with port 0 are never equal. */
bool jh_address_is_equal(const jh_address *a, const jh_address *b);

/* Writes what a client would use: "http://127.0.0.1:8080", "http://[::1]:8080", "unix:/run/a.sock";
 * with the scheme HTTPS "https://127.0.0.1:8080" and "https://unix:/run/a.sock". The address of
 * every interface is written as 0.0.0.0 or [::]. Returns `out`. */
const char *jh_address_url(const jh_address *address, char *out, size_t out_bytes);

/* ==== cdef: end ==== */

struct sockaddr_storage;

/* The sockaddr of an IPv4, IPv6 or unix address; its length. */
size_t jh_address_to_sockaddr(const jh_address *address, struct sockaddr_storage *out);

/* 0 or JH_EUNSUPPORTED for a family that is none of the three. */
int jh_address_from_sockaddr(jh_address *address, const struct sockaddr_storage *in, size_t len);

#endif
