/* scaffold.h: `justhttp new` and `justhttp stubs`: writes files that the build put into the binary
 * (lua/embed.h) into a directory. */
#ifndef JH_SERVER_SCAFFOLD_H
#define JH_SERVER_SCAFFOLD_H

#include <stddef.h>

/* Makes the directory `dir` (its parent must be there) with an app in it, stubs included. A
 * directory that is there must be empty. 0 or a negative code and one line in `error`. */
int jh_scaffold_new(const char *dir, char *error, size_t error_bytes);

/* Writes dir/.justhttp/stubs anew. 0 or a negative code and one line in `error`. */
int jh_scaffold_stubs(const char *dir, char *error, size_t error_bytes);

#endif
