/* relay_pipe.c: what follows a 101 through a proxy: bytes both ways, whatever they mean.
 *
 * The client's connection has become a channel, the upstream's link was taken off its pool; Lua has
 * nothing to do with either any more. Each side is read only while the other takes what was read;
 * the end of one side is passed on, and the pipe is over when both have ended or one broke. */
#include <errno.h>
#include <string.h>

#include "net/alarm.h"
#include "net/channel.h"
#include "net/link.h"
#include "net/relay.h"

enum { TURN_PIECES = 8 /* read of one side in one turn */ };

struct jh_relay_pipe {
  jh_loop *loop;
  jh_channel *channel;
  jh_link *link;
  jh_buf *up;            /* from the client, not yet taken by the link */
  bool has_client_ended; /* its end was read, */
  bool has_shut_link;    /* and passed on */
  bool has_link_ended;
  bool is_down_blocked; /* the client does not take more now */
  bool is_pumping;      /* up the stack, which will see for itself that a side is gone */
  jh_alarm *alarm;      /* others have their turn before it goes on */
};

void jh_relay_pipes_init(jh_relays *relays, size_t max_free) {
  jh_pool_init(&relays->pipes, sizeof(jh_relay_pipe), max_free);
}

void jh_relay_pipe_close(jh_relay_pipe *pipe) {
  jh_loop *loop = pipe->loop;
  jh_channel *channel = pipe->channel;
  if (pipe->up) jh_buf_release(&loop->bufs, pipe->up);
  if (pipe->alarm) jh_alarm_stop(pipe->alarm);
  jh_link_close(pipe->link);
  channel->pipe = NULL;
  jh_channel_close(channel);
  jh_pool_release(&loop->relays->pipes, pipe);
}

static void poll_link(jh_relay_pipe *pipe) {
  bool reads = !pipe->has_link_ended && !pipe->is_down_blocked;
  jh_link_poll(pipe->link, (reads ? UV_READABLE : 0) | (pipe->up ? UV_WRITABLE : 0));
}

/* ---- from the client ---- */

/* Keeps what the link did not take. */
static bool keep(jh_relay_pipe *pipe, const char *bytes, size_t len) {
  jh_buf_pool *bufs = &pipe->loop->bufs;
  jh_buf *buf = jh_buf_try_acquire(bufs);
  if (buf && buf->capacity < len) {
    jh_buf *grown = jh_buf_try_grow(bufs, buf, len);
    if (!grown) jh_buf_release(bufs, buf);
    buf = grown;
  }
  if (!buf) return false;
  memcpy(buf->data, bytes, len);
  buf->end = (uint32_t)len;
  pipe->up = buf;
  return true;
}

/* Bytes that the link took; negative when it broke. */
static ssize_t write_link(jh_relay_pipe *pipe, char *bytes, size_t len) {
  struct iovec part = {bytes, len};
  ssize_t count = jh_link_write(pipe->link, &part, 1);
  return count == -EAGAIN ? 0 : count;
}

/* True when nothing is left of what was kept; false also when the link broke, with *is_broken. */
static bool write_kept(jh_relay_pipe *pipe, bool *is_broken) {
  jh_buf *up = pipe->up;
  if (!up) return true;
  ssize_t count = write_link(pipe, up->data + up->start, jh_buf_len(up));
  *is_broken = count < 0;
  if (count < 0) return false;
  up->start += (uint32_t)count;
  if (jh_buf_len(up) > 0) return false;
  pipe->up = NULL;
  jh_buf_release(&pipe->loop->bufs, up);
  return true;
}

/* One piece. False when nothing more can be done now, with *is_broken when never again. */
static bool pass_up(jh_relay_pipe *pipe, bool *is_broken) {
  char *piece = pipe->loop->relays->request_piece;
  if (!write_kept(pipe, is_broken)) return false;
  if (pipe->has_client_ended) return false;
  ssize_t count = jh_channel_read(pipe->channel, piece, JH_RELAY_PIECE_BYTES, 1);
  if (count == JH_EWAIT || count == JH_EBUSY) return false;
  if (count == 0) pipe->has_client_ended = true;
  if (count < 0) *is_broken = true;
  if (count <= 0) return false;
  ssize_t taken = write_link(pipe, piece, (size_t)count);
  *is_broken = taken < 0;
  if (!*is_broken && taken < count) {
    *is_broken = !keep(pipe, piece + taken, (size_t)(count - taken));
    return false;
  }
  return !*is_broken;
}

static bool pump_up(jh_relay_pipe *pipe);

static void go_on(void *data) {
  jh_relay_pipe *pipe = data;
  pipe->alarm = NULL;
  pump_up(pipe);
}

/* As far as it goes in this turn. False when a side broke. */
static bool pass_pieces_up(jh_relay_pipe *pipe) {
  bool is_broken = false;
  pipe->is_pumping = true;
  int count = 0;
  while (count < TURN_PIECES && pass_up(pipe, &is_broken)) count++;
  pipe->is_pumping = false;
  if (count == TURN_PIECES) {
    pipe->alarm = jh_alarm_start(&pipe->loop->alarms, 0, go_on, pipe);
    is_broken = !pipe->alarm;
  }
  return !is_broken;
}

