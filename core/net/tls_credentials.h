/* tls_credentials.h: certificates, keys and authorities, from PEM text or files into a context.
 *
 * A value that holds "-----BEGIN" is PEM text itself, anything else names a file. Errors are
 * sentences that name the file, because they are what stops a server from starting. */
#ifndef JH_NET_TLS_CREDENTIALS_H
#define JH_NET_TLS_CREDENTIALS_H

#include "justhttp.h"

struct ssl_ctx_st;

enum { JH_TLS_DIGEST_BYTES = 32 };

/* A certificate with its chain, and its key; an empty `key` means that it stands with the
 * certificate. 0, or JH_EINVAL with a sentence in `reason`. */
int jh_tls_use_certificate(struct ssl_ctx_st *ssl_ctx, jh_str cert, jh_str key, char *reason,
                           size_t reason_bytes);

/* Trusts these authorities, and no others. The same results. */
int jh_tls_trust(struct ssl_ctx_st *ssl_ctx, jh_str ca, char *reason, size_t reason_bytes);

/* 32 bytes that are others when other authorities are trusted. */
void jh_tls_digest_authorities(struct ssl_ctx_st *ssl_ctx, uint8_t *digest);

/* Names the trusted authorities to clients that are asked for a certificate. 0 or JH_ENOMEM. */
int jh_tls_name_authorities(struct ssl_ctx_st *ssl_ctx);

#endif
