/* control_place.h: where the control socket of an app's server is. The server and the commands that
 * talk to it find the same place from the app's path alone, so nobody has to name it. */
#ifndef JH_SERVER_CONTROL_PLACE_H
#define JH_SERVER_CONTROL_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/* ==== cdef: begin ==== */

enum { JH_CONTROL_PATH_BYTES = 108 /* as long as a unix socket's may be */ };

/* Writes the path of the socket for the app, a directory or a file, to `out`; it is in a directory
 * only this user can write to, which is made when `makes` says so. 0 or a negative code and one
 * line in `error`. */
int jh_control_place_find(const char *app_path, bool makes, char *out, size_t out_bytes,
                          char *error, size_t error_bytes);

/* ==== cdef: end ==== */

#endif
