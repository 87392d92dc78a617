/* refusal.h: what a connection hears that is not let in: one small answer, without reading a
 * request.
 *
 * Sent straight to the socket, so it costs neither buffer nor ctx when the server is full. */
#ifndef JH_NET_REFUSAL_H
#define JH_NET_REFUSAL_H

typedef enum jh_refusal {
  JH_REFUSAL_MAX_CONNECTIONS = 0, /* 503: max_connections are open */
  JH_REFUSAL_MAX_CONNS_PER_IP,    /* 429: this address has max_conns_per_ip open */
  JH_REFUSAL_PLAIN_HTTP           /* 400: plain HTTP where TLS is spoken */
} jh_refusal;

/* Sends the answer as far as the kernel takes it and throws away what was received, so that closing
 * does not reset the connection before the answer is read. Does not close. */
void jh_refusal_send(int fd, jh_refusal refusal);

/* The answer as text: static, NUL-terminated. */
const char *jh_refusal_text(jh_refusal refusal);

#endif
