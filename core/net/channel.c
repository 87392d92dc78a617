/* channel.c: reading and writing without HTTP. */
#include "net/channel.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "net/relay.h"

enum { QUEUE_HIGH_BYTES = 65536 /* more than this queued: the writer waits */ };

static const jh_guest_class channel_class;

static jh_channel *channel_of(jh_conn *conn) {
  return JH_LIST_ENTRY(conn->guest, jh_channel, guest);
}

jh_channel *jh_channel_open(jh_conn *conn, jh_ctx *ctx) {
  jh_channel *channel = jh_try_calloc(1, sizeof *channel);
  if (!channel) return NULL;
  channel->guest.class = &channel_class;
  channel->conn = conn;
  channel->loop = conn->loop;
  channel->generation = ctx->generation;
  channel->tells_stop = conn->loop->is_draining;
  jh_list_init(&channel->node);
  jh_list_append(&conn->loop->channels, &channel->node);
  conn->guest = &channel->guest;
  conn->state = JH_CONN_HIJACKED;
  conn->ctx = NULL;
  jh_timeout_clear(&conn->timeout);
  ctx->is_held_by_lua = false;
  jh_ctx_put_back(&conn->loop->ctxs, ctx);
  jh_conn_flush(conn);
  return channel;
}

static void wake_reader(jh_channel *channel) {
  if (!channel->read_wait_id) return;
  channel->loop->hooks.on_channel(channel->loop, channel, false);
}

static void wake_writer(jh_channel *channel) {
  if (!channel->write_wait_id) return;
  channel->loop->hooks.on_channel(channel->loop, channel, true);
}

/* A queued event still points into the channel. */
static void free_when_unused(jh_channel *channel) {
  if (!channel->is_closed) return;
  if (channel->read_node.is_queued || channel->write_node.is_queued) return;
  jh_free(channel);
}

void jh_channel_on_event_taken(jh_channel *channel) {
  free_when_unused(channel);
}

/* The connection can be read. */
static void on_readable(jh_conn *conn) {
  jh_channel *channel = channel_of(conn);
  if (channel->read_wait_id) {
    wake_reader(channel);
  } else {
    jh_conn_poll(conn, conn->events & ~UV_READABLE);
  }
}

/* Everything queued was written. */
static void on_written(jh_conn *conn) {
  jh_channel *channel = channel_of(conn);
  if (channel->shuts_after_write) {
    channel->shuts_after_write = false;
    conn->transport->shutdown_write(conn);
  }
  jh_conn_poll(conn, conn->events & ~UV_WRITABLE);
  wake_writer(channel);
}

/* The connection closes; whoever waits is told. */
static void on_close(jh_conn *conn) {
  jh_channel *channel = channel_of(conn);
  channel->conn = NULL;
  if (channel->pipe) {
    jh_relay_pipe_on_channel(channel->pipe, false);
    return;
  }
  wake_reader(channel);
  wake_writer(channel);
}

/* Only reads end, so that handlers can still say goodbye; a read after that waits as ever, for
 * those whose protocol has an answer to it. */
static void on_drain(jh_conn *conn) {
  jh_channel *channel = channel_of(conn);
  if (channel->pipe) return; /* what it carries may have a goodbye of its own */
  channel->tells_stop = true;
  wake_reader(channel);
}

static const jh_guest_class channel_class = {.on_readable = on_readable,
                                             .on_written = on_written,
                                             .on_drain = on_drain,
                                             .on_close = on_close};

/* What was received behind the request. */
static ssize_t read_buffered(jh_conn *conn, char *out, size_t bytes) {
  jh_buf *buf = conn->in;
  size_t count = jh_buf_len(buf);
  if (count > bytes) count = bytes;
  memcpy(out, buf->data + buf->start, count);
  buf->start += (uint32_t)count;
  if (jh_buf_len(buf) == 0) {
    jh_buf_release(&conn->loop->bufs, buf);
    conn->in = NULL;
  }
  return (ssize_t)count;
}

ssize_t jh_channel_read(jh_channel *channel, char *out, size_t bytes, uint32_t wait_id) {
  jh_conn *conn = channel->conn;
  if (bytes == 0) return JH_EINVAL;
  if (conn && conn->in && jh_buf_len(conn->in)) return read_buffered(conn, out, bytes);
  if (channel->has_ended) return 0;
  if (!conn) return JH_ECLOSED;
  if (channel->read_wait_id) return JH_EBUSY;
  ssize_t count = conn->has_ended ? 0 : conn->transport->read(conn, out, bytes);
  if (count > 0) return count;
  if (count == 0) {
    channel->has_ended = conn->has_ended = true;
    jh_conn_poll(conn, conn->events & ~UV_READABLE);
    return 0;
  }
  if (count != -EAGAIN) {
    jh_conn_close(conn);
    return JH_ECLOSED;
  }
  if (channel->tells_stop) {
    channel->tells_stop = false;
    return JH_ESTOPPING;
  }
  channel->read_wait_id = wait_id;
  jh_conn_poll(conn, conn->events | UV_READABLE);
  return JH_EWAIT;
}

int jh_channel_write(jh_channel *channel, const char *bytes, size_t len, uint32_t wait_id) {
  jh_conn *conn = channel->conn;
  if (!conn || channel->shuts_after_write) return JH_ECLOSED;
  if (channel->write_wait_id) return JH_EBUSY;
  int error = jh_conn_write_out(conn, (jh_str){bytes, len});
  if (error) return JH_ECLOSED;
  if (!conn->out_first) return 0;
  jh_conn_poll(conn, conn->events | UV_WRITABLE);
  if (jh_conn_queued_bytes(conn) <= QUEUE_HIGH_BYTES) return 0;
  channel->write_wait_id = wait_id;
  return JH_EWAIT;
}

void jh_channel_forget(jh_channel *channel, uint32_t wait_id) {
  if (channel->read_wait_id == wait_id) channel->read_wait_id = 0;
  if (channel->write_wait_id == wait_id) channel->write_wait_id = 0;
}

void jh_channel_shutdown(jh_channel *channel) {
  jh_conn *conn = channel->conn;
  if (!conn) return;
  if (conn->out_first) {
    channel->shuts_after_write = true;
  } else {
    conn->transport->shutdown_write(conn);
  }
}

void jh_channel_close(jh_channel *channel) {
  jh_conn *conn = channel->conn;
  if (conn) {
    conn->guest = NULL;
    conn->closes_after_write = true;
    conn->lingers = !channel->has_ended;
    conn->state = JH_CONN_IDLE;
    jh_conn_flush(conn);
  }
  channel->conn = NULL;
  channel->is_closed = true;
  jh_list_remove(&channel->node);
  free_when_unused(channel);
}

void jh_channel_close_all(jh_loop *loop, const jh_generation *generation) {
  jh_list *node = loop->channels.next;
  while (node != &loop->channels) {
    jh_channel *channel = JH_LIST_ENTRY(node, jh_channel, node);
    node = node->next;
    if (channel->generation != generation) continue;
    if (channel->pipe) {
      jh_relay_pipe_close(channel->pipe);
    } else {
      jh_channel_close(channel);
    }
  }
}
