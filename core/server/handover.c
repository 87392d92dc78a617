/* handover.c: the lines "ready 7", "control 8", "keys 9", "listen 4,5 127.0.0.1:0" and "file 6
 * unix:/run/app.sock". Options hold no control characters, so a listener's text ends its line. */
#include "server/handover.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char variable[] = "JUSTHTTP_TAKE_OVER_FROM";

enum { FD_MAX = 1 << 20 };

/* ---- writing ------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add(jh_handover_text *out, const char *format,
                                                      ...) {
  va_list arguments;
  size_t space = sizeof out->text - out->len;
  va_start(arguments, format);
  int n = vsnprintf(out->text + out->len, space, format, arguments);
  va_end(arguments);
  if (n < 0 || (size_t)n >= space) {
    out->is_whole = false;
    out->text[out->len] = '\0';
    return;
  }
  out->len += (size_t)n;
}

void jh_handover_write_open(jh_handover_text *out) {
  out->len = 0;
  out->text[0] = '\0';
  out->is_whole = true;
}

void jh_handover_write_fd(jh_handover_text *out, const char *what, int fd) {
  if (fd >= 0) add(out, "%s %d\n", what, fd);
}

void jh_handover_write_listener(jh_handover_text *out, const jh_handover_listener *listener) {
  add(out, "%s ", listener->has_file ? "file" : "listen");
  for (size_t i = 0; i < listener->fd_count; i++)
    add(out, "%s%d", i == 0 ? "" : ",", listener->fds[i]);
  add(out, " %s\n", listener->text);
}

/* ---- reading ------------------------------------------------------------------------------- */

/* The number at *at, which moves behind it; -1 when there is none. */
static int read_fd(char **at) {
  uint64_t number = 0;
  size_t len = strspn(*at, "0123456789");
  if (jh_str_parse_u64(jh_str_make(*at, len), &number) != 0 || number > FD_MAX) return -1;
  *at += len;
  return (int)number;
}

static bool read_listener(jh_handover *handover, char *at, bool has_file) {
  jh_handover_listener *listener = &handover->listeners[handover->count++];
  *listener = (jh_handover_listener){.has_file = has_file};
  listener->fds = jh_alloc((strlen(at) + 1) * sizeof *listener->fds);
  do {
    if (listener->fd_count > 0) at++;
    int fd = read_fd(&at);
    if (fd < 0) return false;
    listener->fds[listener->fd_count++] = fd;
  } while (*at == ',');
  listener->text = at + 1;
  return *at == ' ' && at[1] != '\0';
}

static bool read_line(jh_handover *handover, char *line) {
  char *space = strchr(line, ' ');
  if (space == NULL) return false;
  *space = '\0';
  char *at = space + 1;
  if (strcmp(line, "listen") == 0) return read_listener(handover, at, false);
  if (strcmp(line, "file") == 0) return read_listener(handover, at, true);
  int fd = read_fd(&at);
  if (fd < 0 || *at != '\0') return false;
  if (strcmp(line, "ready") == 0) handover->ready_fd = fd;
  if (strcmp(line, "control") == 0) handover->control_fd = fd;
  if (strcmp(line, "keys") == 0) handover->keys_fd = fd;
  return true;
}

static void clear(jh_handover *handover) {
  for (size_t i = 0; i < handover->count; i++) jh_free(handover->listeners[i].fds);
  jh_free(handover->listeners);
  jh_free(handover->text);
  *handover = (jh_handover){.ready_fd = -1, .control_fd = -1, .keys_fd = -1};
}

bool jh_handover_parse(jh_handover *handover, const char *text) {
  *handover = (jh_handover){.ready_fd = -1, .control_fd = -1, .keys_fd = -1};
  if (text == NULL) return true;
  size_t bytes = strlen(text) + 1, lines = 0;
  handover->text = jh_alloc(bytes);
  memcpy(handover->text, text, bytes);
  for (const char *at = text; *at != '\0'; at++) lines += *at == '\n';
  handover->listeners = jh_alloc((lines + 1) * sizeof *handover->listeners);
  for (char *line = handover->text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
    *end = '\0';
    if (!read_line(handover, line)) {
      clear(handover);
      return false;
    }
  }
  handover->is_given = handover->ready_fd >= 0;
  return true;
}

/* Calls `each` for every descriptor. */
static void visit_fds(const jh_handover *handover, void (*each)(int fd)) {
  const int single[] = {handover->ready_fd, handover->control_fd, handover->keys_fd};
  for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
    if (single[i] >= 0) each(single[i]);
  }
  for (size_t i = 0; i < handover->count; i++) {
    for (size_t j = 0; j < handover->listeners[i].fd_count; j++)
      each(handover->listeners[i].fds[j]);
  }
}

static void close_on_exec(int fd) {
  fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void keep_over_exec(int fd) {
  fcntl(fd, F_SETFD, 0);
}

void jh_handover_read(jh_handover *handover) {
  if (!jh_handover_parse(handover, getenv(variable))) return;
  visit_fds(handover, close_on_exec);
  unsetenv(variable);
}

int jh_handover_give(const jh_handover_text *text) {
  jh_handover given;
  if (!text->is_whole || !jh_handover_parse(&given, text->text)) return -E2BIG;
  visit_fds(&given, keep_over_exec);
  clear(&given);
  return setenv(variable, text->text, 1) == 0 ? 0 : -errno;
}

jh_handover_listener *jh_handover_take(jh_handover *handover, const char *text) {
  for (size_t i = 0; i < handover->count; i++) {
    jh_handover_listener *listener = &handover->listeners[i];
    if (listener->is_taken || strcmp(listener->text, text) != 0) continue;
    listener->is_taken = true;
    return listener;
  }
  return NULL;
}

bool jh_handover_has(const jh_handover *handover, const char *text) {
  for (size_t i = 0; i < handover->count; i++) {
    if (strcmp(handover->listeners[i].text, text) == 0) return true;
  }
  return false;
}

void jh_handover_deinit(jh_handover *handover) {
  for (size_t i = 0; i < handover->count; i++) {
    const jh_handover_listener *listener = &handover->listeners[i];
    for (size_t j = 0; j < listener->fd_count && !listener->is_taken; j++) close(listener->fds[j]);
  }
  if (handover->ready_fd >= 0) close(handover->ready_fd);
  if (handover->control_fd >= 0) close(handover->control_fd);
  if (handover->keys_fd >= 0) close(handover->keys_fd);
  clear(handover);
}
