/* control_client.h: the commands that ask a running server for something: reload, rollback, status.
 *
 * They find its control socket from the directory they are run in, from --app or from --control,
 * send one line, print what comes back, and end with 0 or 1. */
#ifndef JH_SERVER_CONTROL_CLIENT_H
#define JH_SERVER_CONTROL_CLIENT_H

#include <stddef.h>

#define JH_CONTROL_CLIENT_HELP                                                               \
  "\n"                                                                                       \
  "  --app DIR       the app that the server runs; default is the directory one stands in\n" \
  "  --control FILE  the server's control socket, if it was started with that option"

/* Runs such a command; `arguments` are those behind its name. Returns the exit code. */
int jh_control_client_main(const char *command, const char *const *arguments, size_t count);

/* Sends one line to the socket at `path` and waits for the one that comes back, without its end.
 * 0 or a negative code and one line in `error`. */
int jh_control_client_ask(const char *path, const char *line, size_t len, char *reply,
                          size_t reply_bytes, char *error, size_t error_bytes);

#endif
