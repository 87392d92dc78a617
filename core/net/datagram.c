/* datagram.c: sockets that send and receive datagrams: UDP, and unix ones.
 *
 * They share the object, the waiting and the end of a life with streams (socket.c). Addresses are
 * numeric here: Lua resolves names first. Declared in justhttp.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/ip.h"
#include "net/loop.h"
#include "net/socket.h"

typedef union address {
  struct sockaddr any;
  struct sockaddr_in ipv4;
  struct sockaddr_in6 ipv6;
  struct sockaddr_un local;
} address;

/* ---- addresses ---------------------------------------------------------------------------- */

static bool is_unix(jh_str host) {
  return host.len >= 5 && memcmp(host.ptr, "unix:", 5) == 0;
}

static int write_path(jh_str path, address *out, socklen_t *bytes) {
  if (path.len == 0 || path.len >= sizeof out->local.sun_path) return JH_EINVAL;
  out->local.sun_family = AF_UNIX;
  memcpy(out->local.sun_path, path.ptr, path.len);
  bool is_abstract = path.ptr[0] == '@';
  if (is_abstract) out->local.sun_path[0] = '\0';
  *bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + !is_abstract);
  return 0;
}

static int write_address(jh_str host, uint16_t port, address *out, socklen_t *bytes) {
  jh_ip ip;
  memset(out, 0, sizeof *out);
  if (is_unix(host)) return write_path((jh_str){host.ptr + 5, host.len - 5}, out, bytes);
  int error = jh_ip_parse(host, &ip);
  if (error) return error;
  if (ip.is_ipv6) {
    out->ipv6.sin6_family = AF_INET6;
    out->ipv6.sin6_port = htons(port);
    memcpy(&out->ipv6.sin6_addr, ip.bytes, 16);
    *bytes = sizeof out->ipv6;
  } else {
    out->ipv4.sin_family = AF_INET;
    out->ipv4.sin_port = htons(port);
    memcpy(&out->ipv4.sin_addr, ip.bytes, 4);
    *bytes = sizeof out->ipv4;
  }
  return 0;
}

static void read_path(const struct sockaddr_un *from, socklen_t bytes, jh_socket_name *out) {
  size_t len = bytes > offsetof(struct sockaddr_un, sun_path)
                   ? bytes - offsetof(struct sockaddr_un, sun_path)
                   : 0;
  memcpy(out->host, "unix:", 5);
  memcpy(out->host + 5, from->sun_path, len);
  if (len && from->sun_path[0] == '\0') {
    out->host[5] = '@';
  } else if (len && from->sun_path[len - 1] == '\0') {
    len--;
  }
  out->host_len = (uint32_t)(5 + len);
}

static void read_address(const address *from, socklen_t bytes, jh_socket_name *out) {
  jh_ip ip;
  out->port = 0;
  out->host_len = 0;
  if (bytes >= sizeof from->ipv4 && from->any.sa_family == AF_INET) {
    out->port = ntohs(from->ipv4.sin_port);
    jh_ip_from_bytes((const uint8_t *)&from->ipv4.sin_addr, 4, &ip);
    out->host_len = (uint32_t)jh_ip_write(&ip, out->host);
  } else if (bytes >= sizeof from->ipv6 && from->any.sa_family == AF_INET6) {
    out->port = ntohs(from->ipv6.sin6_port);
    jh_ip_from_bytes((const uint8_t *)&from->ipv6.sin6_addr, 16, &ip);
    out->host_len = (uint32_t)jh_ip_write(&ip, out->host);
  } else if (bytes >= sizeof from->any.sa_family && from->any.sa_family == AF_UNIX) {
    read_path(&from->local, bytes, out);
  }
}

int jh_socket_name_of(jh_socket *socket, bool is_peer, jh_socket_name *out) {
  address found;
  socklen_t bytes = sizeof found;
  int fd = jh_socket_fd(socket);
  if (fd < 0) return fd;
  memset(&found, 0, sizeof found);
  int result = is_peer ? getpeername(fd, &found.any, &bytes) : getsockname(fd, &found.any, &bytes);
  if (result) return -errno;
  read_address(&found, bytes, out);
  return 0;
}

