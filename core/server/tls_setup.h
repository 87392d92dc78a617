/* tls_setup.h: the certificates of a server, as the supervisor keeps them and workers get them.
 *
 * The supervisor reads the files (it may be root, the workers are not) and makes the context that
 * workers inherit when they are forked. When the files are read again, running workers find the
 * text in memory that all share, and make the context anew for themselves. */
#ifndef JH_SERVER_TLS_SETUP_H
#define JH_SERVER_TLS_SETUP_H

#include "net/tls_server.h"
#include "server/options.h"

enum { JH_TLS_SHARED_BYTES = 4 << 20 };

/* Mapped by the supervisor before it forks; written by it alone. */
typedef struct jh_tls_shared {
  jh_tls_tickets tickets;
  uint32_t version; /* odd while the text changes; 0: workers have what they inherited */
  uint32_t pair_count;
  size_t text_bytes;
  char text[JH_TLS_SHARED_BYTES]; /* of each certificate, each key, the authorities: length, text */
} jh_tls_shared;

typedef struct jh_tls_setup {
  const jh_options *options;
  jh_tls_shared *shared;   /* NULL: no listener speaks TLS */
  jh_tls_context *context; /* what the next worker begins with */
  char *self_signed;       /* certificate and key; NULL without --tls=self */
  uint64_t rotate_at_ms;   /* monotonic clock: when to make a new ticket key */
} jh_tls_setup;

/* True when the options give certificates. */
bool jh_tls_setup_has_certificates(const jh_options *options);

/* True when the kernel can encrypt for us. */
bool jh_tls_setup_has_ktls(void);

/* Makes the context and the shared memory. `names` are for a self-signed certificate. 0 or a
 * negative code and one line in `error`. */
int jh_tls_setup_open(jh_tls_setup *setup, const jh_options *options, const char *names,
                      char *fingerprint, char *error, size_t error_bytes);

/* Reads the files again. On an error, told in one line, everything stays as it is. */
int jh_tls_setup_reload(jh_tls_setup *setup, char *error, size_t error_bytes);

/* Makes a new ticket key when it is time. */
void jh_tls_setup_rotate(jh_tls_setup *setup, uint64_t now_ms);

void jh_tls_setup_close(jh_tls_setup *setup);

/* In a worker: a context made from the shared text, when its version is not *version, which is set.
 * NULL when there is nothing new, or with one line in `error` when it did not work. */
jh_tls_context *jh_tls_setup_refresh(const jh_tls_shared *shared, const jh_options *options,
                                     uint32_t *version, char *error, size_t error_bytes);

#endif
