/* conn_file.c: answers whose body is a file.
 *
 * A small file is in memory and is copied behind its head, like any small answer. Others leave by
 * sendfile(2), from the one descriptor that their length was taken from. The promise made by the
 * head is kept or the connection is cut: before each piece the file is looked at, and when it was
 * changed or cut short since then no further byte is sent, so that no client takes a mixture of two
 * states for a file. (What the kernel has already been given, it may still send as it is then.)
 *
 * The ctx is back in its pool as soon as the head is queued: a slow download holds its connection,
 * a jh_file_send and the descriptor, which it shares with everybody who gets the same file. */
#include "net/conn_file.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "http/method.h"

enum {
  COPY_MAX_BYTES = 8192, /* bodies up to this are copied behind their head */
  TURN_BYTES = 4 << 20,  /* sent to one client before the others have their turn */
  PARTS_MAX = 16         /* buffers written in front of a piece */
};

void jh_conn_drop_file(jh_conn *conn) {
  jh_file_send *send = conn->file;
  if (!send) return;
  conn->file = NULL;
  jh_file_release(send->file);
  jh_free(send->multipart);
  jh_pool_release(&conn->loop->file_sends, send);
}

/* ---- the way out ---- */

int jh_conn_queue_next_range(jh_conn *conn, jh_file_send *send) {
  char text[JH_RANGE_PART_BYTES_MAX];
  const jh_file_answer *answer = send->multipart;
  jh_range_parts parts = jh_file_answer_parts(answer);
  uint32_t index = send->next_range++;
  if (index == answer->set.count) {
    send->has_ended = true;
    int len = jh_range_write_end(&parts, text);
    return jh_conn_append(conn, text, (size_t)len);
  }
  int len = jh_range_write_part(&parts, &answer->set, index, text);
  int error = jh_conn_append(conn, text, (size_t)len);
  if (error) return error;
  const jh_range *range = &answer->set.ranges[index];
  if (send->file->bytes) {
    return jh_conn_append(conn, send->file->bytes + range->first, (size_t)range->len);
  }
  send->offset = range->first;
  send->left = range->len;
  return 0;
}

/* One piece with the queue in front of it. Its bytes that were taken, or a negative code;
 * *is_blocked when the kernel takes nothing now. A short count is no reason to wait: the reader
 * goes on meanwhile, and each wake-up costs more than a call in vain. */
static ssize_t send_piece(jh_conn *conn, const jh_file_send *send, size_t piece, bool *is_blocked) {
  struct iovec parts[PARTS_MAX];
  size_t queued = 0;
  int count = jh_conn_gather(conn, parts, PARTS_MAX, &queued);
  if (queued < jh_conn_queued_bytes(conn)) {
    if (jh_conn_write_out(conn, (jh_str){"", 0}) < 0) return JH_ECLOSED;
    *is_blocked = conn->out_first != NULL;
    return 0;
  }
  if (!jh_file_is_unchanged(send->file)) return JH_ESTALE;
  ssize_t written = conn->transport->sendfile(conn, parts, count, send->file->fd,
                                              (off_t)(send->file->offset + send->offset), piece);
  *is_blocked = written == -EAGAIN;
  if (written < 0) return *is_blocked ? 0 : written;
  return (ssize_t)jh_conn_consume(conn, (size_t)written);
}

/* Sends the current range. True when it is sent. */
static bool send_range(jh_conn *conn, jh_file_send *send, size_t *turn_bytes) {
  while (send->left > 0) {
    bool is_blocked = false;
    size_t piece = TURN_BYTES - *turn_bytes;
    if (piece == 0) return false;
    if (piece > send->left) piece = (size_t)send->left;
    ssize_t taken = send_piece(conn, send, piece, &is_blocked);
    if (taken < 0) {
      jh_conn_close(conn);
      return false;
    }
    send->offset += (uint64_t)taken;
    send->left -= (uint64_t)taken;
    *turn_bytes += (size_t)taken;
    if (is_blocked) return false;
  }
  return true;
}

