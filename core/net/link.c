/* link.c: from dialling to closing.
 *
 * What is known at once (an address that refuses, a socket connected by the first call) is told at
 * the end of the turn all the same, so that owners have one order of things to think of: such links
 * wait in loop->links.first_pending. So do links whose TLS holds decrypted bytes, of which epoll
 * does not know, and closed ones without a uv handle. */
#include "net/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/loop.h"

extern inline jh_link_stage jh_link_stage_of(const jh_link *link);

enum { FREE_LINKS_MAX = 256, REASON_BYTES = 512 };

static void pend(jh_link *link) {
  jh_links *links = &link->loop->links;
  if (link->is_pending) return;
  link->is_pending = true;
  link->next_pending = links->first_pending;
  links->first_pending = link;
}

/* ---- words -------------------------------------------------------------------------------- */

static void set_reason(jh_link *link, const char *what, const char *why) {
  if (!link->reason) link->reason = jh_try_alloc(REASON_BYTES);
  if (!link->reason) return;
  snprintf(link->reason, REASON_BYTES, "%s %s: %s", what, link->place ? link->place : "?", why);
}

const char *jh_link_reason(const jh_link *link) {
  if (link->reason) return link->reason;
  return link->has_failed ? "out of memory" : "";
}

static void set_code_reason(jh_link *link, const char *what, int code) {
  char text[128];
  snprintf(text, sizeof text, "%s", jh_strerror(code));
  bool is_word = text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z';
  if (is_word) text[0] = (char)(text[0] + ('a' - 'A'));
  set_reason(link, what, text);
}

static const char *server_name_of(const jh_link *link) {
  return link->place + strlen(link->place) + 1;
}

/* "host:port" or "[host]:port", and behind its NUL the name for TLS. */
static int set_place(jh_link *link, const jh_link_address *to) {
  jh_str name = to->server_name.len ? to->server_name : to->host;
  bool is_path = to->host.len >= 5 && memcmp(to->host.ptr, "unix:", 5) == 0;
  bool is_ipv6 = !is_path && memchr(to->host.ptr, ':', to->host.len) != NULL;
  size_t room = to->host.len + sizeof "[]:65535" + name.len + 1;
  link->place = jh_try_alloc(room);
  if (!link->place) return JH_ENOMEM;
  int host_len = (int)to->host.len;
  int len;
  if (is_path) {
    len = snprintf(link->place, room, "%.*s", host_len, to->host.ptr);
  } else {
    len = snprintf(link->place, room, is_ipv6 ? "[%.*s]:%u" : "%.*s:%u", host_len, to->host.ptr,
                   to->port);
  }
  char *end = link->place + len + 1;
  memcpy(end, name.ptr, name.len);
  end[name.len] = '\0';
  return 0;
}

/* ---- what epoll is told ------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events);

/* What has to be registered for what the owner wants. */
static int needed_events(const jh_link *link) {
  if (link->stage == JH_LINK_TLS) return jh_tls_wants(link->tls);
  return (link->events & UV_READABLE ? link->read_needs : 0) |
         (link->events & UV_WRITABLE ? link->write_needs : 0);
}

static int register_events(jh_link *link, int events) {
  if (!link->has_handle) {
    if (events == 0) return 0;
    int error = uv_poll_init(&link->loop->uv, &link->poll, link->fd);
    if (error) return error;
    link->poll.data = link;
    link->has_handle = true;
  }
  link->registered = (uint8_t)events;
  return events ? uv_poll_start(&link->poll, events, on_poll) : uv_poll_stop(&link->poll);
}

/* Registers what is missing; what is registered and not needed stays until it happens. */
static int sync_events(jh_link *link) {
  int needed = needed_events(link);
  if ((needed & ~link->registered) == 0) return 0;
  return register_events(link, needed | (link->registered & UV_READABLE));
}

static bool has_hidden_input(const jh_link *link) {
  return link->tls && (link->events & UV_READABLE) && jh_tls_has_pending(link->tls);
}

