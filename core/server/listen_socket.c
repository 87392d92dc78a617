/* listen_socket.c: socket, options, bind, listen.
 *
 * TCP_FASTOPEN is left out on purpose: the kernel may deliver the data of a repeated SYN twice, and
 * an HTTP server cannot tell a request that is safe to repeat before it has read it.
 *
 * TCP_NODELAY is set on the listener because Linux hands it down to every accepted socket: no
 * system call per connection. */
#include "server/listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Seconds the kernel may hold a connection back while it waits for the first bytes. */
enum { DEFER_ACCEPT_S = 1, LOWEST_FREE_PORT = 1024, URL_BYTES = JH_ADDRESS_TEXT_BYTES };

static int refuse(const jh_address *address, int code, char *error, size_t error_bytes) {
  char url[URL_BYTES];
  const char *fix = "";
  if (code == EADDRINUSE)
    fix = address->kind == JH_ADDRESS_UNIX
              ? "; stop the server that has it, or listen on another path"
              : "; stop the server that has it, or let --listen 127.0.0.1:0 find a free port";
  if (code == EADDRNOTAVAIL) fix = "; no interface of this machine has that address";
  if (code == EACCES && address->kind != JH_ADDRESS_UNIX && address->port < LOWEST_FREE_PORT)
    fix = "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
  snprintf(error, error_bytes, "cannot listen on %s: %s%s",
           jh_address_url(address, url, sizeof url), strerror(code), fix);
  return -code;
}

static int switch_on(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value);
}

/* Options that only make things faster may fail; the others may not. */
static int prepare_tcp(int fd, const jh_address *address,
                       const jh_listen_socket_settings *settings) {
  if (switch_on(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0) return -1;
  if (settings->reuse_port && switch_on(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0) return -1;
  if (address->kind == JH_ADDRESS_IPV6 && switch_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0)
    return -1;
  if (settings->tcp_nodelay) switch_on(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (settings->defer_accept) switch_on(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_ACCEPT_S);
  return 0;
}

static int read_back_address(int fd, jh_address *address) {
  struct sockaddr_storage storage;
  socklen_t len = sizeof storage;
  memset(&storage, 0, sizeof storage);
  if (getsockname(fd, (struct sockaddr *)&storage, &len) != 0) return -1;
  if (jh_address_from_sockaddr(address, &storage, len) == 0) return 0;
  errno = EAFNOSUPPORT;
  return -1;
}

static int open_stream(int kind) {
  int family = kind == JH_ADDRESS_IPV4 ? AF_INET : kind == JH_ADDRESS_IPV6 ? AF_INET6 : AF_UNIX;
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int jh_listen_socket_tcp(jh_address *address, const jh_listen_socket_settings *settings,
                         char *error, size_t error_bytes) {
  struct sockaddr_storage storage;
  size_t len = jh_address_to_sockaddr(address, &storage);
  int fd = open_stream(address->kind);
  if (fd < 0) return refuse(address, errno, error, error_bytes);
  if (prepare_tcp(fd, address, settings) != 0 ||
      bind(fd, (struct sockaddr *)&storage, (socklen_t)len) != 0 ||
      listen(fd, settings->backlog) != 0 || read_back_address(fd, address) != 0) {
    int code = errno;
    close(fd);
    return refuse(address, code, error, error_bytes);
  }
  return fd;
}

bool jh_listen_socket_is_taken(const jh_address *address) {
  struct sockaddr_storage storage;
  size_t len = jh_address_to_sockaddr(address, &storage);
  const jh_listen_socket_settings alone = {.reuse_port = false};
  int fd = open_stream(address->kind);
  if (fd < 0) return false;
  bool is_taken = prepare_tcp(fd, address, &alone) == 0 &&
                  bind(fd, (struct sockaddr *)&storage, (socklen_t)len) != 0 && errno == EADDRINUSE;
  close(fd);
  return is_taken;
}

/* ---- unix -------------------------------------------------------------------------------- */

/* Takes away what a killed server left behind. 0, or an errno. */
static int remove_stale(const jh_address *address, const struct sockaddr_storage *storage,
                        size_t len) {
  struct stat found;
  if (lstat(address->path, &found) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(found.st_mode)) return EEXIST;
  int fd = open_stream(JH_ADDRESS_UNIX);
  if (fd < 0) return errno;
  int rc = connect(fd, (const struct sockaddr *)storage, (socklen_t)len) == 0 ? 0 : errno;
  close(fd);
  /* Only a refusal proves that nobody listens: EAGAIN is a full queue, EACCES somebody else's. */
  if (rc == ENOENT) return 0;
  if (rc != ECONNREFUSED) return rc == EACCES ? EACCES : EADDRINUSE;
  return unlink(address->path) == 0 || errno == ENOENT ? 0 : errno;
}

int jh_listen_socket_unix(const jh_address *address, const jh_listen_socket_settings *settings,
                          char *error, size_t error_bytes) {
  struct sockaddr_storage storage;
  size_t len = jh_address_to_sockaddr(address, &storage);
  int code = remove_stale(address, &storage, len);
  if (code == EEXIST) {
    snprintf(error, error_bytes, "cannot listen on unix:%s: a file that is no socket is there",
             address->path);
    return -EEXIST;
  }
  if (code != 0) return refuse(address, code, error, error_bytes);
  int fd = open_stream(JH_ADDRESS_UNIX);
  if (fd < 0) return refuse(address, errno, error, error_bytes);
  /* Nobody can connect before listen(), so there is no moment with a wider mode than asked for. */
  if (bind(fd, (struct sockaddr *)&storage, (socklen_t)len) != 0) {
    code = errno;
  } else if (chmod(address->path, settings->unix_mode) != 0 || listen(fd, settings->backlog) != 0) {
    code = errno;
    unlink(address->path);
  }
  if (code == 0) return fd;
  close(fd);
  return refuse(address, code, error, error_bytes);
}

/* ---- sockets of others ------------------------------------------------------------------- */

int jh_listen_socket_adopt(int fd, jh_address *address, const jh_listen_socket_settings *settings,
                           char *error, size_t error_bytes) {
  int type = 0, is_listening = 0;
  socklen_t type_len = sizeof type, listening_len = sizeof is_listening;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0 || type != SOCK_STREAM ||
      getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &listening_len) != 0 ||
      !is_listening) {
    snprintf(error, error_bytes,
             "descriptor %d passed by the service manager is no listening stream socket", fd);
    return -ENOTSOCK;
  }
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || read_back_address(fd, address) != 0) {
    int code = errno;
    snprintf(error, error_bytes, "cannot use descriptor %d passed by the service manager: %s", fd,
             strerror(code));
    return -code;
  }
  if (address->kind != JH_ADDRESS_UNIX) {
    if (settings->tcp_nodelay) switch_on(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (settings->defer_accept) switch_on(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_ACCEPT_S);
  }
  return 0;
}
