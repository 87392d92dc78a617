/* date.c: the three forms as templates, then the calendar.
 *
 * A template has the bytes of the form; digits and letters that vary stand for what they are part
 * of. Matching it checks every byte and collects the numbers. */
#include "http/date.h"

#include <string.h>

#include "base/str.h"

/* In a template: D day, Y year, h m s time, M the month's name, w the weekday's; '_' is a space or
 * a digit of the day. All other bytes stand for themselves. */
static const char imf_form[] = "www, DD nnn YYYY hh:mm:ss GMT";
static const char rfc850_form[] = ", DD-nnn-YY hh:mm:ss GMT";
static const char asctime_form[] = "www nnn _D hh:mm:ss YYYY";

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char day_names[] = "SunMonTueWedThuFriSat";

typedef struct moment {
  int64_t year;
  int month, day, hour, minute, second; /* month 1 to 12 */
} moment;

static int *field_of(moment *moment, char letter) {
  switch (letter) {
  case 'D':
  case '_':
    return &moment->day;
  case 'h':
    return &moment->hour;
  case 'm':
    return &moment->minute;
  default:
    return &moment->second;
  }
}

/* Place of a name of three letters in the list, from 1; 0 when it is not there. */
static int find_name(const char *names, const char *name) {
  for (int i = 0; names[i] != '\0'; i += 3) {
    if (memcmp(names + i, name, 3) == 0) return i / 3 + 1;
  }
  return 0;
}

/* Takes one byte, or a name of three; returns how many, 0 when they do not fit the template. */
static size_t match_letter(char letter, const char *text, moment *moment) {
  char byte = *text;
  switch (letter) {
  case 'w':
    return find_name(day_names, text) > 0 ? 3 : 0;
  case 'n':
    moment->month = find_name(month_names, text);
    return moment->month > 0 ? 3 : 0;
  case '_':
    if (byte == ' ') return 1;
    break;
  case 'Y':
  case 'D':
  case 'h':
  case 'm':
  case 's':
    break;
  default:
    return byte == letter;
  }
  if (byte < '0' || byte > '9') return 0;
  if (letter == 'Y') {
    moment->year = moment->year * 10 + (byte - '0');
  } else {
    int *field = field_of(moment, letter);
    *field = *field * 10 + (byte - '0');
  }
  return 1;
}

static bool match(const char *form, size_t form_len, jh_str text, moment *moment) {
  if (text.len != form_len) return false;
  for (size_t i = 0; i < form_len;) {
    size_t count = match_letter(form[i], text.ptr + i, moment);
    if (count == 0) return false;
    i += count;
  }
  return true;
}

/* Length of a whole name of a weekday at the beginning of the text, or 0. */
static size_t long_day_len(jh_str text) {
  static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    size_t len = strlen(names[i]);
    if (text.len > len && memcmp(text.ptr, names[i], len) == 0 && text.ptr[len] == ',') return len;
  }
  return 0;
}

static bool is_leap(int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_possible(const moment *moment) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int day_max = days[moment->month - 1] + (moment->month == 2 && is_leap(moment->year));
  if (moment->day < 1 || moment->day > day_max) return false;
  /* 60 is a leap second. */
  return moment->hour < 24 && moment->minute < 60 && moment->second <= 60;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar, for years from 0 on. Years begin in
 * March here, so that the leap day is the last of its year. */
static int64_t days_since_1970(int64_t year, int month, int day) {
  const int64_t days_to_1970 = 719468;
  int64_t from_march = month > 2 ? month - 3 : month + 9;
  if (month <= 2) year--;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * from_march + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - days_to_1970;
}

static int64_t to_unix(const moment *moment) {
  int64_t days = days_since_1970(moment->year, moment->month, moment->day);
  return days * 86400 + moment->hour * 3600 + moment->minute * 60 + moment->second;
}

/* RFC 9110 §5.6.7: what seems to be more than 50 years ahead is the most recent year in the past
 * that ends in the same two digits. */
static void place_century(moment *moment, int64_t now_s) {
  const int64_t average_year_s = 31556952;
  int64_t now_year = 1970 + now_s / average_year_s;
  int64_t last_two = moment->year;
  moment->year = now_year - now_year % 100 + last_two;
  if (moment->year > now_year + 50) moment->year -= 100;
  if (moment->year <= now_year - 50) moment->year += 100;
}

int jh_date_parse(jh_str text, int64_t now_s, int64_t *unix_s) {
  moment moment = {0};
  size_t day_len = long_day_len(text);
  bool matches = false;
  if (day_len > 0) {
    jh_str rest = {text.ptr + day_len, text.len - day_len};
    matches = match(rfc850_form, sizeof(rfc850_form) - 1, rest, &moment);
    if (matches) place_century(&moment, now_s);
  } else if (text.len == sizeof(imf_form) - 1) {
    matches = match(imf_form, sizeof(imf_form) - 1, text, &moment);
  } else {
    matches = match(asctime_form, sizeof(asctime_form) - 1, text, &moment);
  }
  if (!matches || !is_possible(&moment)) return JH_EINVAL;
  *unix_s = to_unix(&moment);
  return 0;
}