void jh_link_poll(jh_link *link, int events) {
  link->events = (uint8_t)events;
  if (link->stage != JH_LINK_OPEN) return;
  if (sync_events(link) < 0) pend(link);
  if (has_hidden_input(link)) pend(link);
}

/* ---- opening ------------------------------------------------------------------------------ */

static void stop_opening(jh_link *link) {
  if (link->dial) jh_dial_stop(link->dial);
  link->dial = NULL;
  jh_alarm_stop(link->alarm);
  link->alarm = NULL;
}

static void tell_opened(jh_link *link, int result) {
  stop_opening(link);
  link->has_result = false;
  if (result == 0) {
    link->stage = JH_LINK_OPEN;
    link->read_needs = UV_READABLE;
    link->write_needs = UV_WRITABLE;
    jh_link_poll(link, link->events);
  } else {
    link->has_failed = true;
  }
  if (link->owner->on_open) link->owner->on_open(link, result);
}

/* on_open at the end of the turn. */
static void tell_later(jh_link *link, int result) {
  link->has_result = true;
  link->result = result;
  pend(link);
}

/* 0: open; JH_EWAIT; or a negative code, with the reason set. */
static int go_on_with_tls(jh_link *link) {
  int result = jh_tls_handshake(link->tls);
  if (result == JH_EWAIT) {
    result = sync_events(link);
    if (result == 0) return JH_EWAIT;
    set_code_reason(link, "TLS with", result);
  } else if (result < 0) {
    set_reason(link, "TLS with", jh_tls_reason(link->tls));
  }
  return result;
}

static int begin_tls(jh_link *link, jh_tls_context *context, jh_str name) {
  link->stage = JH_LINK_TLS;
  link->tls = jh_tls_open(context, link->fd, false, name);
  if (!link->tls) return JH_ENOMEM;
  return go_on_with_tls(link);
}

/* There is a connected descriptor. 0: open; JH_EWAIT; or a negative code. */
static int on_connected(jh_link *link, int fd) {
  link->fd = fd;
  if (!link->context) return 0;
  const char *name = server_name_of(link);
  return begin_tls(link, link->context, (jh_str){name, strlen(name)});
}

static void set_dial_reason(jh_link *link, const char *why) {
  set_reason(link, link->stage == JH_LINK_RESOLVING ? "look up" : "connect to", why);
}

static void on_dialled(jh_dial *dial, void *data, int result) {
  jh_link *link = data;
  link->dial = NULL;
  if (result >= 0) {
    result = on_connected(link, result);
  } else {
    char why[JH_DIAL_REASON_BYTES];
    jh_dial_describe(dial, why, sizeof why);
    link->stage = jh_dial_is_resolving(dial) ? JH_LINK_RESOLVING : JH_LINK_CONNECTING;
    set_dial_reason(link, why);
  }
  if (result != JH_EWAIT) tell_opened(link, result);
}

static void on_timeout(void *data) {
  jh_link *link = data;
  char why[JH_DIAL_REASON_BYTES], text[JH_DIAL_REASON_BYTES + 64];
  link->alarm = NULL;
  if (link->has_result) return; /* it was in time */
  if (link->stage == JH_LINK_TLS) {
    snprintf(text, sizeof text, "timed out after %u ms", link->timeout_ms);
    set_reason(link, "TLS with", text);
  } else {
    jh_dial_describe(link->dial, why, sizeof why);
    link->stage = jh_dial_is_resolving(link->dial) ? JH_LINK_RESOLVING : JH_LINK_CONNECTING;
    snprintf(text, sizeof text, "timed out after %u ms (%s)", link->timeout_ms, why);
    set_dial_reason(link, text);
  }
  tell_opened(link, JH_ETIMEDOUT);
}

static int start_alarm(jh_link *link, uint32_t timeout_ms) {
  link->timeout_ms = timeout_ms;
  if (!timeout_ms) return 0;
  link->alarm = jh_alarm_start(&link->loop->alarms, timeout_ms, on_timeout, link);
  return link->alarm ? 0 : JH_ENOMEM;
}

