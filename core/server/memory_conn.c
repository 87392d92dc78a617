/* memory_conn.c: connections without a socket, for in-process requests (app:request).
 *
 * A transport whose input is a string and whose output is a growing buffer; everything between,
 * from parser to handlers, is what a real connection goes through. Declared in justhttp.h. An idle
 * handle reads the input when the connection asks to be told, one piece per loop turn. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/conn.h"
#include "server/worker.h"

struct jh_memory_conn {
  uv_idle_t idle;
  jh_generation *generation;
  jh_list node;  /* in generation->memory_conns until its owner closes it */
  jh_conn *conn; /* NULL once it closed */
  uint32_t wait_id;
  bool is_closed_by_owner;
  bool is_handle_closed;
  size_t input_at, input_len;
  char *output;
  size_t output_len, output_capacity;
  char input[];
};

static ssize_t memory_read(jh_conn *conn, char *out, size_t bytes) {
  jh_memory_conn *memory = conn->transport_data;
  size_t left = memory->input_len - memory->input_at;
  if (bytes > left) bytes = left;
  memcpy(out, memory->input + memory->input_at, bytes);
  memory->input_at += bytes;
  return (ssize_t)bytes;
}

static ssize_t memory_write(jh_conn *conn, const struct iovec *parts, int count) {
  jh_memory_conn *memory = conn->transport_data;
  size_t total = 0;
  for (int i = 0; i < count; i++) total += parts[i].iov_len;
  if (memory->output_len + total > memory->output_capacity) {
    size_t capacity = (memory->output_len + total) * 2;
    char *output = jh_try_realloc(memory->output, capacity);
    if (!output) return -ENOMEM;
    memory->output = output;
    memory->output_capacity = capacity;
  }
  for (int i = 0; i < count; i++) {
    memcpy(memory->output + memory->output_len, parts[i].iov_base, parts[i].iov_len);
    memory->output_len += parts[i].iov_len;
  }
  return (ssize_t)total;
}

static void on_idle(uv_idle_t *idle) {
  jh_memory_conn *memory = idle->data;
  if (memory->conn && (memory->conn->events & UV_WRITABLE)) jh_conn_flush(memory->conn);
  if (memory->conn && (memory->conn->events & UV_READABLE)) jh_conn_on_readable(memory->conn);
}

static int memory_poll(jh_conn *conn, int events) {
  jh_memory_conn *memory = conn->transport_data;
  return events ? uv_idle_start(&memory->idle, on_idle) : uv_idle_stop(&memory->idle);
}

static void memory_shutdown_write(jh_conn *conn) {
  (void)conn;
}

static void free_when_unused(jh_memory_conn *memory) {
  if (memory->conn || !memory->is_closed_by_owner || !memory->is_handle_closed) return;
  jh_free(memory->output);
  jh_free(memory);
}

static void on_idle_closed(uv_handle_t *handle) {
  jh_memory_conn *memory = handle->data;
  memory->is_handle_closed = true;
  free_when_unused(memory);
}

static bool memory_close(jh_conn *conn) {
  jh_memory_conn *memory = conn->transport_data;
  memory->conn = NULL;
  uv_close((uv_handle_t *)&memory->idle, on_idle_closed);
  if (!memory->is_closed_by_owner) jh_generation_post(memory->generation, memory->wait_id);
  return false;
}

static const jh_transport transport_memory = {
    .scheme = "http",
    .read = memory_read,
    .write = memory_write,
    .sendfile = jh_transport_copy_file,
    .poll = memory_poll,
    .shutdown_write = memory_shutdown_write,
    .close = memory_close,
};

jh_memory_conn *jh_memory_conn_open(jh_generation *generation, const char *bytes, size_t len,
                                    uint32_t wait_id) {
  jh_loop *loop = jh_generation_loop(generation);
  jh_memory_conn *memory = jh_try_calloc(1, sizeof *memory + len + 1);
  if (!memory) return NULL;
  memory->generation = generation;
  memory->wait_id = wait_id;
  memory->input_len = len;
  memcpy(memory->input, bytes, len);
  memory->conn = jh_conn_new(loop, &transport_memory, memory, -1);
  if (!memory->conn) {
    jh_free(memory);
    return NULL;
  }
  /* Its input always ends at once; the one who asked is still there. */
  memory->conn->allows_half_close = true;
  memory->conn->peer.has_ip = jh_ip_parse(JH_STR("127.0.0.1"), &memory->conn->peer.ip) == 0;
  uv_idle_init(&loop->uv, &memory->idle);
  memory->idle.data = memory;
  jh_list_init(&memory->node);
  jh_list_append(&generation->memory_conns, &memory->node);
  jh_conn_poll(memory->conn, UV_READABLE);
  return memory;
}

int jh_memory_conn_output(jh_memory_conn *memory, jh_str *out) {
  *out = (jh_str){memory->output, memory->output_len};
  return 0;
}

void jh_memory_conn_close(jh_memory_conn *memory) {
  memory->is_closed_by_owner = true;
  jh_list_remove(&memory->node);
  if (memory->conn) {
    jh_conn_close(memory->conn);
  } else {
    free_when_unused(memory);
  }
}

void jh_memory_conn_close_all(jh_generation *generation) {
  jh_list *handles = &generation->memory_conns;
  while (!jh_list_is_empty(handles)) {
    jh_memory_conn_close(JH_LIST_ENTRY(handles->next, jh_memory_conn, node));
  }
}
