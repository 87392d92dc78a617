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
  uint32_t line;   /* offset of the current line */
  uint32_t next;   /* offset of the first byte that was not looked at */
  uint32_t origin; /* offset of the byte that the lowest of `bits` stands for */
  uint32_t bits;   /* bytes looked at that are unusual in a line and not yet judged */
} jh_head_scanner;

/* Looks for the end of the line that starts at scanner->line in the `len` bytes at `data`. On
 * JH_SCAN_LINE, *line_len is its length without CRLF and the scanner stands at the next line; on
 * JH_SCAN_ERROR, *reason says why. Nothing at or behind data + len is read. */
jh_scan jh_head_scanner_line(jh_head_scanner *scanner, const char *data, size_t len,
                             uint32_t *line_len, const char **reason);

/* Splits the field line of `line_len` bytes at offset `line`, which jh_head_scanner_line() found in
 * the `len` bytes at `data`, into name and value. 0 or JH_EINVAL with *reason. */
int jh_head_scanner_field(const char *data, size_t len, uint32_t line, uint32_t line_len,
                          jh_header *field, const char **reason);

/* ==== cdef: end ==== */

#endif
