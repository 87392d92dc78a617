/* control_text.h: the lines that go through the control socket: one flat JSON object each, such as
 * {"command":"reload","guard_ms":10000}. Read and written here without a parser for all of JSON,
 * because the other end is this program too. */
#ifndef JH_SERVER_CONTROL_TEXT_H
#define JH_SERVER_CONTROL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ==== cdef: begin ==== */

enum { JH_CONTROL_TEXT_BYTES = 65536 };

/* A line that is being written; what does not fit is left out. */
typedef struct jh_control_text {
  char text[JH_CONTROL_TEXT_BYTES];
  size_t len;
} jh_control_text;

/* Begins an object. */
void jh_control_text_open(jh_control_text *text);

/* Adds a member. Bytes that are no UTF-8 become '?'. */
void jh_control_text_string(jh_control_text *text, const char *name, const char *value);
void jh_control_text_number(jh_control_text *text, const char *name, int64_t value);
void jh_control_text_bool(jh_control_text *text, const char *name, bool value);

/* Ends the object and the line. */
void jh_control_text_close(jh_control_text *text);

/* The member of that name in an object without its line end: text is written to `out`, cut where it
 * does not fit, numbers and words as they stand. False when there is none. */
bool jh_control_text_find(const char *line, const char *name, char *out, size_t out_bytes);

/* The same of a number that is not negative; `otherwise` when there is none. */
int64_t jh_control_text_find_number(const char *line, const char *name, int64_t otherwise);

/* ==== cdef: end ==== */

#endif
