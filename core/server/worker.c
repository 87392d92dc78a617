/* worker.c: the turn of a worker, and the life of a worker process.
 *
 * A worker starts by letting Lua load the app; when that calls jh_generation_ready() the listeners
 * start and the supervisor is told. SIGTERM drains: no new connections, running requests finish,
 * then Lua runs its stop hooks and calls jh_generation_end(). */
#include "server/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "net/conn.h"
#include "server/dispatch.h"
#include "server/hub_sockets.h"
#include "server/peer_options.h"
#include "server/run_files.h"
#include "server/tls_setup.h"
#include "server/worker_guard.h"

enum { FREE_CODERS_MAX = 16 /* of each content coding; about 256 KiB each */ };

/* Streams that wait for their bodies, beside those with a handler. */
static uint32_t max_streams(const jh_options *options) {
  uint64_t streams = (uint64_t)options->concurrency * 2 + options->max_streams_per_connection;
  return streams < UINT32_MAX ? (uint32_t)streams : UINT32_MAX;
}

static jh_loop_settings loop_settings(const jh_options *options, const jh_peer_settings *peers) {
  return (jh_loop_settings){
      .peers = *peers,
      .parse = {.max_header_bytes = (uint32_t)options->max_header_bytes,
                .max_header_count = options->max_header_count,
                .max_target_bytes = (uint32_t)options->max_target_bytes,
                .max_body_bytes = UINT64_MAX},
      .max_body_bytes = options->max_body_bytes,
      .body_buffer_bytes = options->body_buffer_bytes,
      .max_requests_per_connection = options->max_requests_per_connection,
      .max_connections = options->max_connections,
      .min_body_bytes_per_s = options->min_body_bytes_per_s,
      .header_timeout_ms = options->header_timeout_ms,
      .body_timeout_ms = options->body_timeout_ms,
      .write_timeout_ms = options->write_timeout_ms,
      .keepalive_timeout_ms = options->keepalive_timeout_ms,
      .max_streams_per_connection = options->max_streams_per_connection,
      .max_streams = max_streams(options),
      .speaks_http2 = options->http2,
      .speaks_h2c = options->http2 && options->h2c,
      .tls_handshake_timeout_ms = options->tls_handshake_timeout_ms,
      .spares_memory = options->reduce_memory,
      .allows_half_close = options->allow_half_close,
      .server_header = {options->server_header, strlen(options->server_header)},
  };
}

