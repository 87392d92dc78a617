/* control.h: the control socket: commands like `justhttp reload` reach the supervisor through it.
 *
 * A unix stream socket of mode 0600. A client writes one line, {"command":"reload",…}, and gets one
 * line back, {"ok":true,…} or {"ok":false,"error":"…"}, perhaps later; then it is closed. The lines
 * are those of control_text.h. The supervisor polls it with everything else. */
#ifndef JH_SERVER_CONTROL_H
#define JH_SERVER_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/control_place.h"
#include "server/control_text.h"

enum {
  JH_CONTROL_CLIENTS_MAX = 8,
  JH_CONTROL_POLLS_MAX = JH_CONTROL_CLIENTS_MAX + 1,
  JH_CONTROL_REQUEST_BYTES = 8192
};

typedef struct jh_control_client {
  int fd;      /* -1 free */
  uint32_t id; /* names it in jh_control_reply() */
  bool is_asking;
  size_t len;
  char line[JH_CONTROL_REQUEST_BYTES];
} jh_control_client;

typedef struct jh_control {
  int fd; /* -1 none */
  char path[JH_CONTROL_PATH_BYTES];
  dev_t device;
  ino_t number;
  uint32_t last_id;
  jh_control_client clients[JH_CONTROL_CLIENTS_MAX];
} jh_control;

/* Called with each whole request, without its line end. It, or somebody later, replies. */
typedef void (*jh_control_handler)(void *target, uint32_t client, const char *line);

/* A control that listens nowhere. */
void jh_control_init(jh_control *control);

/* Listens. A file that nobody listens on any more is replaced. 0, or -EADDRINUSE when another
 * server has the place, or another negated errno, and one line in `error`. */
int jh_control_open(jh_control *control, const char *path, char *error, size_t error_bytes);

/* Goes on with a listening socket that another process has opened. */
void jh_control_adopt(jh_control *control, int fd);

/* Removes the file when it is still ours and closes everything. */
void jh_control_close(jh_control *control);

/* In a forked process: closes the descriptors and leaves the file alone. */
void jh_control_forget(jh_control *control);

/* What to poll for; returns how many of JH_CONTROL_POLLS_MAX were filled in. */
size_t jh_control_polls(const jh_control *control, struct pollfd *out);

/* Handles what poll() found in those. */
void jh_control_on_polled(jh_control *control, const struct pollfd *polls, size_t count,
                          jh_control_handler handler, void *target);

/* Answers and closes; nothing happens when the client is gone. */
void jh_control_reply(jh_control *control, uint32_t client, const char *line, size_t len);

/* The usual answers. */
void jh_control_reply_ok(jh_control *control, uint32_t client, const char *message);
void jh_control_reply_error(jh_control *control, uint32_t client, const char *error);

#endif
