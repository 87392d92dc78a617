/* listen_socket.h: opens one listening socket. The listener set decides which ones and how many;
 * this is the part that talks to the kernel and turns its refusals into sentences. */
#ifndef JH_SERVER_LISTEN_SOCKET_H
#define JH_SERVER_LISTEN_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/address.h"

typedef struct jh_listen_socket_settings {
  int backlog;
  bool reuse_port; /* others of this process will bind the same address */
  bool tcp_nodelay;
  bool defer_accept;
  uint32_t unix_mode; /* file mode of a unix socket */
} jh_listen_socket_settings;

/* Opens a non-blocking, close-on-exec, listening TCP socket. With port 0 the kernel's choice is
 * stored in `address`. Returns the descriptor, or a negated errno and one line in `error`. */
int jh_listen_socket_tcp(jh_address *address, const jh_listen_socket_settings *settings,
                         char *error, size_t error_bytes);

/* As above for a unix socket. A socket file that nobody listens on is replaced; anything else at
 * that path is left alone and refused. */
int jh_listen_socket_unix(const jh_address *address, const jh_listen_socket_settings *settings,
                          char *error, size_t error_bytes);

/* Makes a socket that somebody else opened one of ours: checks that it is a listening stream
 * socket, stores its address, sets the descriptor flags. 0 or a negated errno and `error`. */
int jh_listen_socket_adopt(int fd, jh_address *address, const jh_listen_socket_settings *settings,
                           char *error, size_t error_bytes);

/* True while somebody else is listening on the address; asked before SO_REUSEPORT would let two
 * servers share a port in silence. */
bool jh_listen_socket_is_taken(const jh_address *address);

#endif