/* False when the pipe is closed. */
static bool pump_up(jh_relay_pipe *pipe) {
  if (pipe->alarm) return true;
  if (!pass_pieces_up(pipe)) {
    jh_relay_pipe_close(pipe);
    return false;
  }
  if (pipe->has_client_ended && !pipe->up && !pipe->has_shut_link) {
    pipe->has_shut_link = true;
    jh_link_shutdown(pipe->link);
  }
  if (pipe->has_shut_link && pipe->has_link_ended) {
    jh_relay_pipe_close(pipe);
    return false;
  }
  poll_link(pipe);
  return true;
}

/* ---- from the upstream ---- */

/* One piece. 0, JH_EWAIT when nothing more can be done now, or JH_ECLOSED when a side broke. */
static int pass_down(jh_relay_pipe *pipe) {
  char *piece = pipe->loop->relays->response_piece;
  ssize_t count = jh_link_read(pipe->link, piece, JH_RELAY_PIECE_BYTES);
  if (count == -EAGAIN) return JH_EWAIT;
  if (count < 0) return JH_ECLOSED;
  if (count == 0) {
    pipe->has_link_ended = true;
    jh_channel_shutdown(pipe->channel);
    return JH_EWAIT;
  }
  int error = jh_channel_write(pipe->channel, piece, (size_t)count, 1);
  pipe->is_down_blocked = error == JH_EWAIT;
  return error;
}

static void pump_down(jh_relay_pipe *pipe) {
  int error = pipe->is_down_blocked || pipe->has_link_ended ? JH_EWAIT : 0;
  pipe->is_pumping = true;
  for (int i = 0; i < TURN_PIECES && error == 0; i++) error = pass_down(pipe);
  pipe->is_pumping = false;
  bool is_broken = error != 0 && error != JH_EWAIT;
  if (is_broken || (pipe->has_link_ended && pipe->has_shut_link)) {
    jh_relay_pipe_close(pipe);
    return;
  }
  poll_link(pipe);
}

static void on_readable(jh_link *link) {
  pump_down(link->owner_data);
}

static void on_writable(jh_link *link) {
  pump_up(link->owner_data);
}

static const jh_link_owner owner = {.on_readable = on_readable, .on_writable = on_writable};

void jh_relay_pipe_on_channel(jh_relay_pipe *pipe, bool is_writer) {
  if (pipe->is_pumping) return;
  if (!pipe->channel->conn) {
    jh_relay_pipe_close(pipe);
  } else if (is_writer) {
    pipe->is_down_blocked = false;
    pump_down(pipe);
  } else {
    pump_up(pipe);
  }
}

/* ---- start ---- */

/* The 101, and what the upstream sent behind it. 0 or a negative code. */
static int queue_answer(jh_relay *relay, jh_str rest) {
  jh_conn *conn = relay->ctx->conn;
  jh_forward_response forward = jh_relay_describe(relay, 101);
  forward.is_keep_alive = true;
  size_t len;
  int error;
  jh_buf *buf = jh_relay_reserve_head(conn, &forward, rest.len, &len, &error);
  if (!buf) return error;
  buf->end += (uint32_t)len;
  if (!rest.len) return 0;
  memcpy(buf->data + buf->end, rest.ptr, rest.len);
  buf->end += (uint32_t)rest.len;
  return 0;
}

int jh_relay_open_tunnel(jh_relay *relay) {
  jh_ctx *ctx = relay->ctx;
  jh_conn *conn = ctx->conn;
  jh_loop *loop = relay->loop;
  jh_str rest;
  if (relay->state != JH_RELAY_AT_HEAD || !relay->response.is_tunnel) return JH_EINVAL;
  if (!conn) return JH_ECLOSED;
  if (!conn->protocol->is_exclusive) return JH_EUNSUPPORTED;
  jh_relay_pipe *pipe = jh_pool_try_acquire(&loop->relays->pipes);
  if (!pipe) return JH_ENOMEM;
  jh_link *link = jh_call_take_link(relay->call, &rest);
  int error = link ? queue_answer(relay, rest) : JH_ECLOSED;
  jh_channel *channel = NULL;
  if (!error) {
    jh_relay_free(relay);
    channel = jh_channel_open(conn, ctx);
    if (!channel) jh_conn_close(conn); /* its answer is queued: there is no other any more */
  }
  if (!channel) {
    if (link) jh_link_close(link);
    jh_pool_release(&loop->relays->pipes, pipe);
    return error ? error : JH_ECLOSED;
  }
  *pipe = (jh_relay_pipe){.loop = loop, .channel = channel, .link = link};
  channel->pipe = pipe;
  channel->tells_stop = false;
  jh_link_set_owner(link, &owner, pipe);
  if (pump_up(pipe)) pump_down(pipe);
  return 0;
}