int jh_link_dial(jh_link *link, const jh_link_address *to) {
  char why[JH_DIAL_REASON_BYTES];
  jh_dial_target target = {to->host, to->port, to->keepalive_s, to->local};
  if (link->stage != JH_LINK_NEW) return JH_EINVAL;
  int error = set_place(link, to);
  if (!error) error = start_alarm(link, to->connect_timeout_ms);
  if (error) return error;
  link->context = jh_tls_context_acquire(to->tls);
  link->stage = JH_LINK_CONNECTING;
  int result = jh_dial_start(link->loop, &target, on_dialled, link, &link->dial, why);
  if (result >= 0) {
    result = on_connected(link, result);
  } else if (result != JH_EWAIT) {
    if (result == JH_ENOTFOUND) link->stage = JH_LINK_RESOLVING;
    set_dial_reason(link, why);
  }
  if (result != JH_EWAIT) tell_later(link, result);
  return 0;
}

void jh_link_adopt(jh_link *link, int fd, const char *place) {
  size_t bytes = strlen(place) + 2;
  link->place = jh_try_calloc(1, bytes);
  if (link->place) snprintf(link->place, bytes, "%s", place);
  link->fd = fd;
  link->stage = JH_LINK_OPEN;
}

int jh_link_start_tls(jh_link *link, struct jh_tls_context *context, jh_str server_name,
                      uint32_t timeout_ms) {
  if (link->stage != JH_LINK_OPEN || link->tls) return JH_EINVAL;
  int error = start_alarm(link, timeout_ms);
  if (error) return error;
  int result = begin_tls(link, context, server_name);
  if (result != JH_EWAIT) tell_later(link, result);
  return 0;
}

/* ---- bytes -------------------------------------------------------------------------------- */

static ssize_t note_failure(jh_link *link, const char *what, ssize_t code) {
  link->has_failed = true;
  if (link->tls && code != -ECONNRESET) {
    set_reason(link, what, jh_tls_reason(link->tls));
  } else {
    set_code_reason(link, what, (int)code);
  }
  return code;
}

ssize_t jh_link_read(jh_link *link, char *out, size_t bytes) {
  ssize_t count;
  if (link->stage != JH_LINK_OPEN) return JH_ECLOSED;
  if (link->tls) {
    count = jh_tls_read(link->tls, out, bytes);
    if (count == -EAGAIN) link->read_needs = (uint8_t)jh_tls_wants(link->tls);
  } else {
    do {
      count = recv(link->fd, out, bytes, 0);
    } while (count < 0 && errno == EINTR);
    if (count < 0) count = -errno;
  }
  if (count >= 0 || count == -EAGAIN) return count;
  return note_failure(link, "read from", count);
}

ssize_t jh_link_write(jh_link *link, const struct iovec *parts, int count) {
  ssize_t taken;
  if (link->stage != JH_LINK_OPEN) return JH_ECLOSED;
  if (link->tls) {
    taken = jh_tls_write(link->tls, parts, count);
    if (taken == -EAGAIN) link->write_needs = (uint8_t)jh_tls_wants(link->tls);
  } else {
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = (size_t)count};
    do {
      taken = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    } while (taken < 0 && errno == EINTR);
    if (taken < 0) taken = -errno;
  }
  if (taken >= 0 || taken == -EAGAIN) return taken;
  return note_failure(link, "write to", taken);
}

/* Tells the owner of what happened, as far as it wants to know. */
static void deliver(jh_link *link, int events) {
  bool is_writable = (link->events & UV_WRITABLE) && (events & link->write_needs);
  bool is_readable = (link->events & UV_READABLE) && (events & link->read_needs);
  link->read_needs = UV_READABLE;
  link->write_needs = UV_WRITABLE;
  if (is_writable && link->owner->on_writable) link->owner->on_writable(link);
  if (link->stage != JH_LINK_OPEN || !(link->events & UV_READABLE)) return;
  if (is_readable && link->owner->on_readable) link->owner->on_readable(link);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  jh_link *link = poll->data;
  /* uv has stopped watching a socket with an error: the next read or write will name it. */
  if (status < 0) {
    link->registered = 0;
    events = UV_READABLE | UV_WRITABLE;
  }
  if (link->stage == JH_LINK_TLS) {
    int result = go_on_with_tls(link);
    if (result != JH_EWAIT) tell_opened(link, result);
    return;
  }
  deliver(link, events);
  if (link->stage != JH_LINK_OPEN) return;
  int needed = needed_events(link);
  if (events & link->registered & ~needed) {
    register_events(link, needed);
  } else {
    sync_events(link);
  }
  if (has_hidden_input(link)) pend(link);
}

