/* control.c: accepting clients, reading their one line, writing the one back.
 *
 * The supervisor must not wait for a client: sockets do not block, and a reply that does not fit
 * into the socket's buffer at once (they are far smaller) is given up. */
#include "server/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void jh_control_init(jh_control *control) {
  memset(control, 0, sizeof *control);
  control->fd = -1;
  for (size_t i = 0; i < JH_CONTROL_CLIENTS_MAX; i++) control->clients[i].fd = -1;
}

/* ---- listening --------------------------------------------------------------------------- */

static bool is_served(const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  bool is_served = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                   errno == EAGAIN || errno == EINPROGRESS;
  close(fd);
  return is_served;
}

static int bind_at(int fd, const struct sockaddr_un *address) {
  /* The file has mode 0600 from its first moment on: this process has one thread. */
  mode_t mask = umask(0177);
  int rc = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : -errno;
  umask(mask);
  return rc;
}

static void listen_on(jh_control *control, int fd, const char *path) {
  struct stat made;
  control->fd = fd;
  snprintf(control->path, sizeof control->path, "%s", path);
  if (stat(path, &made) != 0) return;
  control->device = made.st_dev;
  control->number = made.st_ino;
}

int jh_control_open(jh_control *control, const char *path, char *error, size_t error_bytes) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stat made;
  if (strlen(path) >= sizeof address.sun_path) {
    snprintf(error, error_bytes, "the path of the control socket is too long: %s", path);
    return -ENAMETOOLONG;
  }
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int rc = fd < 0 ? -errno : bind_at(fd, &address);
  if (rc == -EADDRINUSE && lstat(path, &made) == 0 && S_ISSOCK(made.st_mode) &&
      !is_served(&address)) {
    unlink(path);
    rc = bind_at(fd, &address);
  }
  if (rc == 0 && listen(fd, JH_CONTROL_CLIENTS_MAX) != 0) rc = -errno;
  if (rc != 0) {
    if (rc == -EADDRINUSE) {
      snprintf(error, error_bytes, "another server has the control socket %s", path);
    } else {
      snprintf(error, error_bytes, "cannot open the control socket %s: %s", path, strerror(-rc));
    }
    if (fd >= 0) close(fd);
    return rc;
  }
  listen_on(control, fd, path);
  return 0;
}

void jh_control_adopt(jh_control *control, int fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t len = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &len) != 0) address.sun_path[0] = '\0';
  listen_on(control, fd, address.sun_path);
}

static void drop(jh_control_client *client) {
  if (client->fd >= 0) close(client->fd);
  client->fd = -1;
}

void jh_control_forget(jh_control *control) {
  for (size_t i = 0; i < JH_CONTROL_CLIENTS_MAX; i++) drop(&control->clients[i]);
  if (control->fd >= 0) close(control->fd);
  control->fd = -1;
}

void jh_control_close(jh_control *control) {
  struct stat found;
  if (control->fd >= 0 && stat(control->path, &found) == 0 && found.st_dev == control->device &&
      found.st_ino == control->number)
    unlink(control->path);
  jh_control_forget(control);
}

/* ---- clients ----------------------------------------------------------------------------- */

size_t jh_control_polls(const jh_control *control, struct pollfd *out) {
  size_t count = 0;
  if (control->fd < 0) return 0;
  out[count++] = (struct pollfd){.fd = control->fd, .events = POLLIN};
  for (size_t i = 0; i < JH_CONTROL_CLIENTS_MAX; i++) {
    const jh_control_client *client = &control->clients[i];
    /* One that waits for its answer is watched for its end only. */
    if (client->fd >= 0)
      out[count++] =
          (struct pollfd){.fd = client->fd, .events = client->is_asking ? POLLRDHUP : POLLIN};
  }
  return count;
}

static void accept_clients(jh_control *control) {
  for (size_t i = 0; i < JH_CONTROL_CLIENTS_MAX; i++) {
    jh_control_client *client = &control->clients[i];
    if (client->fd >= 0) continue;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    client->fd = fd;
    client->len = 0;
    client->is_asking = false;
    client->id = ++control->last_id;
  }
}

static void read_line(jh_control_client *client, jh_control_handler handler, void *target) {
  char line[JH_CONTROL_REQUEST_BYTES];
  ssize_t n = read(client->fd, client->line + client->len, sizeof client->line - client->len);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    drop(client);
    return;
  }
  client->len += (size_t)n;
  const char *end = memchr(client->line, '\n', client->len);
  if (end == NULL) {
    if (client->len == sizeof client->line) drop(client);
    return;
  }
  size_t len = (size_t)(end - client->line);
  memcpy(line, client->line, len);
  line[len] = '\0';
  client->is_asking = true;
  handler(target, client->id, line);
}

void jh_control_on_polled(jh_control *control, const struct pollfd *polls, size_t count,
                          jh_control_handler handler, void *target) {
  for (size_t i = 0; i < count; i++) {
    if (polls[i].revents == 0) continue;
    if (polls[i].fd == control->fd) {
      accept_clients(control);
      continue;
    }
    for (size_t k = 0; k < JH_CONTROL_CLIENTS_MAX; k++) {
      jh_control_client *client = &control->clients[k];
      if (client->fd != polls[i].fd) continue;
      if (client->is_asking) {
        drop(client);
      } else {
        read_line(client, handler, target);
      }
    }
  }
}

void jh_control_reply(jh_control *control, uint32_t client, const char *line, size_t len) {
  for (size_t i = 0; i < JH_CONTROL_CLIENTS_MAX; i++) {
    jh_control_client *one = &control->clients[i];
    if (one->fd < 0 || one->id != client) continue;
    ssize_t written = send(one->fd, line, len, MSG_NOSIGNAL);
    (void)written;
    drop(one);
  }
}

static void reply(jh_control *control, uint32_t client, bool is_ok, const char *name,
                  const char *value) {
  jh_control_text text;
  jh_control_text_open(&text);
  jh_control_text_bool(&text, "ok", is_ok);
  jh_control_text_string(&text, name, value);
  jh_control_text_close(&text);
  jh_control_reply(control, client, text.text, text.len);
}

void jh_control_reply_ok(jh_control *control, uint32_t client, const char *message) {
  reply(control, client, true, "message", message);
}

void jh_control_reply_error(jh_control *control, uint32_t client, const char *error) {
  reply(control, client, false, "error", error);
}
