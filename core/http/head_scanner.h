/* head_scanner.h: finds the lines of a message head and validates every byte of them.
 *
 * The parser calls it, line by line. It knows the grammar of RFC 9112 §2.2 and §5 and nothing of
 * what the fields mean: a line ends in CRLF and holds no other control byte than tab, a field name
 * is a token followed at once by its colon, a value has no white space around it. Bare CR, bare
 * LF, NUL, folded lines and spaces before the colon are errors, whatever the line says.
 *
 * It is resumable: bytes that were looked at are not looked at again when more arrive. */
#ifndef JH_HTTP_HEAD_SCANNER_H
#define JH_HTTP_HEAD_SCANNER_H

#include "http/request.h"

/* ==== cdef: begin ==== */

typedef enum jh_scan {
  JH_SCAN_LINE = 0,  /* a whole line is there */
  JH_SCAN_MORE = 1,  /* its end has not come yet */
  JH_SCAN_ERROR = -1 /* a byte that no line may have */
} jh_scan;

typedef struct jh_head_scanner {
  uint32_t line; /* offset of the current line */
  uint32_t seen; /* offset up to which the current line was looked at */
} jh_head_scanner;

/* Looks for the end of the line that starts at scanner->line in the `len` bytes at `data`. On
 * JH_SCAN_LINE, *line_len is its length without CRLF and the scanner stands at the next line; on
 * JH_SCAN_ERROR, *reason says why. Nothing at or behind data + len is read. */
jh_scan jh_head_scanner_line(jh_head_scanner *scanner, const char *data, size_t len,
                             uint32_t *line_len, const char **reason);

/* Splits a field line at `line` of `line_len` bytes (which the scanner has passed) into name and
 * value; offsets relative to `line`. `readable` bytes may be read from there, at least the line.
 * 0 or JH_EINVAL with *reason. */
int jh_head_scanner_field(const char *line, uint32_t line_len, size_t readable, jh_header *field,
                          const char **reason);

/* ==== cdef: end ==== */

#endif
