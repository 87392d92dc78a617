/* tls.h: one TLS session over a connected socket: handshake, reading, writing, its end.
 *
 * The engine of both sides; it knows neither connections nor links, waits for nothing and owns no
 * descriptor. Whoever holds it asks jh_tls_wants() what to wait for whenever it answers JH_EWAIT or
 * -EAGAIN. Two things differ from a plain socket: bytes may wait in memory where epoll does not see
 * them (jh_tls_has_pending), and a write that answered -EAGAIN must be tried again with the same
 * bytes in front. */
#ifndef JH_NET_TLS_H
#define JH_NET_TLS_H

#include <sys/uio.h>

#include "net/tls_context.h"

/* ==== cdef: begin ==== */

struct iovec;
typedef struct jh_tls jh_tls;
typedef struct jh_tls_lookup jh_tls_lookup;

/* Starts a session over `fd`, which is non-blocking and stays the caller's. A client verifies that
 * its peer is `server_name` (a name or an address), and tells it that name. NULL: out of memory. */
jh_tls *jh_tls_open(jh_tls_context *context, int fd, bool is_server, jh_str server_name);

/* 0 when it is done, JH_EWAIT, or a negative code: JH_EPROTO, JH_ECLOSED, a negated errno. */
int jh_tls_handshake(jh_tls *tls);

/* Bytes read; 0 when the peer ended the session in good order; -EAGAIN; JH_ECLOSED when it left
 * without saying so (what it sent may be cut short), or another negative code. */
ssize_t jh_tls_read(jh_tls *tls, char *out, size_t bytes);

/* Bytes taken, possibly fewer than given, -EAGAIN, or a negative code. */
ssize_t jh_tls_write(jh_tls *tls, const struct iovec *parts, int count);

/* Has the kernel encrypt and send bytes of a file. Bytes taken, -EAGAIN, -ENODATA at its end, or
 * another negative code. Only when the kernel does the encryption of this session. */
ssize_t jh_tls_sendfile(jh_tls *tls, int file_fd, off_t offset, size_t bytes);

/* UV_READABLE or UV_WRITABLE: what the last call that could not go on waits for. */
int jh_tls_wants(const jh_tls *tls);

/* True when reading would give something (bytes, an end, an error) without the socket. */
bool jh_tls_has_pending(const jh_tls *tls);

/* The last failure as a sentence without a full stop, NUL-terminated; "" when there was none. Valid
 * until the close. */
const char *jh_tls_reason(const jh_tls *tls);

/* Tells the peer that nothing more will be written, as far as the socket takes it at once. */
void jh_tls_shutdown(jh_tls *tls);

/* Frees it; the socket stays open. NULL is allowed. */
void jh_tls_close(jh_tls *tls);

/* After the handshake: "TLSv1.3", "TLS_AES_256_GCM_SHA384"; the protocol ALPN chose, or ""; whether
 * an earlier session was resumed. Static or valid until the close. */
const char *jh_tls_version(const jh_tls *tls);
const char *jh_tls_cipher(const jh_tls *tls);
void jh_tls_alpn(const jh_tls *tls, jh_str *protocol);
bool jh_tls_is_resumed(const jh_tls *tls);

/* ==== cdef: end ==== */

#endif