bool jh_conn_write_file(jh_conn *conn) {
  jh_file_send *send = conn->file;
  size_t turn_bytes = 0;
  for (;;) {
    if (!send_range(conn, send, &turn_bytes)) return conn->state == JH_CONN_CLOSED;
    if (!send->multipart || send->has_ended) break;
    if (jh_conn_queue_next_range(conn, send) < 0) {
      jh_conn_close(conn);
      return true;
    }
  }
  jh_conn_drop_file(conn);
  return jh_conn_write_out(conn, (jh_str){"", 0}) < 0 || !conn->out_first;
}

/* ---- the answer ---- */

bool jh_conn_begin_file(jh_conn *conn, const jh_file_answer *answer) {
  jh_file_send *send = jh_pool_try_acquire(&conn->loop->file_sends);
  if (!send) return false;
  const jh_range *range = &answer->set.ranges[0];
  bool is_whole = answer->status != 206;
  *send = (jh_file_send){.file = answer->file,
                         .offset = is_whole ? 0 : range->first,
                         .left = is_whole ? (uint64_t)answer->file->stamp.size : range->len};
  if (!is_whole && answer->set.count > 1) {
    send->left = 0;
    send->multipart = jh_try_alloc(sizeof *answer);
    if (!send->multipart) {
      jh_pool_release(&conn->loop->file_sends, send);
      return false;
    }
    *send->multipart = *answer;
  }
  jh_file_acquire(answer->file);
  conn->file = send;
  return true;
}

jh_str jh_conn_file_in_memory(const jh_file_answer *answer) {
  const jh_file *file = answer->file;
  if (!file->bytes) return (jh_str){NULL, 0};
  if (answer->status != 206) return (jh_str){file->bytes, (size_t)file->stamp.size};
  if (answer->set.count > 1) return (jh_str){NULL, 0};
  const jh_range *range = &answer->set.ranges[0];
  return (jh_str){file->bytes + range->first, (size_t)range->len};
}

int jh_conn_respond_file(jh_conn *conn, jh_ctx *ctx, int status) {
  const jh_file_answer *answer = ctx->file_answer;
  if (answer->status == 200 && jh_status_has_no_body(status)) return JH_EINVAL;
  bool is_304 = answer->status == 304;
  bool is_keep_alive = jh_conn_stays_open(conn, ctx, false);
  jh_response_head head = {
      .status = answer->status == 200 ? status : answer->status,
      .is_http10 = ctx->request.http_minor == 0,
      .is_keep_alive = is_keep_alive,
      .has_length = !is_304,
      .body_bytes = is_304 ? 0 : jh_file_answer_body_bytes(answer),
      .field_lines = jh_file_answer_fields(ctx, answer),
  };
  if (!head.field_lines.ptr) return JH_ENOMEM;
  jh_loop_head_lines(conn->loop, &head.server_line, &head.date_line);
  bool has_body = !is_304 && head.body_bytes > 0 && ctx->request.method != JH_METHOD_HEAD;
  jh_str body = has_body ? jh_conn_file_in_memory(answer) : (jh_str){NULL, 0};
  bool is_copied = body.len <= COPY_MAX_BYTES;
  if (has_body && !body.ptr && !jh_conn_begin_file(conn, answer)) return JH_ENOMEM;
  int error = jh_conn_append_response(conn, ctx, &head, is_copied ? body : (jh_str){NULL, 0});
  if (error) {
    jh_conn_drop_file(conn);
    return error;
  }
  /* The ctx, and its hold on the file, are gone before the bytes are written. */
  jh_file *file = is_copied ? NULL : jh_file_acquire(answer->file);
  jh_conn_end_exchange(conn, ctx, is_keep_alive);
  if (file) {
    error = jh_conn_write_out(conn, body);
    jh_file_release(file);
  }
  if (error == 0) jh_conn_after_answer(conn);
  return 0;
}
