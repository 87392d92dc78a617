/* tcp_acked.h: how much of what was written to a socket the other side's kernel has taken.
 *
 * In a file of its own because the struct that tells it is in linux/tcp.h, which cannot be included
 * beside netinet/tcp.h. */
#ifndef JH_NET_TCP_ACKED_H
#define JH_NET_TCP_ACKED_H

#include <stdint.h>

/* Bytes acknowledged since the connection was made, or -1 when that cannot be told. */
int64_t jh_tcp_acked_bytes(int fd);

#endif
