/* listener_set.c: decides which sockets there are; socket.c opens them.
 *
 * Port 0 is bound once; the other slots bind the port that the kernel chose. A unix socket's file
 * is removed at the end only if it is the one we made: another server may have taken its place. */
#include "server/listener_set.h"

#include "justhttp.h"
#include "base/alloc.h"
#include "base/check.h"
#include "server/listen_socket.h"
#include "server/tls_setup.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FDS_PER_ADDRESS_MAX = 256 };

/* What opening one listener needs to know. */
typedef struct opening {
  jh_listener_set *set;
  jh_listen_socket_settings settings;
  const jh_service_manager *manager;
  jh_handover *handover;
  const char *text; /* of the option */
  const jh_identity *identity;
  char *error;
  size_t error_bytes;
} opening;

static jh_listener_group *add_listener(const opening *opening, const jh_address *address,
                                       size_t fd_capacity) {
  jh_listener_set *set = opening->set;
  JH_REQUIRE(set->count < set->capacity);
  jh_listener_group *listener = &set->listeners[set->count++];
  memset(listener, 0, sizeof *listener);
  listener->address = *address;
  listener->text = opening->text;
  listener->fds = jh_alloc(fd_capacity * sizeof *listener->fds);
  return listener;
}

/* From now on the socket's file is ours to remove. */
static void own_file(jh_listener_group *listener) {
  struct stat made;
  if (lstat(listener->address.path, &made) != 0) return;
  listener->has_file = true;
  listener->file_device = made.st_dev;
  listener->file_number = made.st_ino;
}

static int open_tcp(const opening *opening, const jh_address *address) {
  size_t fd_count = opening->settings.reuse_port ? opening->set->slot_count : 1;
  jh_listener_group *listener = add_listener(opening, address, fd_count);
  jh_listen_socket_settings settings = opening->settings;
  /* Without SO_REUSEPORT a busy port is found by bind() itself, with the same error. */
  if (address->port != 0 && jh_listen_socket_is_taken(address)) settings.reuse_port = false;
  while (listener->fd_count < fd_count) {
    int fd =
        jh_listen_socket_tcp(&listener->address, &settings, opening->error, opening->error_bytes);
    if (fd < 0) return fd;
    listener->fds[listener->fd_count++] = fd;
  }
  listener->address.scheme = address->scheme;
  return 0;
}

static int open_unix(const opening *opening, const jh_address *address) {
  jh_listener_group *listener = add_listener(opening, address, 1);
  int fd = jh_listen_socket_unix(address, &opening->settings, opening->error, opening->error_bytes);
  if (fd < 0) return fd;
  listener->fds[listener->fd_count++] = fd;
  jh_identity_own(opening->identity, address->path);
  own_file(listener);
  return 0;
}

static int adopt_passed(const opening *opening, const char *name, int scheme) {
  for (int nth = 0;; nth++) {
    int fd = jh_service_manager_find_fd(opening->manager, name, nth);
    jh_address address;
    if (fd < 0 && nth > 0) return 0;
    if (fd < 0) {
      snprintf(opening->error, opening->error_bytes,
               "cannot listen on systemd%s%s: the service manager passed no such socket%s",
               name[0] ? ":" : "", name,
               opening->manager->fd_count == 0 ? " (LISTEN_FDS is not set for this process)" : "");
      return JH_ENOTFOUND;
    }
    int rc = jh_listen_socket_adopt(fd, &address, &opening->settings, opening->error,
                                    opening->error_bytes);
    if (rc != 0) return rc;
    address.scheme = scheme;
    jh_listener_group *listener = add_listener(opening, &address, 1);
    listener->fds[listener->fd_count++] = fd;
  }
}

/* One socket per slot, as far as there are; a socket too many is one that all slots share, so that
 * the connections in its queue are accepted; what is missing is opened. */
static int adopt_given(const opening *opening, const jh_handover_listener *given, int scheme) {
  size_t slot_count = opening->set->slot_count;
  jh_listener_group *listener = NULL;
  for (size_t i = 0; i < given->fd_count; i++) {
    jh_address address;
    int rc = jh_listen_socket_adopt(given->fds[i], &address, &opening->settings, opening->error,
                                    opening->error_bytes);
    if (rc != 0) return rc;
    address.scheme = scheme;
    bool is_extra = i > 0 && i >= slot_count;
    if (i == 0 || is_extra) {
      listener = add_listener(opening, &address, slot_count + 1);
      listener->is_extra = is_extra;
      if (given->has_file) own_file(listener);
    }
    listener->fds[listener->fd_count++] = given->fds[i];
  }
  while (given->fd_count > 1 && listener->fd_count > 1 && listener->fd_count < slot_count) {
    int fd = jh_listen_socket_tcp(&listener->address, &opening->settings, opening->error,
                                  opening->error_bytes);
    if (fd < 0) return fd;
    listener->fds[listener->fd_count++] = fd;
  }
  return 0;
}

