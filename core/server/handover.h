/* handover.h: what an old server leaves to the one that takes its place (binary upgrade).
 *
 * Descriptors that stay open over exec, and one environment variable that says what they are. The
 * new server takes the listeners it still has in its options; it reports through `ready_fd`. */
#ifndef JH_SERVER_HANDOVER_H
#define JH_SERVER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_HANDOVER_TEXT_BYTES = 65536 };

/* All sockets of one listener. */
typedef struct jh_handover_listener {
  const char *text; /* as the `listen` option said it */
  int *fds;
  size_t fd_count;
  bool has_file; /* a unix socket whose file is the server's to remove */
  bool is_taken;
} jh_handover_listener;

typedef struct jh_handover {
  bool is_given; /* there is an old server */
  int ready_fd;  /* where it hears from us; -1 closed */
  int control_fd;
  int keys_fd; /* of session tickets */
  jh_handover_listener *listeners;
  size_t count;
  char *text;
} jh_handover;

/* The variable's text, as the old server writes it: a line per descriptor. */
typedef struct jh_handover_text {
  char text[JH_HANDOVER_TEXT_BYTES];
  size_t len;
  bool is_whole; /* everything fitted in */
} jh_handover_text;

void jh_handover_write_open(jh_handover_text *out);

/* `what` is "ready", "control" or "keys". */
void jh_handover_write_fd(jh_handover_text *out, const char *what, int fd);
void jh_handover_write_listener(jh_handover_text *out, const jh_handover_listener *listener);

/* Reads such a text; NULL is nothing given. False when it makes no sense; then nothing is given. */
bool jh_handover_parse(jh_handover *handover, const char *text);

/* The next listener of that text that nobody has taken, which is taken then; or NULL. */
jh_handover_listener *jh_handover_take(jh_handover *handover, const char *text);

/* True when there is such a listener, taken or not. */
bool jh_handover_has(const jh_handover *handover, const char *text);

/* Closes what nobody took, and frees. */
void jh_handover_deinit(jh_handover *handover);

/* ==== cdef: end ==== */

/* Reads the environment variable and removes it; its descriptors become close-on-exec. */
void jh_handover_read(jh_handover *handover);

/* In the forked process that becomes the new server: sets the variable, and has the descriptors
 * it names stay open. 0 or a negated errno. */
int jh_handover_give(const jh_handover_text *text);

#endif
