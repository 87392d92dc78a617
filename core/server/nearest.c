/* nearest.c: edit distance with neighbour swaps (optimal string alignment), over three rows.
 *
 * A word is close when a third of its letters, and at least two, would have to change. A word
 * that is part of a candidate counts as close too: nobody should have to type `max_body` exactly
 * right to learn about `max_body_bytes`. */
#include "server/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 63, PART_MIN = 3 };

static char plain(char c) {
  if (c == '_') return '-';
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

size_t jh_nearest_distance(const char *a, const char *b) {
  size_t rows[3][WORD_MAX + 1];
  size_t a_len = strlen(a), b_len = strlen(b);
  if (a_len > WORD_MAX || b_len > WORD_MAX) return a_len > b_len ? a_len : b_len;
  for (size_t j = 0; j <= b_len; j++) rows[0][j] = j;
  for (size_t i = 1; i <= a_len; i++) {
    size_t *row = rows[i % 3];
    const size_t *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      char x = plain(a[i - 1]), y = plain(b[j - 1]);
      row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x == y ? 0 : 1));
      if (i > 1 && j > 1 && x == plain(b[j - 2]) && y == plain(a[i - 2]))
        row[j] = least(row[j], two_above[j - 2] + 1);
    }
  }
  return rows[a_len % 3][b_len];
}

static bool is_part_of(const char *part, const char *whole) {
  size_t part_len = strlen(part), whole_len = strlen(whole);
  if (part_len < PART_MIN) return false;
  for (size_t at = 0; at + part_len <= whole_len; at++) {
    size_t i = 0;
    while (i < part_len && plain(part[i]) == plain(whole[at + i])) i++;
    if (i == part_len) return true;
  }
  return false;
}

void jh_nearest_init(jh_nearest *nearest, const char *word) {
  nearest->word = word;
  nearest->best = NULL;
  nearest->distance = SIZE_MAX;
}

void jh_nearest_offer(jh_nearest *nearest, const char *candidate) {
  size_t distance = jh_nearest_distance(nearest->word, candidate);
  size_t allowed = strlen(nearest->word) / 3;
  if (allowed < 2) allowed = 2;
  if (distance >= strlen(candidate)) return; /* nothing of the candidate is left */
  /* Parts rank behind every misspelling, the shortest candidate first. */
  if (distance > allowed) {
    if (!is_part_of(nearest->word, candidate)) return;
    distance += WORD_MAX;
  }
  if (distance < nearest->distance) {
    nearest->distance = distance;
    nearest->best = candidate;
  }
}
