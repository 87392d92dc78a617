/* loop.c: turns of a worker's loop, and the memory its connections share. */
#include "net/loop.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "net/conn_file.h"
#include "net/guest.h"
#include "net/http2_tunnel.h"
#include "net/hub.h"
#include "net/http2_stream.h"
#include "net/origin.h"
#include "net/tls_transport.h"
#include "net/relay.h"

enum {
  FREE_CONNS_MAX = 1024,       /* about 300 bytes each */
  FREE_BUFS_MAX = 256,         /* 16 KiB each */
  FREE_FILE_SENDS_MAX = 256,   /* 64 bytes each */
  FREE_STREAMS_MAX = 1024,     /* about 500 bytes each */
  FREE_ARENA_BLOCKS_MAX = 512, /* 4 KiB each */
  UNUSED_CONTEXTS_MAX = 16,
  UNUSED_FOUND_MAX = 256,
  LINGER_MS = 2000
};

static void on_timeout(jh_timeouts *timeouts, jh_timeout *timeout) {
  (void)timeouts;
  jh_conn *conn = JH_LIST_ENTRY(timeout, jh_conn, timeout);
  conn->protocol->time_out(conn);
}

static void on_file_timer(uv_timer_t *timer) {
  jh_loop *loop = timer->data;
  loop->files.now_ms = uv_now(&loop->uv);
  jh_file_cache_sweep(&loop->files);
}

int jh_loop_init(jh_loop *loop, const jh_loop_settings *settings, const jh_loop_hooks *hooks,
                 jh_log *log, void *data) {
  memset(loop, 0, sizeof *loop);
  loop->settings = *settings;
  loop->hooks = *hooks;
  loop->log = log;
  loop->data = data;
  jh_list_init(&loop->open_conns);
  jh_list_init(&loop->channels);
  jh_list_init(&loop->hidden_input);
  jh_websockets_init(&loop->websockets);
  loop->hub = jh_alloc(sizeof *loop->hub);
  jh_hub_init(loop->hub);
  int error = uv_loop_init(&loop->uv);
  if (error) return error;
  error = jh_timeouts_init(&loop->timeouts, &loop->uv, on_timeout);
  if (error) {
    uv_loop_close(&loop->uv);
    return error;
  }
  uint32_t *durations_ms = loop->timeouts.durations_ms;
  durations_ms[JH_TIMEOUT_KEEPALIVE] = settings->keepalive_timeout_ms;
  durations_ms[JH_TIMEOUT_HEADER] = settings->header_timeout_ms;
  durations_ms[JH_TIMEOUT_BODY] = settings->body_timeout_ms;
  durations_ms[JH_TIMEOUT_WRITE] = settings->write_timeout_ms;
  durations_ms[JH_TIMEOUT_LINGER] = LINGER_MS;
  durations_ms[JH_TIMEOUT_HANDSHAKE] = settings->tls_handshake_timeout_ms;
  jh_pool_init(&loop->conns, sizeof(jh_conn), FREE_CONNS_MAX);
  jh_pool_init(&loop->arena_blocks, JH_ARENA_BLOCK_BYTES, FREE_ARENA_BLOCKS_MAX);
  jh_buf_pool_init(&loop->bufs, FREE_BUFS_MAX);
  jh_pool_init(&loop->file_sends, sizeof(jh_file_send), FREE_FILE_SENDS_MAX);
  jh_pool_init(&loop->http2_streams, sizeof(jh_http2_stream), FREE_STREAMS_MAX);
  jh_http2_memory_init(&loop->http2_memory);
  jh_list_init(&loop->http2_readable);
  jh_file_cache_init(&loop->files);
  uv_timer_init(&loop->uv, &loop->file_timer);
  loop->file_timer.data = loop;
  jh_tls_cache_init(&loop->tls_contexts, UNUSED_CONTEXTS_MAX);
  jh_tls_cache_init(&loop->tls_found, UNUSED_FOUND_MAX);
  jh_alarms_init(&loop->alarms, &loop->uv);
  jh_resolver_init(&loop->resolver, &loop->uv);
  jh_links_init(&loop->links);
  loop->clients = jh_clients_new(loop);
  jh_fd_waits_init(&loop->fd_waits);
  jh_list_init(&loop->sockets);
  jh_list_init(&loop->resolves);
  jh_ctx_table_init(&loop->ctxs, settings->parse.max_header_count, &loop->arena_blocks);
  return 0;
}

static void free_closed(jh_loop *loop) {
  while (loop->first_closed) {
    jh_conn *conn = loop->first_closed;
    loop->first_closed = conn->next_pending;
    jh_conn_free(conn);
  }
}

