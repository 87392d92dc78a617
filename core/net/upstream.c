/* upstream.c: keeps the strings that the rules of an upstream point into. */
#include "net/upstream.h"

#include <string.h>

#include "base/alloc.h"

/* Copies a string to *text, which moves on. */
static jh_str keep(char **text, const char *ptr, size_t len) {
  jh_str kept = {*text, len};
  if (len) memcpy(*text, ptr, len);
  *text += len;
  return kept;
}

static uint32_t count_names(const char *names, size_t len) {
  uint32_t count = 0;
  for (size_t i = 0; i < len; i++) count += names[i] == '\n';
  return count;
}

/* `list` is names with a newline behind each. */
static void add_names(jh_name_set *set, jh_str *names, uint32_t room, jh_str list) {
  while (list.len) {
    const char *end = memchr(list.ptr, '\n', list.len);
    if (!end) return;
    size_t len = (size_t)(end - list.ptr);
    if (len) jh_name_set_add(set, names, room, (jh_str){list.ptr, len});
    list.ptr += len + 1;
    list.len -= len + 1;
  }
}

int jh_upstream_new(jh_origin *origin, jh_event_queue *ready, const jh_upstream_options *options,
                    jh_upstream **upstream) {
  uint32_t name_count = count_names(options->dropped, options->dropped_len);
  size_t bytes = options->host_len + options->base_len + options->via_len + options->lines_len +
                 options->dropped_len;
  jh_upstream *it = jh_try_calloc(1, sizeof *it);
  if (!it) return JH_ENOMEM;
  it->text = jh_try_alloc(bytes + 1);
  it->names = jh_try_calloc(name_count + 1, sizeof *it->names);
  if (!it->text || !it->names) {
    jh_upstream_close(it);
    return JH_ENOMEM;
  }
  char *text = it->text;
  it->origin = origin;
  it->ready = ready;
  it->rules.flags = options->flags;
  it->rules.host = keep(&text, options->host, options->host_len);
  it->rules.base = keep(&text, options->base, options->base_len);
  it->rules.via = keep(&text, options->via, options->via_len);
  it->rules.lines = keep(&text, options->lines, options->lines_len);
  add_names(&it->rules.dropped, it->names, name_count,
            keep(&text, options->dropped, options->dropped_len));
  it->options = options->call;
  it->timeout_ms = options->timeout_ms;
  *upstream = it;
  return 0;
}

static void free_unused(jh_upstream *upstream) {
  if (!upstream->is_closed || upstream->pending > 0) return;
  jh_free(upstream->text);
  jh_free(upstream->names);
  jh_free(upstream);
}

void jh_upstream_acquire(jh_upstream *upstream) {
  upstream->pending++;
}

void jh_upstream_release(jh_upstream *upstream) {
  upstream->pending--;
  free_unused(upstream);
}

uint32_t jh_upstream_pending(jh_upstream *upstream) {
  return upstream->pending;
}

void jh_upstream_close(jh_upstream *upstream) {
  upstream->is_closed = true;
  free_unused(upstream);
}
