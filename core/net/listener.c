/* listener.c: the accept loop, and what happens when no descriptor or place is left. */
#include "net/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/refusal.h"
#include "net/tls_transport.h"

enum {
  ACCEPT_BATCH = 16,   /* connections per wake-up, so that a storm does not starve open ones */
  DRAIN_BATCHES = 256, /* clients that keep connecting must not keep a worker from stopping */
  PAUSE_MS = 100
};

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_pause_end(uv_timer_t *timer) {
  jh_listener *listener = timer->data;
  uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

/* Out of descriptors: epoll would report the waiting connection at once again, so it waits. */
static void pause_accepting(jh_listener *listener, int error) {
  jh_log_limited(listener->loop->log, &listener->gate, JH_LOG_ERROR,
                 "cannot accept connections: %s; raise the limit of open files (ulimit -n)",
                 strerror(error));
  uv_poll_stop(&listener->poll);
  uv_timer_start(&listener->pause, on_pause_end, PAUSE_MS, 0);
}

static void refuse(const jh_listener *listener, int fd, jh_refusal refusal) {
  jh_loop *loop = listener->loop;
  loop->counters.rejected++;
  if (refusal == JH_REFUSAL_MAX_CONNECTIONS) {
    jh_log_limited(loop->log, &loop->rejected_gate, JH_LOG_WARN,
                   "connection refused with 503: max_connections (%u) are open",
                   loop->settings.max_connections);
  } else {
    jh_conn_log_per_ip(loop);
  }
  if (!listener->is_tls) jh_refusal_send(fd, refusal);
  close(fd);
}

/* Lets a connection in, or says why not. */
static void admit(const jh_listener *listener, int fd, const struct sockaddr *address) {
  jh_loop *loop = listener->loop;
  jh_peer peer;
  loop->counters.accepted++;
  if (loop->conn_count >= loop->settings.max_connections) {
    refuse(listener, fd, JH_REFUSAL_MAX_CONNECTIONS);
  } else if (jh_peer_open(&peer, &loop->settings.peers, address) < 0) {
    refuse(listener, fd, JH_REFUSAL_MAX_CONNS_PER_IP);
  } else if (listener->is_tls) {
    jh_tls_transport_open(loop, fd, &peer);
  } else {
    jh_conn_open(loop, fd, &peer);
  }
}

/* False once nothing more can be accepted now. */
static bool accept_batch(jh_listener *listener) {
  for (int i = 0; i < ACCEPT_BATCH; i++) {
    struct sockaddr_storage storage = {.ss_family = AF_UNIX};
    struct sockaddr *address = (struct sockaddr *)&storage;
    socklen_t address_bytes = sizeof storage;
    int fd = accept4(listener->fd, address, &address_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pause_accepting(listener, errno);
      }
      if (errno == ECONNABORTED || errno == EINTR) continue;
      return false;
    }
    admit(listener, fd, address);
  }
  return true;
}

static void on_acceptable(uv_poll_t *poll, int status, int events) {
  (void)events;
  if (status == 0) accept_batch(poll->data);
}

int jh_listener_start(jh_listener *listener, jh_loop *loop, int fd, bool is_tls) {
  memset(listener, 0, sizeof *listener);
  listener->loop = loop;
  listener->fd = fd;
  listener->is_tls = is_tls;
  int error = uv_poll_init(&loop->uv, &listener->poll, fd);
  if (error) return error;
  listener->poll.data = listener;
  error = uv_timer_init(&loop->uv, &listener->pause);
  if (error) return error;
  listener->pause.data = listener;
  return uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

void jh_listener_stop(jh_listener *listener) {
  uv_close((uv_handle_t *)&listener->poll, NULL);
  uv_close((uv_handle_t *)&listener->pause, NULL);
}

void jh_listener_drain(jh_listener *listener) {
  for (int i = 0; i < DRAIN_BATCHES && accept_batch(listener); i++) {
  }
  jh_listener_stop(listener);
  close(listener->fd);
}
