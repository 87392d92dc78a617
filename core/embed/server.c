/* server.c: the life of a server inside a program: start, turns, stop, free.
 *
 * A server is a worker (server/worker.h) without a process of its own: its sockets are opened here,
 * nothing is forked, and instead of signals there is `wake`, a handle that other threads may use.
 */
#include "embed/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

const char *jh_server_version(void) {
  return jh_version();
}

const char *jh_server_error(const jh_server *server) {
  return server->error;
}

bool jh_server_has_ended(const jh_server *server) {
  return server->has_ended;
}

const char *jh_server_url(const jh_server *server, size_t index) {
  return index < server->listeners.count ? server->listeners.listeners[index].url : NULL;
}

/* ---- SIGPIPE ----------------------------------------------------------------------------- */

void jh_server_guard(sigset_t *before) {
  sigset_t pipe_only;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_only, before);
}

void jh_server_unguard(const sigset_t *before) {
  if (sigismember(before, SIGPIPE)) return;
  sigset_t pipe_only;
  const struct timespec at_once = {0, 0};
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR) {
  }
  pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* ---- hooks of the VM --------------------------------------------------------------------- */

static bool entry_of(void *data, size_t index, jh_native_entry *out) {
  const jh_server *server = data;
  if (index >= server->declaration_count) return false;
  const jh_declaration *declaration = &server->declarations[index];
  out->kind = declaration->kind;
  out->method = declaration->method;
  out->name = declaration->name;
  out->lua_function = declaration->lua_function;
  return true;
}

static void fail_start(void *data, const char *text, size_t len) {
  jh_server *server = data;
  snprintf(server->error, sizeof server->error, "%.*s", (int)len, text);
}

/* ---- making and freeing ------------------------------------------------------------------ */

jh_server *jh_server_new(void) {
  jh_server *server = jh_try_calloc(1, sizeof *server);
  if (!server) return NULL;
  server->options = jh_options_new();
  server->hooks = (jh_native_hooks){.data = server,
                                    .entry = entry_of,
                                    .run_function = jh_arguments_run,
                                    .fail_start = fail_start};
  jh_exchange_set_hooks(&server->hooks);
  jh_list_init(&server->exchanges);
  pthread_mutex_init(&server->posted_lock, NULL);
  server->posted_end = &server->posted;
  return server;
}

int jh_server_attach(jh_server *server, struct uv_loop_s *loop) {
  if (server->was_started) {
    snprintf(server->error, sizeof server->error, "the server was started already");
    return JH_EINVAL;
  }
  server->host_loop = loop;
  return 0;
}

/* The worker ends, and with it everything that Lua and connections hold. */
static void end_worker(jh_server *server) {
  jh_worker *worker = server->worker;
  if (!worker) return;
  atomic_store(&server->is_waking, false);
  jh_access_log_flush(&worker->access_log);
  /* A drain has closed the sockets itself. */
  for (size_t i = 0; worker->is_draining && i < server->listeners.count; i++) {
    server->listeners.listeners[i].fds[0] = -1;
  }
  uv_close((uv_handle_t *)&worker->drain_timer, NULL);
  uv_close((uv_handle_t *)&server->wake, NULL);
  jh_worker_deinit(worker);
  jh_free(worker);
  server->worker = NULL;
}

static void drop_posted(jh_server *server) {
  while (server->posted) {
    jh_posted *posted = server->posted;
    server->posted = posted->next;
    jh_free(posted);
  }
}

static void close_all(jh_server *server) {
  sigset_t before;
  jh_server_guard(&before);
  if (server->host) jh_host_close(server->host);
  end_worker(server);
  jh_server_unguard(&before);
  jh_bundle_close(server->bundle);
  server->bundle = NULL;
  jh_listener_set_deinit(&server->listeners);
  if (server->tls.shared) jh_tls_setup_close(&server->tls);
  jh_free(server->sockets);
  server->sockets = NULL;
}

void jh_server_free(jh_server *server) {
  if (!server) return;
  close_all(server);
  while (!jh_list_is_empty(&server->exchanges)) {
    jh_exchange_free(JH_LIST_ENTRY(server->exchanges.next, jh_exchange, node));
  }
  drop_posted(server);
  jh_arguments_clear(&server->arguments);
  for (size_t i = 0; i < server->declaration_count; i++) {
    jh_free(server->declarations[i].method);
    jh_free(server->declarations[i].name);
  }
  jh_free(server->declarations);
  jh_free(server->app_path);
  jh_free(server->app_code);
  jh_free(server->app_name);
  jh_options_free(server->options);
  pthread_mutex_destroy(&server->posted_lock);
  jh_free(server);
}

/* ---- other threads ----------------------------------------------------------------------- */

static void on_wake(uv_async_t *wake) {
  jh_server *server = wake->data;
  if (atomic_load(&server->wants_stop)) jh_worker_drain(server->worker);
}

static void run_posted(jh_server *server) {
  for (;;) {
    pthread_mutex_lock(&server->posted_lock);
    jh_posted *posted = server->posted;
    if (posted) server->posted = posted->next;
    if (!server->posted) server->posted_end = &server->posted;
    pthread_mutex_unlock(&server->posted_lock);
    if (!posted) return;
    posted->fn(posted->data);
    jh_free(posted);
  }
}

void jh_server_stop(jh_server *server) {
  atomic_store(&server->wants_stop, true);
  if (atomic_load(&server->is_waking)) uv_async_send(&server->wake);
}

