/* control_client.c: a blocking client of the control socket. How long an answer takes is the
 * server's business, which bounds everything it does; the end of the server ends the wait. */
#include "server/control_client.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/control_place.h"
#include "server/control_text.h"

enum { EXIT_USAGE = 2, ERROR_BYTES = 1024 };

typedef struct request {
  const char *command;
  const char *app;
  const char *control;
  const char *place; /* an argument that is no flag */
  int64_t guard_ms;  /* -1 none */
} request;

/* ---- asking ------------------------------------------------------------------------------ */

static int fail(int code, const char *what, const char *path, char *error, size_t error_bytes) {
  snprintf(error, error_bytes, "%s %s: %s", what, path, strerror(code));
  return -code;
}

static int send_all(int fd, const char *line, size_t len) {
  while (len > 0) {
    ssize_t n = send(fd, line, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    line += n;
    len -= (size_t)n;
  }
  return 0;
}

static int read_reply(int fd, char *reply, size_t reply_bytes) {
  size_t len = 0;
  while (len + 1 < reply_bytes) {
    ssize_t n = read(fd, reply + len, reply_bytes - 1 - len);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? -errno : -EPIPE;
    char *end = memchr(reply + len, '\n', (size_t)n);
    len += (size_t)n;
    reply[len] = '\0';
    if (end == NULL) continue;
    *end = '\0';
    return 0;
  }
  return -EMSGSIZE;
}

int jh_control_client_ask(const char *path, const char *line, size_t len, char *reply,
                          size_t reply_bytes, char *error, size_t error_bytes) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path)
    return fail(ENAMETOOLONG, "cannot use the control socket", path, error, error_bytes);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(errno, "cannot open a socket for", path, error, error_bytes);
  int rc = 0;
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
    rc = fail(errno, "no server answers at", path, error, error_bytes);
  if (rc == 0) {
    rc = send_all(fd, line, len);
    if (rc == 0) rc = read_reply(fd, reply, reply_bytes);
    if (rc != 0) fail(-rc, "the server did not answer at", path, error, error_bytes);
  }
  close(fd);
  return rc;
}

/* ---- the command line -------------------------------------------------------------------- */

static int refuse(const char *command, const char *what, const char *argument) {
  fprintf(stderr, "justhttp: %s: %s '%s'; `justhttp %s --help` tells more\n", command, what,
          argument, command);
  return EXIT_USAGE;
}

/* "10s", "500ms", "2m"; a bare number is seconds. -1 when it is none. */
static int64_t read_time(const char *text) {
  char *end;
  double number = strtod(text, &end);
  double unit_ms = 1000;
  if (end == text || !(number >= 0) || number > 86400) return -1;
  if (strcmp(end, "ms") == 0) unit_ms = 1;
  if (strcmp(end, "m") == 0) unit_ms = 60000;
  if (*end != '\0' && strcmp(end, "s") != 0 && strcmp(end, "ms") != 0 && strcmp(end, "m") != 0)
    return -1;
  return (int64_t)(number * unit_ms);
}

/* The value of a flag written as "--name value" or "--name=value"; counts what was used. */
static const char *value_of(const char *name, const char *const *arguments, size_t count,
                            size_t *used) {
  size_t len = strlen(name);
  if (strncmp(arguments[0], name, len) != 0) return NULL;
  if (arguments[0][len] == '=') return arguments[0] + len + 1;
  if (arguments[0][len] != '\0' || count < 2) return NULL;
  *used = 2;
  return arguments[1];
}

static int read_arguments(request *request, const char *const *arguments, size_t count) {
  bool may_guard = strcmp(request->command, "status") != 0;
  for (size_t i = 0; i < count;) {
    size_t used = 1;
    const char *value;
    if ((value = value_of("--app", arguments + i, count - i, &used)) != NULL) {
      request->app = value;
    } else if ((value = value_of("--control", arguments + i, count - i, &used)) != NULL) {
      request->control = value;
    } else if (may_guard &&
               (value = value_of("--guard", arguments + i, count - i, &used)) != NULL) {
      request->guard_ms = read_time(value);
      if (request->guard_ms < 0) return refuse(request->command, "--guard is no time:", value);
    } else if (arguments[i][0] == '-') {
      return refuse(request->command, "cannot use", arguments[i]);
    } else if (request->place != NULL) {
      return refuse(request->command, "one argument too many:", arguments[i]);
    } else {
      request->place = arguments[i];
    }
    i += used;
  }
  return 0;
}

/* What a command takes beside the flags. */
static int read_place(request *request, jh_control_text *line) {
  (void)line;
  if (request->place == NULL) return 0;
  /* `justhttp reload apps/shop` is what one would write first. */
  if (request->app != NULL) return refuse(request->command, "does not take", request->place);
  request->app = request->place;
  return 0;
}

/* ---- answers ----------------------------------------------------------------------------- */

static int print_reply(const char *reply) {
  char is_ok[8] = "", text[JH_CONTROL_TEXT_BYTES] = "";
  jh_control_text_find(reply, "ok", is_ok, sizeof is_ok);
  if (strcmp(is_ok, "true") == 0) {
    jh_control_text_find(reply, "message", text, sizeof text);
    if (text[0] != '\0') puts(text);
    return EXIT_SUCCESS;
  }
  if (!jh_control_text_find(reply, "error", text, sizeof text))
    snprintf(text, sizeof text, "the server answered: %.200s", reply);
  fprintf(stderr, "justhttp: %s\n", text);
  return EXIT_FAILURE;
}

int jh_control_client_main(const char *command, const char *const *arguments, size_t count) {
  char path[JH_CONTROL_PATH_BYTES], reply[JH_CONTROL_TEXT_BYTES], error[ERROR_BYTES];
  jh_control_text line;
  request request = {.command = command, .guard_ms = -1};
  jh_control_text_open(&line);
  jh_control_text_string(&line, "command", command);
  int rc = read_arguments(&request, arguments, count);
  if (rc == 0) rc = read_place(&request, &line);
  if (rc != 0) return rc;
  if (request.guard_ms >= 0) jh_control_text_number(&line, "guard_ms", request.guard_ms);
  jh_control_text_close(&line);
  if (request.control == NULL) {
    const char *app = request.app != NULL ? request.app : ".";
    rc = jh_control_place_find(app, false, path, sizeof path, error, sizeof error);
    request.control = path;
  }
  if (rc == 0)
    rc = jh_control_client_ask(request.control, line.text, line.len, reply, sizeof reply, error,
                               sizeof error);
  if (rc == 0) return print_reply(reply);
  fprintf(stderr, "justhttp: %s\n", error);
  if (request.app == NULL && (rc == -ENOENT || rc == -ECONNREFUSED))
    fprintf(stderr, "justhttp: run this in the app's directory, or name it with --app DIR\n");
  return EXIT_FAILURE;
}
