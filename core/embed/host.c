/* host.c: the server's own loop inside the caller's.
 *
 * The server keeps a loop of its own, whose epoll descriptor the caller's loop polls: so neither
 * sees the other's handles, several servers fit on one loop, and one that is freed can run its loop
 * to its end. Before the caller's loop blocks, the server's must have nothing left to do: its
 * timeout becomes a timer there, and what it has yet to register with epoll gets another turn. */
#include <string.h>

#include "base/alloc.h"
#include "embed/server.h"

enum { TURNS_MAX = 8 /* before others on the caller's loop get theirs */, HANDLE_COUNT = 4 };

struct jh_host {
  jh_server *server;
  uv_poll_t poll;
  uv_timer_t timer;
  uv_prepare_t prepare;
  uv_idle_t idle; /* keeps the caller's loop from blocking */
  bool is_touched;
  bool is_closing;
  int open_handles;
};

/* libuv gives descriptors to epoll at the start of its poll phase; until then they wait in a list,
 * which points to itself when it is empty. */
static bool has_unregistered(const uv_loop_t *loop) {
  const void *first = NULL;
  memcpy(&first, &loop->watcher_queue, sizeof first);
  return first != (const void *)&loop->watcher_queue;
}

static bool has_work(const jh_server *server) {
  const jh_worker *worker = server->worker;
  return jh_generation_has_events(worker->generation) || jh_loop_is_busy(&worker->loop) ||
         worker->loop.first_pending || has_unregistered(&worker->loop.uv) ||
         uv_backend_timeout(&worker->loop.uv) == 0;
}

static void on_idle(uv_idle_t *idle) {
  (void)idle;
}

static void on_timer(uv_timer_t *timer);

/* Says when the caller's loop has to come back. */
static void arm(jh_host *host) {
  const uv_loop_t *own = &host->server->worker->loop.uv;
  if (has_work(host->server)) {
    uv_idle_start(&host->idle, on_idle);
    host->is_touched = true;
    return;
  }
  uv_idle_stop(&host->idle);
  int timeout_ms = uv_backend_timeout(own);
  if (timeout_ms < 0) {
    uv_timer_stop(&host->timer);
  } else {
    uv_update_time(host->timer.loop);
    uv_timer_start(&host->timer, on_timer, (uint64_t)timeout_ms, 0);
  }
}

static void pump(jh_host *host) {
  jh_server *server = host->server;
  sigset_t before;
  jh_server_guard(&before);
  host->is_touched = false;
  for (int i = 0; i < TURNS_MAX && !server->has_ended; i++) {
    jh_server_turn(server, false);
    if (!has_work(server)) break;
  }
  jh_server_unguard(&before);
  if (server->has_ended) {
    jh_host_close(host);
  } else {
    arm(host);
  }
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  pump(poll->data);
}

static void on_timer(uv_timer_t *timer) {
  pump(timer->data);
}

static void on_prepare(uv_prepare_t *prepare) {
  jh_host *host = prepare->data;
  if (host->is_touched) pump(host);
}

static void on_closed(uv_handle_t *handle) {
  jh_host *host = handle->data;
  if (--host->open_handles == 0) jh_free(host);
}

jh_host *jh_host_try_open(jh_server *server, uv_loop_t *loop) {
  jh_host *host = jh_try_calloc(1, sizeof *host);
  if (!host) return NULL;
  if (uv_poll_init(loop, &host->poll, uv_backend_fd(&server->worker->loop.uv)) != 0) {
    jh_free(host);
    return NULL;
  }
  host->server = server;
  host->open_handles = HANDLE_COUNT;
  uv_timer_init(loop, &host->timer);
  uv_prepare_init(loop, &host->prepare);
  uv_idle_init(loop, &host->idle);
  host->poll.data = host->timer.data = host->prepare.data = host->idle.data = host;
  uv_unref((uv_handle_t *)&host->prepare);
  uv_unref((uv_handle_t *)&host->timer);
  uv_poll_start(&host->poll, UV_READABLE, on_ready);
  uv_prepare_start(&host->prepare, on_prepare);
  host->is_touched = true;
  uv_idle_start(&host->idle, on_idle);
  return host;
}

void jh_host_touch(jh_host *host) {
  if (host->is_closing) return;
  host->is_touched = true;
  uv_idle_start(&host->idle, on_idle);
}

void jh_host_close(jh_host *host) {
  if (host->is_closing) return;
  host->is_closing = true;
  host->server->host = NULL;
  uv_close((uv_handle_t *)&host->poll, on_closed);
  uv_close((uv_handle_t *)&host->timer, on_closed);
  uv_close((uv_handle_t *)&host->prepare, on_closed);
  uv_close((uv_handle_t *)&host->idle, on_closed);
}