int jh_server_post(jh_server *server, void (*fn)(void *data), void *data) {
  if (!atomic_load(&server->is_waking)) return JH_ESTOPPING;
  jh_posted *posted = jh_try_alloc(sizeof *posted);
  if (!posted) return JH_ENOMEM;
  *posted = (jh_posted){.fn = fn, .data = data};
  pthread_mutex_lock(&server->posted_lock);
  *server->posted_end = posted;
  server->posted_end = &posted->next;
  pthread_mutex_unlock(&server->posted_lock);
  uv_async_send(&server->wake);
  return 0;
}

/* ---- turns ------------------------------------------------------------------------------- */

void jh_server_turn(jh_server *server, bool wait) {
  jh_worker *worker = server->worker;
  run_posted(server);
  jh_worker_turn(worker, wait);
  run_posted(server);
  if (worker->has_ended) server->has_ended = true;
}

void jh_server_touch(jh_server *server) {
  if (server->host) {
    jh_host_touch(server->host);
  } else if (atomic_load(&server->is_waking)) {
    uv_async_send(&server->wake);
  }
}

/* ---- start ------------------------------------------------------------------------------- */

static int open_sockets(jh_server *server) {
  static const jh_service_manager nobody = {.notify_fd = -1};
  static const jh_identity same = {.is_set = false};
  jh_handover nothing = {.count = 0};
  char fingerprint[96];
  int rc = jh_listener_set_open(&server->listeners, server->options, 1, &nobody, &nothing, &same,
                                server->error, sizeof server->error);
  if (rc != 0) return rc;
  server->sockets = jh_try_calloc(server->listeners.count + 1, sizeof *server->sockets);
  if (!server->sockets) return JH_ENOMEM;
  jh_listener_set_slot(&server->listeners, 0, server->sockets);
  if (!jh_listener_set_has_tls(&server->listeners)) return 0;
  return jh_tls_setup_open(&server->tls, server->options, "DNS:localhost,IP:127.0.0.1", fingerprint,
                           server->error, sizeof server->error);
}

static void fill_config(jh_server *server) {
  server->config = (jh_worker_config){.options = server->options,
                                      .slot_count = 1,
                                      .listeners = server->sockets,
                                      .listener_count = server->listeners.count,
                                      .app_path = server->app_name,
                                      .bundle = server->bundle,
                                      .app_code = server->app_code,
                                      .command = "run",
                                      .ready_fd = -1};
  if (!server->tls.shared) return;
  server->config.tls_shared = server->tls.shared;
  server->config.tls_context = server->tls.context;
  server->config.tls_version = server->tls.shared->version;
}

static int start_worker(jh_server *server) {
  jh_worker *worker = jh_try_calloc(1, sizeof *worker);
  if (!worker) return JH_ENOMEM;
  int rc = jh_worker_init(worker, server->options, &server->config);
  if (rc != 0) {
    jh_free(worker);
    return rc;
  }
  server->worker = worker;
  uv_loop_t *uv = &worker->loop.uv;
  uv_timer_init(uv, &worker->drain_timer);
  worker->drain_timer.data = worker;
  uv_async_init(uv, &server->wake, on_wake);
  server->wake.data = server;
  atomic_store(&server->is_waking, true);
  worker->generation->vm = jh_vm_new(worker->generation, &worker->log);
  if (!worker->generation->vm) return JH_ENOMEM;
  rc = jh_native_install(worker->generation->vm, &server->hooks);
  if (rc != 0) return rc;
  /* The first drain starts the task that loads the app. */
  if (jh_vm_drain(worker->generation->vm) < 0) return JH_EINVAL;
  while (!worker->is_ready && !worker->has_ended) {
    jh_server_turn(server, true);
    if (atomic_load(&server->wants_stop)) break;
  }
  return worker->has_ended ? JH_EINVAL : 0;
}

static int start(jh_server *server) {
  int rc = jh_server_read_app(server);
  if (rc == 0) rc = jh_options_check(server->options, server->error, sizeof server->error);
  if (rc == 0) rc = open_sockets(server);
  if (rc != 0) return rc;
  fill_config(server);
  rc = start_worker(server);
  if (rc != 0 || !server->host_loop) return rc;
  server->host = jh_host_try_open(server, server->host_loop);
  return server->host ? 0 : JH_ENOMEM;
}

int jh_server_start(jh_server *server) {
  sigset_t before;
  if (server->was_started) {
    snprintf(server->error, sizeof server->error, "the server was started already");
    return JH_EINVAL;
  }
  server->was_started = true;
  server->error[0] = '\0';
  jh_server_guard(&before);
  int rc = start(server);
  jh_server_unguard(&before);
  if (rc == 0) return 0;
  if (server->error[0] == '\0') {
    snprintf(server->error, sizeof server->error, "cannot start: %s", jh_strerror(rc));
  }
  close_all(server);
  server->has_ended = true;
  return rc;
}

int jh_server_run(jh_server *server) {
  if (server->host_loop) {
    snprintf(server->error, sizeof server->error, "the server is attached to a loop: run that");
    return JH_EINVAL;
  }
  int rc = server->was_started ? 0 : jh_server_start(server);
  if (rc != 0 || !server->worker) return rc != 0 ? rc : JH_EINVAL;
  sigset_t before;
  jh_server_guard(&before);
  while (!server->has_ended) jh_server_turn(server, true);
  jh_server_unguard(&before);
  return server->worker->exit_code == 0 ? 0 : JH_EINVAL;
}