/* ---- owners and the end ------------------------------------------------------------------- */

jh_link *jh_link_new(struct jh_loop *loop, const jh_link_owner *owner, void *owner_data) {
  jh_link *link = jh_pool_try_acquire(&loop->links.pool);
  if (!link) return NULL;
  *link = (jh_link){.loop = loop, .fd = -1, .owner = owner, .owner_data = owner_data};
  link->read_needs = UV_READABLE;
  link->write_needs = UV_WRITABLE;
  jh_list_init(&link->node);
  jh_list_append(&loop->links.open, &link->node);
  return link;
}

void jh_link_set_owner(jh_link *link, const jh_link_owner *owner, void *owner_data) {
  link->owner = owner;
  link->owner_data = owner_data;
}

void jh_link_shutdown(jh_link *link) {
  if (link->stage != JH_LINK_OPEN) return;
  if (link->tls) jh_tls_shutdown(link->tls);
  shutdown(link->fd, SHUT_WR);
}

static void free_link(jh_link *link) {
  jh_pool_release(&link->loop->links.pool, link);
}

static void on_handle_closed(uv_handle_t *handle) {
  jh_link *link = handle->data;
  link->has_handle = false;
  if (!link->is_pending) free_link(link);
}

void jh_link_close(jh_link *link) {
  if (link->stage == JH_LINK_CLOSED) return;
  stop_opening(link);
  if (link->tls) {
    if (link->stage == JH_LINK_OPEN && !link->has_failed) jh_tls_shutdown(link->tls);
    jh_tls_close(link->tls);
  }
  jh_tls_context_release(link->context);
  link->context = NULL;
  link->tls = NULL;
  link->stage = JH_LINK_CLOSED;
  link->has_result = false;
  link->events = 0;
  jh_list_remove(&link->node);
  jh_free(link->place);
  jh_free(link->reason);
  link->place = link->reason = NULL;
  if (link->has_handle) {
    uv_close((uv_handle_t *)&link->poll, on_handle_closed);
  } else {
    pend(link);
  }
  if (link->fd >= 0) close(link->fd);
  link->fd = -1;
}

void jh_links_init(jh_links *links) {
  *links = (jh_links){.first_pending = NULL};
  jh_pool_init(&links->pool, sizeof(jh_link), FREE_LINKS_MAX);
  jh_list_init(&links->open);
}

static void look_after(jh_link *link) {
  if (link->stage == JH_LINK_CLOSED) {
    if (!link->has_handle) free_link(link);
    return;
  }
  if (link->has_result) {
    tell_opened(link, link->result);
  } else if (link->stage == JH_LINK_OPEN) {
    deliver(link, UV_READABLE | UV_WRITABLE);
    if (link->stage == JH_LINK_OPEN && has_hidden_input(link)) pend(link);
  }
}

void jh_links_finish_turn(struct jh_loop *loop) {
  jh_link *link = loop->links.first_pending;
  loop->links.first_pending = NULL;
  while (link) {
    jh_link *next = link->next_pending;
    link->is_pending = false;
    look_after(link);
    link = next;
  }
}

void jh_links_close(jh_links *links) {
  while (!jh_list_is_empty(&links->open)) {
    jh_link_close(JH_LIST_ENTRY(links->open.next, jh_link, node));
  }
}

void jh_links_deinit(jh_links *links) {
  jh_pool_deinit(&links->pool);
}