/* ---- life --------------------------------------------------------------------------------- */

jh_socket *jh_socket_new_datagram(struct jh_loop *loop, jh_event_queue *ready, int family,
                                  int *error) {
  int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  *error = fd < 0 ? -errno : JH_ENOMEM;
  if (fd < 0) return NULL;
  jh_socket *made = jh_socket_new(loop, ready);
  if (!made) {
    close(fd);
    return NULL;
  }
  jh_link_adopt(made->link, fd, "datagram");
  made->is_open = made->is_datagram = true;
  *error = 0;
  return made;
}

int jh_socket_family(const char *host, size_t host_len) {
  jh_str text = {host, host_len};
  jh_ip ip;
  if (is_unix(text)) return AF_UNIX;
  if (jh_ip_parse(text, &ip) < 0) return JH_EINVAL;
  return ip.is_ipv6 ? AF_INET6 : AF_INET;
}

int jh_socket_bind(jh_socket *socket, const char *host, size_t host_len, uint32_t port) {
  address at;
  socklen_t bytes;
  int fd = jh_socket_fd(socket);
  if (fd < 0) return fd;
  int error = write_address((jh_str){host, host_len}, (uint16_t)port, &at, &bytes);
  if (error) return error;
  return bind(fd, &at.any, bytes) ? -errno : 0;
}

int jh_socket_set_peer(jh_socket *socket, const char *host, size_t host_len, uint32_t port) {
  address to;
  socklen_t bytes;
  int fd = jh_socket_fd(socket);
  if (fd < 0) return fd;
  if (!socket->is_datagram) return JH_EUNSUPPORTED;
  int error = 0;
  if (host_len == 0) {
    memset(&to, 0, sizeof to);
    to.any.sa_family = AF_UNSPEC;
    bytes = sizeof to.any;
  } else {
    error = write_address((jh_str){host, host_len}, (uint16_t)port, &to, &bytes);
  }
  if (error) return error;
  return connect(fd, &to.any, bytes) ? -errno : 0;
}

/* ---- datagrams ---------------------------------------------------------------------------- */

int jh_socket_receive_from(jh_socket *socket, char *out, size_t bytes, jh_socket_name *from,
                           uint32_t wait_id, double timeout_ms) {
  address sender;
  if (!socket->is_open || !socket->is_datagram) return JH_ECLOSED;
  if (jh_waiter_is_waiting(&socket->reading)) return JH_EBUSY;
  struct iovec part = {out, bytes};
  struct msghdr message = {
      .msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = &part, .msg_iovlen = 1};
  ssize_t count = recvmsg(socket->link->fd, &message, 0);
  if (count >= 0) {
    read_address(&sender, message.msg_namelen, from);
    return (int)count;
  }
  if (errno != EAGAIN && errno != EINTR) return -errno;
  int result = jh_waiter_start(&socket->reading, wait_id, timeout_ms);
  if (result == JH_EWAIT) jh_link_poll(socket->link, socket->link->events | UV_READABLE);
  return result;
}

int jh_socket_send_to(jh_socket *socket, const char *bytes, size_t len, const char *host,
                      size_t host_len, uint32_t port, uint32_t wait_id, double timeout_ms) {
  address to;
  socklen_t to_bytes = 0;
  if (!socket->is_open || !socket->is_datagram) return JH_ECLOSED;
  if (jh_waiter_is_waiting(&socket->writing)) return JH_EBUSY;
  if (host_len) {
    int error = write_address((jh_str){host, host_len}, (uint16_t)port, &to, &to_bytes);
    if (error) return error;
  }
  ssize_t count =
      sendto(socket->link->fd, bytes, len, MSG_NOSIGNAL, host_len ? &to.any : NULL, to_bytes);
  if (count >= 0) return (int)count;
  if (errno != EAGAIN && errno != EINTR) return -errno;
  int result = jh_waiter_start(&socket->writing, wait_id, timeout_ms);
  if (result == JH_EWAIT) jh_link_poll(socket->link, socket->link->events | UV_WRITABLE);
  return result;
}