static int open_one(opening *opening, const char *text) {
  jh_address address;
  const jh_handover_listener *given;
  int rc = jh_address_parse(&address, text, opening->error, opening->error_bytes);
  if (rc != 0) return rc;
  opening->text = text;
  bool is_given = false;
  while (rc == 0 && (given = jh_handover_take(opening->handover, text)) != NULL) {
    is_given = true;
    rc = adopt_given(opening, given, address.scheme);
  }
  if (is_given) return rc;
  if (address.kind == JH_ADDRESS_SYSTEMD) {
    return adopt_passed(opening, address.path, address.scheme);
  }
  if (address.kind == JH_ADDRESS_UNIX) return open_unix(opening, &address);
  return open_tcp(opening, &address);
}

/* With certificates all TCP listeners speak TLS, unless it is said of one by name. */
static void choose_schemes(jh_listener_set *set, bool has_certificates) {
  bool is_said = false;
  for (size_t i = 0; i < set->count; i++) {
    if (set->listeners[i].address.scheme == JH_ADDRESS_HTTPS) is_said = true;
  }
  for (size_t i = 0; i < set->count; i++) {
    jh_listener_group *listener = &set->listeners[i];
    jh_address *address = &listener->address;
    bool is_open = address->scheme == JH_ADDRESS_ANY_SCHEME && address->kind != JH_ADDRESS_UNIX;
    if (is_open && has_certificates && !is_said) address->scheme = JH_ADDRESS_HTTPS;
    listener->is_tls = address->scheme == JH_ADDRESS_HTTPS;
  }
}

bool jh_listener_set_has_tls(const jh_listener_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    if (set->listeners[i].is_tls) return true;
  }
  return false;
}

int jh_listener_set_open(jh_listener_set *set, const jh_options *options, size_t slot_count,
                         const jh_service_manager *manager, jh_handover *handover,
                         const jh_identity *identity, char *error, size_t error_bytes) {
  opening opening = {
      .set = set,
      .settings = {.backlog = (int)options->backlog,
                   .reuse_port = options->reuse_port,
                   .tcp_nodelay = options->tcp_nodelay,
                   .defer_accept = options->defer_accept,
                   .unix_mode = options->unix_socket_mode},
      .manager = manager,
      .handover = handover,
      .identity = identity,
      .error = error,
      .error_bytes = error_bytes,
  };
  bool is_default = jh_options_source(options, JH_OPTIONS_INDEX_listen) == JH_OPTION_FROM_DEFAULT;
  int rc = 0;
  memset(set, 0, sizeof *set);
  set->slot_count = slot_count;
  set->capacity = options->listen.count + FDS_PER_ADDRESS_MAX;
  set->listeners = jh_alloc(set->capacity * sizeof *set->listeners);
  if (is_default && (manager->fd_count > 0 || jh_handover_has(handover, "systemd"))) {
    rc = open_one(&opening, "systemd");
  } else {
    for (size_t i = 0; i < options->listen.count && rc == 0; i++)
      rc = open_one(&opening, options->listen.items[i]);
  }
  if (rc != 0) {
    jh_listener_set_deinit(set);
    return rc;
  }
  choose_schemes(set, jh_tls_setup_has_certificates(options));
  for (size_t i = 0; i < set->count; i++) {
    jh_listener_group *listener = &set->listeners[i];
    jh_address_url(&listener->address, listener->url, sizeof listener->url);
  }
  return 0;
}

static size_t fd_index(const jh_listener_group *listener, size_t slot) {
  return listener->fd_count == 1 ? 0 : slot;
}

void jh_listener_set_slot(const jh_listener_set *set, size_t slot, jh_listener_socket *out) {
  for (size_t i = 0; i < set->count; i++) {
    const jh_listener_group *listener = &set->listeners[i];
    out[i].fd = listener->fds[fd_index(listener, slot)];
    out[i].is_tls = listener->is_tls;
    out[i].url = listener->url;
  }
}

static void close_fds(jh_listener_group *listener, size_t kept_index) {
  for (size_t i = 0; i < listener->fd_count; i++) {
    if (i == kept_index || listener->fds[i] < 0) continue;
    close(listener->fds[i]);
    listener->fds[i] = -1;
  }
}

void jh_listener_set_keep_slot(jh_listener_set *set, size_t slot) {
  for (size_t i = 0; i < set->count; i++)
    close_fds(&set->listeners[i], fd_index(&set->listeners[i], slot));
}

void jh_listener_set_close(jh_listener_set *set) {
  for (size_t i = 0; i < set->count; i++) close_fds(&set->listeners[i], set->listeners[i].fd_count);
}

void jh_listener_set_leave_files(jh_listener_set *set) {
  for (size_t i = 0; i < set->count; i++) set->listeners[i].has_file = false;
}

void jh_listener_set_deinit(jh_listener_set *set) {
  jh_listener_set_close(set);
  for (size_t i = 0; i < set->count; i++) {
    jh_listener_group *listener = &set->listeners[i];
    struct stat found;
    if (listener->has_file && lstat(listener->address.path, &found) == 0 &&
        found.st_dev == listener->file_device && found.st_ino == listener->file_number)
      unlink(listener->address.path);
    jh_free(listener->fds);
  }
  jh_free(set->listeners);
  memset(set, 0, sizeof *set);
}
