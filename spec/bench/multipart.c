/* multipart.c: the multipart parser alone, in pieces of 64 KiB, over random bytes and over text
 * that looks like boundaries.
 *
 *   multipart
 *
 * Prints "random N" and "lures N", N being microseconds of CPU per megabyte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "http/multipart.h"

enum { PIECE_BYTES = 65536, MEGABYTES = 2000 };

static const char head[] = "--bench7MA4YWxkTrZu0gW\r\n"
                           "Content-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n";

static double measure(const char *piece) {
  static jh_multipart multipart;
  jh_multipart_event event;
  size_t used;
  jh_multipart_init(&multipart, JH_STR("bench7MA4YWxkTrZu0gW"), NULL);
  int result = jh_multipart_next(&multipart, head, sizeof head - 1, &used, &event);
  clock_t start = clock();
  double done = 0;
  for (; result >= 0 && done < MEGABYTES * 1e6; done += PIECE_BYTES) {
    for (size_t at = 0; result >= 0 && at < PIECE_BYTES; at += used) {
      result = jh_multipart_next(&multipart, piece + at, PIECE_BYTES - at, &used, &event);
    }
  }
  if (result < 0) exit(1);
  return (double)(clock() - start) / CLOCKS_PER_SEC * 1e6 / (done / 1e6);
}

int main(void) {
  static char random[PIECE_BYTES], lures[PIECE_BYTES];
  static const char lure[] = "\r\n--bench7MA4YWxkTrZu0g\r\n--\r\r\n-";
  for (size_t i = 0; i < PIECE_BYTES; i++) {
    random[i] = (char)rand();
    lures[i] = lure[i % (sizeof lure - 1)];
  }
  printf("random %.1f\nlures %.1f\n", measure(random), measure(lures));
  return 0;
}