/* "-" is `standard_fd`, "" is none. */
static int open_log(const char *path, int standard_fd) {
  if (path[0] == '\0') return -1;
  if (strcmp(path, "-") == 0) return standard_fd;
  return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

/* The predecessor of this worker may have died with connections counted. */
static void read_peers(jh_worker *worker, const jh_worker_config *config) {
  jh_peer_options_read(worker->options, &worker->peers);
  if (config && config->ip_table) {
    worker->peers.table = config->ip_table;
    worker->peers.slot = (uint32_t)config->slot;
    jh_ip_table_clear(config->ip_table, worker->peers.slot);
  }
}

int jh_worker_init(jh_worker *worker, const jh_options *options, const jh_worker_config *config) {
  memset(worker, 0, sizeof *worker);
  worker->options = options;
  worker->config = config;
  worker->heartbeat = config && config->heartbeat ? config->heartbeat : &worker->own_heartbeat;
  int error_fd = open_log(options->error_log, STDERR_FILENO);
  jh_log_init(&worker->log, error_fd < 0 ? STDERR_FILENO : error_fd, options->log_level,
              options->log_format == 1);
  jh_access_log_init(&worker->access_log, open_log(options->access_log, STDOUT_FILENO));
  read_peers(worker, config);
  jh_loop_settings settings = loop_settings(options, &worker->peers);
  int error = jh_loop_init(&worker->loop, &settings, &jh_dispatch_hooks, &worker->log, worker);
  if (error) return error;
  if (config) {
    worker->loop.server_tls = jh_tls_context_acquire(config->tls_context);
    worker->tls_version = config->tls_version;
  }
  worker->loop.resolver.ttl_ms = options->resolve_ttl_ms;
  jh_timer_table_init(&worker->timers, &worker->loop.uv);
  jh_coding_pool_init(&worker->codings, FREE_CODERS_MAX);
  jh_offloads_init(&worker->offloads, &worker->loop.uv, &worker->loop.alarms);
  worker->generation = jh_generation_new(worker, 1);
  if (config) worker->generation->bundle = config->bundle;
  return 0;
}

static void stop_listeners(jh_worker *worker) {
  for (size_t i = 0; i < worker->listener_count; i++) jh_listener_stop(&worker->listeners[i]);
  worker->listener_count = 0;
}

static void close_log(int fd) {
  if (fd > STDERR_FILENO) close(fd);
}

void jh_worker_deinit(jh_worker *worker) {
  /* Lua goes first: it may hold memory connections and contexts, which its end lets go. */
  jh_generation_close_vm(worker->generation);
  jh_budget_free(worker->budget);
  stop_listeners(worker);
  jh_timer_table_close(&worker->timers);
  while (!jh_list_is_empty(&worker->loop.open_conns)) {
    jh_conn_close(JH_LIST_ENTRY(worker->loop.open_conns.next, jh_conn, node));
  }
  for (uint32_t i = 0; i < worker->loop.ctxs.count; i++) {
    jh_ctx *ctx = worker->loop.ctxs.slots[i];
    if (ctx->is_held_by_lua) jh_generation_put_back(worker->generation, ctx);
  }
  jh_generation_free(worker->generation);
  jh_hub_peers_close(worker->hub_peers);
  jh_loop_deinit(&worker->loop);
  jh_hub_peers_free(worker->hub_peers);
  jh_timer_table_deinit(&worker->timers);
  jh_offloads_deinit(&worker->offloads);
  jh_coding_pool_deinit(&worker->codings);
  jh_access_log_deinit(&worker->access_log);
  close_log(worker->access_log.fd);
  close_log(worker->log.fd);
  jh_free(worker->listeners);
  jh_free((void *)(uintptr_t)worker->peers.trusted);
  if (worker->own_options) jh_options_free(worker->own_options);
}

/* Nothing runs any more: lets Lua run its stop hooks. */
static void announce_drained(jh_worker *worker) {
  if (!worker->is_draining || worker->has_drained) return;
  if (worker->loop.conn_count > 0 || worker->generation->in_flight > 0) return;
  worker->has_drained = true;
  worker->drain_node.owner = JH_EVENT_OF_CTX;
  worker->drain_node.event = (jh_event){.kind = JH_EVENT_DRAIN};
  jh_event_queue_push(&worker->generation->ready, &worker->drain_node);
}

void jh_worker_turn(jh_worker *worker, bool wait) {
  jh_generation *generation = worker->generation;
  jh_loop_run_once(&worker->loop, wait && !jh_generation_has_events(generation));
  worker->heartbeat->turn_count++;
  worker->heartbeat->turn_at_ms = uv_now(&worker->loop.uv);
  if (generation->vm && jh_generation_has_events(generation) && jh_vm_drain(generation->vm) < 0) {
    jh_generation_end(generation, 1);
  }
  if (worker->access_log.len) jh_access_log_flush(&worker->access_log);
  jh_loop_finish_turn(&worker->loop);
  announce_drained(worker);
}

static void on_drain_timeout(uv_timer_t *timer) {
  jh_worker *worker = timer->data;
  jh_log_printf(&worker->log, JH_LOG_WARN,
                "shutdown_timeout_ms (%u) passed: ending %u requests and %u connections",
                worker->options->shutdown_timeout_ms, worker->generation->in_flight,
                worker->loop.conn_count);
  jh_generation_end(worker->generation, 0);
  uv_stop(timer->loop);
}

void jh_worker_drain(jh_worker *worker) {
  if (worker->is_draining) return;
  worker->is_draining = true;
  for (size_t i = 0; i < worker->listener_count; i++) jh_listener_drain(&worker->listeners[i]);
  worker->listener_count = 0;
  jh_loop_drain(&worker->loop);
  uv_timer_start(&worker->drain_timer, on_drain_timeout, worker->options->shutdown_timeout_ms, 0);
}

static void on_drain_signal(uv_signal_t *handle, int number) {
  (void)number;
  jh_worker_drain(handle->data);
}

/* The supervisor has read certificates again. Connections go on with those they began with. */
static void refresh_tls(jh_worker *worker) {
  char error[JH_TLS_REASON_BYTES];
  const jh_worker_config *config = worker->config;
  if (!config->tls_shared) return;
  jh_tls_context *fresh = jh_tls_setup_refresh(config->tls_shared, worker->options,
                                               &worker->tls_version, error, sizeof error);
  if (error[0]) jh_log_printf(&worker->log, JH_LOG_ERROR, "certificates not taken: %s", error);
  if (!fresh) return;
  jh_tls_context_release(worker->loop.server_tls);
  worker->loop.server_tls = fresh;
  jh_tls_cache_clear(&worker->loop.tls_found);
}

static void on_refresh_signal(uv_signal_t *handle, int number) {
  (void)number;
  refresh_tls(handle->data);
}

static void reopen_log(jh_worker *worker, const char *path, int fd) {
  int rc = jh_run_files_reopen_log(path, fd);
  if (rc < 0)
    jh_log_printf(&worker->log, JH_LOG_ERROR, "cannot open the log %s again: %s", path,
                  strerror(-rc));
}

/* Somebody has moved the log files away. */
static void on_reopen_signal(uv_signal_t *handle, int number) {
  jh_worker *worker = handle->data;
  (void)number;
  jh_access_log_flush(&worker->access_log);
  reopen_log(worker, worker->options->error_log, worker->log.fd);
  reopen_log(worker, worker->options->access_log, worker->access_log.fd);
}

static void on_stop_signal(uv_signal_t *handle, int number) {
  (void)number;
  jh_worker *worker = handle->data;
  jh_generation_end(worker->generation, 0);
}

/* `check` and `routes` only load the app: nothing is there to be drained, so signals end them as
 * they end any program. */
static bool is_serving(const jh_worker *worker) {
  return strcmp(worker->config->command, "run") == 0;
}

static void start_signals(jh_worker *worker) {
  uv_loop_t *uv = &worker->loop.uv;
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a file above the limit fails its request, not the worker */
  if (!is_serving(worker)) return;
  signal(SIGINT, SIG_IGN);
  uv_signal_init(uv, &worker->drain_signal);
  uv_signal_init(uv, &worker->stop_signal);
  uv_signal_init(uv, &worker->refresh_signal);
  uv_signal_init(uv, &worker->reopen_signal);
  uv_timer_init(uv, &worker->drain_timer);
  jh_worker_guard_start_turning(worker);
  worker->refresh_signal.data = worker->reopen_signal.data = worker;
  worker->drain_signal.data = worker->stop_signal.data = worker->drain_timer.data = worker;
  uv_signal_start(&worker->drain_signal, on_drain_signal, SIGTERM);
  uv_signal_start(&worker->stop_signal, on_stop_signal, SIGQUIT);
  uv_signal_start(&worker->reopen_signal, on_reopen_signal, SIGUSR1);
  /* Blocked since before the fork: one that came in between is taken now. */
  sigset_t reopen;
  sigemptyset(&reopen);
  sigaddset(&reopen, SIGUSR1);
  sigprocmask(SIG_UNBLOCK, &reopen, NULL);
  if (worker->config->tls_shared) {
    uv_signal_start(&worker->refresh_signal, on_refresh_signal, SIGHUP);
    refresh_tls(worker); /* what came between the fork and now */
  }
}

static void close_signals(jh_worker *worker) {
  if (!is_serving(worker)) return;
  uv_close((uv_handle_t *)&worker->drain_signal, NULL);
  uv_close((uv_handle_t *)&worker->stop_signal, NULL);
  uv_close((uv_handle_t *)&worker->refresh_signal, NULL);
  uv_close((uv_handle_t *)&worker->reopen_signal, NULL);
  signal(SIGUSR1, SIG_IGN);
  uv_close((uv_handle_t *)&worker->drain_timer, NULL);
  uv_close((uv_handle_t *)&worker->turn_timer, NULL);
}

bool jh_generation_is_stopping(const jh_generation *generation) {
  return generation->worker->is_draining;
}

/* A listener speaks TLS, and there is nothing to speak it with. */
static bool lacks_certificate(const jh_worker *worker) {
  const jh_worker_config *config = worker->config;
  if (!config->tls_shared || worker->loop.looks_up_certificates) return false;
  if (jh_tls_context_has_certificate(worker->loop.server_tls)) return false;
  for (size_t i = 0; i < config->listener_count; i++) {
    if (!config->listeners[i].is_tls) continue;
    fprintf(stderr,
            "justhttp: %s has no certificate; give --tls-cert and --tls-key, --tls=self, or "
            "app:tls_certificate()\n",
            config->listeners[i].url);
    return true;
  }
  return false;
}

int jh_generation_ready(jh_generation *generation, uint32_t route_count) {
  jh_worker *worker = generation->worker;
  const jh_worker_config *config = worker->config;
  worker->is_ready = true;
  if (!config || worker->is_draining) return 0;
  if (lacks_certificate(worker)) {
    jh_generation_end(generation, 1);
    return JH_EINVAL;
  }
  worker->listeners = jh_alloc((config->listener_count + 1) * sizeof *worker->listeners);
  for (size_t i = 0; i < config->listener_count; i++) {
    const jh_listener_socket *socket = &config->listeners[i];
    int error = jh_listener_start(&worker->listeners[i], &worker->loop, socket->fd, socket->is_tls);
    if (error) {
      jh_log_printf(&worker->log, JH_LOG_ERROR, "cannot listen on %s: %s", socket->url,
                    jh_strerror(error));
      jh_generation_end(generation, 1);
      return error;
    }
    worker->listener_count = i + 1;
  }
  if (config->ready_fd >= 0) {
    char line[32];
    int len = snprintf(line, sizeof line, "ready %u\n", route_count);
    ssize_t written = write(config->ready_fd, line, (size_t)len);
    (void)written;
    close(config->ready_fd);
  }
  return 0;
}

/* Without listeners and signals an app may wait while it loads for what cannot come. */
static bool waits_for_nothing(jh_worker *worker) {
  return !is_serving(worker) && !worker->has_ended && !uv_loop_alive(&worker->loop.uv) &&
         !jh_generation_has_events(worker->generation);
}

void jh_generation_end(jh_generation *generation, int exit_code) {
  jh_worker *worker = generation->worker;
  if (worker->has_ended) return;
  worker->has_ended = true;
  worker->exit_code = exit_code;
}

/* Work in the pool cannot be interrupted: a job that computes for minutes, a name server that does
 * not answer. Then the process ends without waiting for it. */
static void end_beside_threads(jh_worker *worker, int exit_code) {
  if (worker->offloads.running_count == 0 && worker->loop.resolver.running_count == 0) return;
  jh_generation_close_vm(worker->generation);
  fflush(NULL);
  _exit(exit_code);
}

int jh_worker_main(const jh_worker_config *config) {
  jh_worker *worker = jh_alloc(sizeof *worker);
  int error = jh_worker_init(worker, config->options, config);
  if (error) {
    fprintf(stderr, "justhttp: cannot start a worker: %s\n", jh_strerror(error));
    jh_free(worker);
    return 1;
  }
  /* What an app prints must not wait in a buffer of a process that serves for weeks. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  start_signals(worker);
  if (config->hub && is_serving(worker)) {
    worker->hub_peers = jh_hub_peers_try_open(&worker->loop, config->hub, (uint32_t)config->slot);
  }
  jh_worker_guard_start_budget(worker);
  int exit_code = 1;
  worker->generation->vm = jh_vm_new(worker->generation, &worker->log);
  if (worker->generation->vm) {
    if (worker->budget) jh_budget_watch(worker->budget, worker->generation->vm);
    /* The first drain starts the task that loads the app. */
    if (jh_vm_drain(worker->generation->vm) < 0) jh_generation_end(worker->generation, 1);
    while (!worker->has_ended) {
      jh_worker_turn(worker, true);
      if (!waits_for_nothing(worker)) continue;
      fputs("justhttp: the app waits while it loads, and nothing will end that\n", stderr);
      jh_generation_end(worker->generation, 1);
    }
    exit_code = worker->exit_code;
  }
  jh_access_log_flush(&worker->access_log);
  end_beside_threads(worker, exit_code);
  close_signals(worker);
  jh_worker_deinit(worker);
  jh_free(worker);
  return exit_code;
}

jh_generation *jh_standalone_open(void) {
  jh_options *options = jh_options_new();
  jh_worker *worker = jh_alloc(sizeof *worker);
  if (jh_worker_init(worker, options, NULL) < 0) {
    jh_options_free(options);
    jh_free(worker);
    return NULL;
  }
  worker->own_options = options;
  return worker->generation;
}

int jh_standalone_turn(jh_generation *generation, bool wait) {
  jh_worker_turn(generation->worker, wait);
  return 0;
}

void jh_standalone_close(jh_generation *generation) {
  jh_worker *worker = generation->worker;
  jh_worker_deinit(worker);
  jh_free(worker);
}
