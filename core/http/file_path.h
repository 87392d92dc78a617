/* file_path.h: what can be said of the path of a file without looking at the disk.
 *
 * Paths here are relative to a directory that files are served from, already percent-decoded, with
 * '/' between their parts. Whether a path leaves its directory by a symbolic link only the kernel
 * can tell; net/file_root.c asks it. */
#ifndef JH_HTTP_FILE_PATH_H
#define JH_HTTP_FILE_PATH_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Longest path that is looked up. */
enum { JH_FILE_PATH_MAX_BYTES = 1024 };

/* True for a path that may be looked up: no NUL, no empty part, none that is "." or "..", and
 * unless `allows_dotfiles` none that begins with a dot, ".well-known" (RFC 8615) excepted. A slash
 * at the end is allowed; so is "", the directory itself. */
bool jh_file_path_is_allowed(jh_str path, bool allows_dotfiles);

/* True when the name of the file holds a hash of its contents, so that what is behind it never
 * changes: "app.3f9a1c2b.js", "index-BxY7aQ2z.css". A wrong yes would keep a stale file in browsers
 * for a year, so there must be a name before the hash, an extension that bundlers write behind it,
 * and a hash that no word, number or date looks like. */
bool jh_file_path_is_fingerprinted(jh_str path);

/* ==== cdef: end ==== */

#endif
