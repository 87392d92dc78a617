/* date_fuzz.c: reads an HTTP-date.
 *
 * The input is the text. What must hold:
 *  - No byte outside the text is read (it is a block of its own under ASan).
 *  - Writing the moment in the form that was read gives the text again, but for the weekday, a leap
 *    second and the leading zero of asctime's day; the C library's calendar does the writing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "http/date.h"

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "date_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

/* Writes what stands behind the weekday. */
static void write_rest(const struct tm *tm, jh_str text, char *out, size_t out_bytes) {
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const char *month = months[tm->tm_mon];
  int year = tm->tm_year + 1900;
  if (text.ptr[3] == ' ') {
    snprintf(out, out_bytes,
             text.ptr[8] == '0' ? " %s %02d %02d:%02d:%02d %04d" : " %s %2d %02d:%02d:%02d %04d",
             month, tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec, year);
  } else if (text.ptr[3] == ',') {
    snprintf(out, out_bytes, ", %02d %s %04d %02d:%02d:%02d GMT", tm->tm_mday, month, year,
             tm->tm_hour, tm->tm_min, tm->tm_sec);
  } else {
    snprintf(out, out_bytes, ", %02d-%s-%02d %02d:%02d:%02d GMT", tm->tm_mday, month, year % 100,
             tm->tm_hour, tm->tm_min, tm->tm_sec);
  }
}

static void check(jh_str text, int64_t unix_s) {
  char rest[64];
  struct tm tm;
  bool is_short = text.ptr[3] == ' ' || text.ptr[3] == ',';
  const char *comma = memchr(text.ptr, ',', text.len);
  size_t day_len = is_short ? 3 : (size_t)(comma - text.ptr);
  if (memmem(text.ptr, text.len, ":60 ", 4) != NULL) return;
  time_t time = (time_t)unix_s;
  MUST(gmtime_r(&time, &tm) != NULL);
  write_rest(&tm, text, rest, sizeof(rest));
  MUST(strlen(rest) == text.len - day_len);
  MUST(memcmp(rest, text.ptr + day_len, text.len - day_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  char *copy = malloc(bytes > 0 ? bytes : 1);
  MUST(copy != NULL);
  if (bytes > 0) memcpy(copy, data, bytes);
  jh_str text = {copy, bytes};
  int64_t unix_s = 0;
  if (jh_date_parse(text, 1800000000, &unix_s) == 0) check(text, unix_s);
  free(copy);
  return 0;
}
