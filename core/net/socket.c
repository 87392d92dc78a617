/* socket.c: streams in the hands of Lua: waiting reads and writes over a link.
 *
 * A read that took less than it asked for has emptied the kernel's buffer: the next one waits
 * without asking again, so that a request and its answer are one send, one epoll_wait and one recv.
 */
#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "net/loop.h"

/* ---- life --------------------------------------------------------------------------------- */

static void on_unused(jh_socket *socket) {
  if (socket->reading.node.is_queued || socket->writing.node.is_queued) return;
  jh_free(socket);
}

static void on_reading_unused(jh_waiter *waiter) {
  on_unused(JH_LIST_ENTRY(waiter, jh_socket, reading));
}

static void on_writing_unused(jh_waiter *waiter) {
  on_unused(JH_LIST_ENTRY(waiter, jh_socket, writing));
}

static void drop_link(jh_socket *socket, int failure) {
  if (!socket->link) return;
  jh_link_close(socket->link);
  socket->link = NULL;
  socket->failure = failure;
  socket->is_open = false;
  jh_alarm_stop(socket->rest_alarm);
  socket->rest_alarm = NULL;
}

static void on_open(jh_link *link, int error) {
  jh_socket *socket = link->owner_data;
  socket->is_open = error == 0;
  socket->is_drained = error == 0 && !link->tls;
  jh_waiter_wake(&socket->writing, error);
}

static void on_readable(jh_link *link) {
  jh_socket *socket = link->owner_data;
  if (socket->is_resting) {
    drop_link(socket, JH_ECLOSED);
    return;
  }
  socket->is_drained = false;
  if (jh_waiter_is_waiting(&socket->reading)) {
    jh_waiter_wake(&socket->reading, 0);
  } else {
    jh_link_poll(link, link->events & ~UV_READABLE);
  }
}

static void on_writable(jh_link *link) {
  jh_socket *socket = link->owner_data;
  jh_link_poll(link, link->events & ~UV_WRITABLE);
  jh_waiter_wake(&socket->writing, 0);
}

static const jh_link_owner link_owner = {
    .on_open = on_open, .on_readable = on_readable, .on_writable = on_writable};

jh_socket *jh_socket_new(struct jh_loop *loop, jh_event_queue *ready) {
  jh_socket *socket = jh_try_calloc(1, sizeof *socket);
  if (!socket) return NULL;
  socket->link = jh_link_new(loop, &link_owner, socket);
  if (!socket->link) {
    jh_free(socket);
    return NULL;
  }
  socket->loop = loop;
  jh_waiter_init(&socket->reading, ready, &loop->alarms);
  jh_waiter_init(&socket->writing, ready, &loop->alarms);
  socket->reading.on_unused = on_reading_unused;
  socket->writing.on_unused = on_writing_unused;
  jh_list_init(&socket->node);
  jh_list_append(&loop->sockets, &socket->node);
  return socket;
}

int jh_socket_dial(jh_socket *socket, const jh_link_address *to, uint32_t wait_id) {
  int error = jh_link_dial(socket->link, to);
  if (!error) error = jh_waiter_start(&socket->writing, wait_id, 0);
  if (error == JH_EWAIT) return error;
  jh_socket_close(socket);
  return error;
}

void jh_socket_close(jh_socket *socket) {
  drop_link(socket, 0);
  jh_list_remove(&socket->node);
  bool is_reading_free = jh_waiter_close(&socket->reading);
  bool is_writing_free = jh_waiter_close(&socket->writing);
  if (is_reading_free && is_writing_free) jh_free(socket);
}

void jh_socket_close_all(struct jh_loop *loop, const jh_event_queue *ready) {
  jh_list *node = loop->sockets.next;
  while (node != &loop->sockets) {
    jh_socket *socket = JH_LIST_ENTRY(node, jh_socket, node);
    node = node->next;
    if (socket->reading.ready != ready) continue;
    drop_link(socket, 0);
    jh_list_remove(&socket->node);
    jh_waiter_abandon(&socket->reading);
    jh_waiter_abandon(&socket->writing);
  }
}

/* ---- streams ------------------------------------------------------------------------------ */

static int closed_code(const jh_socket *socket) {
  return socket->failure ? socket->failure : JH_ECLOSED;
}

static int await_input(jh_socket *socket, uint32_t wait_id, double timeout_ms) {
  int result = jh_waiter_start(&socket->reading, wait_id, timeout_ms);
  if (result == JH_EWAIT) jh_link_poll(socket->link, socket->link->events | UV_READABLE);
  return result;
}

static int await_output(jh_socket *socket, uint32_t wait_id, double timeout_ms) {
  int result = jh_waiter_start(&socket->writing, wait_id, timeout_ms);
  if (result == JH_EWAIT) jh_link_poll(socket->link, socket->link->events | UV_WRITABLE);
  return result;
}

int jh_socket_read(jh_socket *socket, char *out, size_t bytes, uint32_t wait_id,
                   double timeout_ms) {
  if (bytes == 0) return JH_EINVAL;
  if (bytes > INT32_MAX) bytes = INT32_MAX;
  if (socket->has_ended) return 0;
  if (!socket->is_open || socket->is_datagram) return closed_code(socket);
  if (jh_waiter_is_waiting(&socket->reading)) return JH_EBUSY;
  if (!socket->is_drained) {
    ssize_t count = jh_link_read(socket->link, out, bytes);
    if (count == 0) socket->has_ended = true;
    if (count >= 0) {
      socket->is_drained = (size_t)count < bytes && !socket->link->tls;
      return (int)count;
    }
    if (count != -EAGAIN) return (int)count;
  }
  return await_input(socket, wait_id, timeout_ms);
}

