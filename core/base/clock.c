/* clock.c: reads the kernel's clocks and writes times digit by digit. */
#include "base/clock.h"

#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now); /* cannot fail for the clocks used here */
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t jh_clock_monotonic_ms(void) {
  return (uint64_t)read_ms(CLOCK_MONOTONIC);
}

uint64_t jh_clock_monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t jh_clock_unix_ms(void) {
  return read_ms(CLOCK_REALTIME);
}

static int64_t clamp(int64_t value, int64_t min, int64_t max) {
  return value < min ? min : value > max ? max : value;
}

static struct tm utc_of(int64_t unix_s) {
  const int64_t last_second_of_9999 = 253402300799;
  time_t time = (time_t)clamp(unix_s, 0, last_second_of_9999);
  struct tm tm;
  gmtime_r(&time, &tm);
  return tm;
}

/* Writes `value` in `width` digits, with leading zeros. */
static void write_digits(char *out, int value, int width) {
  for (int i = width - 1; i >= 0; i--) {
    out[i] = (char)('0' + value % 10);
    value /= 10;
  }
}

static void write_time(char *out, const struct tm *tm) {
  write_digits(out, tm->tm_hour, 2);
  write_digits(out + 3, tm->tm_min, 2);
  write_digits(out + 6, tm->tm_sec, 2);
}

void jh_date_update(jh_date *date, int64_t unix_s) {
  static const char days[] = "SunMonTueWedThuFriSat";
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (date->second == unix_s && date->text[0] != '\0') return;
  struct tm tm = utc_of(unix_s);
  char *text = date->text;
  memcpy(text, "Sun, 01 Jan 1970 00:00:00 GMT", JH_DATE_LEN + 1);
  memcpy(text, days + (size_t)tm.tm_wday * 3, 3);
  write_digits(text + 5, tm.tm_mday, 2);
  memcpy(text + 8, months + (size_t)tm.tm_mon * 3, 3);
  write_digits(text + 12, tm.tm_year + 1900, 4);
  write_time(text + 17, &tm);
  date->second = unix_s;
}

void jh_clock_write_utc(char out[25], int64_t unix_ms) {
  const int64_t last_ms_of_9999 = 253402300799999;
  unix_ms = clamp(unix_ms, 0, last_ms_of_9999);
  struct tm tm = utc_of(unix_ms / 1000);
  memcpy(out, "1970-01-01T00:00:00.000Z", 25);
  write_digits(out, tm.tm_year + 1900, 4);
  write_digits(out + 5, tm.tm_mon + 1, 2);
  write_digits(out + 8, tm.tm_mday, 2);
  write_time(out + 11, &tm);
  write_digits(out + 20, (int)(unix_ms % 1000), 3);
}
