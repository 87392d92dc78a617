/* nearest.h: finds the word somebody probably meant. Option names, commands and config keys that
 * are not known are answered with the closest known one. Used before the server runs only. */
#ifndef JH_SERVER_NEAREST_H
#define JH_SERVER_NEAREST_H

#include <stddef.h>

/* ==== cdef: begin ==== */

/* A search in progress: init, offer every candidate, then read `best`. */
typedef struct jh_nearest {
  const char *word;
  const char *best; /* closest candidate so far; NULL when none is close */
  size_t distance;  /* of `best`: the number of edits that separate it from `word` */
} jh_nearest;

/* `word` and the candidates must live as long as the search. '-' and '_' are the same. */
void jh_nearest_init(jh_nearest *nearest, const char *word);
void jh_nearest_offer(jh_nearest *nearest, const char *candidate);

/* Number of letters inserted, removed, replaced or swapped with their neighbour to get from `a` to
 * `b`. Words longer than 63 bytes are as far apart as their lengths. */
size_t jh_nearest_distance(const char *a, const char *b);

/* ==== cdef: end ==== */

#endif