void jh_loop_deinit(jh_loop *loop) {
  while (!jh_list_is_empty(&loop->open_conns)) {
    jh_conn_close(JH_LIST_ENTRY(loop->open_conns.next, jh_conn, node));
  }
  jh_clients_close(loop->clients);
  jh_links_close(&loop->links);
  jh_resolver_close(&loop->resolver);
  jh_loop_finish_turn(loop);
  jh_fd_waits_close(&loop->fd_waits);
  jh_alarms_close(&loop->alarms);
  jh_timeouts_close(&loop->timeouts);
  uv_close((uv_handle_t *)&loop->file_timer, NULL);
  uv_run(&loop->uv, UV_RUN_DEFAULT);
  int error = uv_loop_close(&loop->uv);
  JH_ASSERT(error == 0);
  (void)error;
  jh_clients_free(loop->clients);
  jh_tls_cache_deinit(&loop->tls_contexts);
  jh_tls_cache_deinit(&loop->tls_found);
  jh_fd_waits_deinit(&loop->fd_waits);
  jh_links_deinit(&loop->links);
  jh_resolver_deinit(&loop->resolver);
  jh_alarms_deinit(&loop->alarms);
  jh_tls_context_release(loop->server_tls);
  jh_websockets_deinit(&loop->websockets);
  jh_hub_deinit(loop->hub);
  jh_free(loop->hub);
  jh_ctx_table_deinit(&loop->ctxs);
  jh_relays_free(loop->relays);
  jh_file_cache_deinit(&loop->files);
  jh_pool_deinit(&loop->file_sends);
  jh_pool_deinit(&loop->http2_streams);
  jh_http2_memory_deinit(&loop->http2_memory);
  jh_buf_pool_deinit(&loop->bufs);
  jh_pool_deinit(&loop->arena_blocks);
  jh_pool_deinit(&loop->conns);
}

bool jh_loop_is_busy(const jh_loop *loop) {
  return jh_links_have_pending(&loop->links) || loop->clients->first_pending ||
         !jh_list_is_empty(&loop->hidden_input) || !jh_list_is_empty(&loop->http2_readable);
}

void jh_loop_run_once(jh_loop *loop, bool wait) {
  jh_file_cache_begin_turn(&loop->files, uv_now(&loop->uv));
  if (loop->files.file_count > 0 && !uv_is_active((uv_handle_t *)&loop->file_timer)) {
    uv_timer_start(&loop->file_timer, on_file_timer, JH_FILE_KEPT_MS, 0);
  }
  loop->turn++;
  bool may_block = wait && !jh_loop_is_busy(loop);
  if (!jh_list_is_empty(&loop->hidden_input)) jh_tls_transport_read_hidden(loop);
  if (!jh_list_is_empty(&loop->http2_readable)) jh_http2_tunnels_read(loop);
  uv_run(&loop->uv, may_block ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

/* A connection that was opened in this turn and is still in use waits with the others from now. */
static void look_after(jh_conn *conn) {
  jh_conn_flush(conn);
  if (conn->state == JH_CONN_CLOSED || conn->is_registered || conn->has_ended) return;
  jh_conn_poll(conn, conn->events | UV_READABLE);
}

void jh_loop_finish_turn(jh_loop *loop) {
  while (loop->first_pending) {
    jh_conn *conn = loop->first_pending;
    loop->first_pending = conn->next_pending;
    conn->is_pending = false;
    if (conn->state == JH_CONN_CLOSED) {
      if (!conn->is_registered || conn->is_handle_closed) jh_conn_free(conn);
    } else {
      look_after(conn);
    }
  }
  free_closed(loop);
  jh_links_finish_turn(loop);
  jh_clients_finish_turn(loop->clients);
}

void jh_loop_drain(jh_loop *loop) {
  loop->is_draining = true;
  jh_list *node = loop->open_conns.next;
  while (node != &loop->open_conns) {
    jh_conn *conn = JH_LIST_ENTRY(node, jh_conn, node);
    node = node->next;
    if (conn->state == JH_CONN_HTTP2) jh_http2_drain(conn);
    if (conn->guest && conn->guest->class->on_drain) conn->guest->class->on_drain(conn);
    if (conn->state != JH_CONN_IDLE || jh_conn_has_output(conn) || conn->in) continue;
    /* A request that has arrived already is still served. */
    jh_conn_on_readable(conn);
    if (conn->state == JH_CONN_IDLE && !jh_conn_has_output(conn)) jh_conn_close(conn);
  }
}

jh_resolver *jh_loop_resolver(jh_loop *loop) {
  return &loop->resolver;
}

void jh_loop_refresh_head_lines(jh_loop *loop) {
  int64_t unix_ms = jh_clock_unix_ms();
  jh_date date = {0};
  jh_date_update(&date, unix_ms / 1000);
  loop->head_until_ms = uv_now(&loop->uv) + (uint64_t)(1000 - unix_ms % 1000);
  jh_str server = loop->settings.server_header;
  int server_bytes = 0;
  if (server.len) {
    server_bytes = snprintf(loop->head_lines, sizeof loop->head_lines, "Server: %.*s\r\n",
                            (int)(server.len > 255 ? 255 : server.len), server.ptr);
  }
  int date_bytes =
      snprintf(loop->head_lines + server_bytes, sizeof loop->head_lines - (size_t)server_bytes,
               "Date: %s\r\n", date.text);
  loop->server_line_bytes = (uint32_t)server_bytes;
  loop->date_line_bytes = (uint32_t)date_bytes;
}