int jh_socket_write(jh_socket *socket, const char *bytes, size_t len, uint32_t wait_id,
                    double timeout_ms) {
  struct iovec part = {(void *)(uintptr_t)bytes, len < INT32_MAX ? len : INT32_MAX};
  if (!socket->is_open || socket->is_datagram) return closed_code(socket);
  if (jh_waiter_is_waiting(&socket->writing)) return JH_EBUSY;
  ssize_t taken = len ? jh_link_write(socket->link, &part, 1) : 0;
  if (taken != -EAGAIN) return (int)taken;
  return await_output(socket, wait_id, timeout_ms);
}

int jh_socket_start_tls(jh_socket *socket, jh_tls_context *context, const char *name,
                        size_t name_len, uint32_t wait_id, double timeout_ms) {
  if (!socket->is_open || socket->is_datagram) return closed_code(socket);
  if (socket->link->tls) return JH_EEXIST;
  if (jh_waiter_is_waiting(&socket->reading)) return JH_EBUSY;
  int result = jh_waiter_start(&socket->writing, wait_id, 0);
  if (result != JH_EWAIT) return result;
  socket->is_open = false;
  jh_link_poll(socket->link, 0);
  uint32_t whole_ms = timeout_ms > 0 && timeout_ms < UINT32_MAX ? (uint32_t)timeout_ms : 0;
  int error = jh_link_start_tls(socket->link, context, (jh_str){name, name_len}, whole_ms);
  if (!error) return JH_EWAIT;
  jh_waiter_forget(&socket->writing, wait_id);
  return error;
}

void jh_socket_forget(jh_socket *socket, uint32_t wait_id) {
  jh_waiter_forget(&socket->reading, wait_id);
  jh_waiter_forget(&socket->writing, wait_id);
}

void jh_socket_shutdown(jh_socket *socket) {
  if (socket->is_open) jh_link_shutdown(socket->link);
}

const char *jh_socket_reason(jh_socket *socket) {
  return socket->link ? jh_link_reason(socket->link) : "";
}

int jh_socket_stage(jh_socket *socket) {
  return socket->link ? (int)jh_link_stage_of(socket->link) : (int)JH_LINK_CLOSED;
}

bool jh_socket_is_tls(jh_socket *socket) {
  return socket->link && socket->link->tls;
}

int jh_socket_fd(jh_socket *socket) {
  return socket->link && socket->link->fd >= 0 ? socket->link->fd : JH_ECLOSED;
}

/* ---- pools -------------------------------------------------------------------------------- */

static void on_rest_over(void *data) {
  jh_socket *socket = data;
  socket->rest_alarm = NULL;
  drop_link(socket, JH_ETIMEDOUT);
}

/* What the peer sent and nobody read does not belong to who takes the socket next. */
static bool has_input(jh_socket *socket) {
  char byte;
  if (socket->is_drained && (socket->link->events & UV_READABLE)) return false;
  if (socket->link->tls && jh_tls_has_pending(socket->link->tls)) return true;
  ssize_t count = recv(socket->link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count >= 0 || errno != EAGAIN;
}

int jh_socket_rest(jh_socket *socket, double idle_ms) {
  if (!socket->is_open || socket->has_ended) return JH_ECLOSED;
  if (jh_waiter_is_waiting(&socket->reading) || jh_waiter_is_waiting(&socket->writing)) {
    return JH_EBUSY;
  }
  if (has_input(socket)) return JH_EPROTO;
  if (idle_ms > 0) {
    uint64_t delay_ms = idle_ms < INT32_MAX ? (uint64_t)idle_ms : INT32_MAX;
    socket->rest_alarm = jh_alarm_start(&socket->loop->alarms, delay_ms, on_rest_over, socket);
    if (!socket->rest_alarm) return JH_ENOMEM;
  }
  socket->is_resting = true;
  jh_link_poll(socket->link, UV_READABLE);
  return 0;
}

int jh_socket_resume(jh_socket *socket) {
  if (!socket->link) return JH_ECLOSED;
  jh_alarm_stop(socket->rest_alarm);
  socket->rest_alarm = NULL;
  socket->is_resting = false;
  return 0;
}

bool jh_socket_is_resting(jh_socket *socket) {
  return socket->is_resting && socket->link;
}

/* ---- options ------------------------------------------------------------------------------ */

int jh_socket_set_option(jh_socket *socket, int option, int value) {
  static const struct {
    int level, name;
  } options[] = {
      [JH_SOCKET_KEEPALIVE] = {SOL_SOCKET, SO_KEEPALIVE},
      [JH_SOCKET_NODELAY] = {IPPROTO_TCP, TCP_NODELAY},
      [JH_SOCKET_REUSEADDR] = {SOL_SOCKET, SO_REUSEADDR},
      [JH_SOCKET_BROADCAST] = {SOL_SOCKET, SO_BROADCAST},
      [JH_SOCKET_SEND_BYTES] = {SOL_SOCKET, SO_SNDBUF},
      [JH_SOCKET_RECEIVE_BYTES] = {SOL_SOCKET, SO_RCVBUF},
  };
  int fd = jh_socket_fd(socket);
  if (fd < 0) return fd;
  if (option < 0 || option > JH_SOCKET_RECEIVE_BYTES) return JH_EINVAL;
  int result = setsockopt(fd, options[option].level, options[option].name, &value, sizeof value);
  return result ? -errno : 0;
}
