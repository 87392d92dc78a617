/* mime.h: the media type of a file by the end of its name.
 *
 * For answers with files. Types of text carry "; charset=utf-8", which is what text is today; types
 * whose format says its own encoding (JSON, XML in application/, SVG) do not. What is not known is
 * application/octet-stream: a browser then saves it instead of guessing. */
#ifndef JH_HTTP_MIME_H
#define JH_HTTP_MIME_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Type for an extension without its dot, in any case. Static text; ptr NULL when it is not known.
 */
jh_str jh_mime_of_extension(jh_str extension);

/* Type for a path: by what follows the last dot of its last part; a dot that begins the part does
 * not count. Static text, never empty. */
jh_str jh_mime_of_path(jh_str path);

/* ==== cdef: end ==== */

#endif
