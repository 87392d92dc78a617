/* options.c: turns text into the fields of jh_options, and back.
 *
 * Defaults take the same way in as everything else (jh_options_set), so a default that the table's
 * own bounds forbid cannot exist. Reading flags and the environment is options_read.c, printing is
 * options_print.c. */
#include "server/options.h"

#include "justhttp.h"
#include "base/alloc.h"
#include "base/check.h"
#include "base/str.h"
#include "http/ip_range.h"
#include "server/address.h"
#include "server/nearest.h"

#include <inttypes.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

static const jh_option_info infos[] = {
#define XX(name, kind, default_value, unit, min, max, help) \
  {#name, default_value, unit, help, min, max, JH_OPTION_##kind},
    JH_OPTIONS_MAP(XX)
#undef XX
};

static const size_t offsets[] = {
#define XX(name, ...) offsetof(jh_options, name),
    JH_OPTIONS_MAP(XX)
#undef XX
};

/* What is wrong with a value: completed by jh_options_set with name and value. */
typedef struct complaint {
  bool is_whole; /* `text` quotes the value itself */
  char text[256];
} complaint;

static void *field_of(jh_options *options, size_t index) {
  return (char *)options + offsets[index];
}

static const void *const_field_of(const jh_options *options, size_t index) {
  return (const char *)options + offsets[index];
}

/* ---- numbers ----------------------------------------------------------------------------- */

/* Digits of the given base up to the end or the first other byte. */
static int read_digits(const char *text, unsigned base, uint64_t *out, const char **end) {
  uint64_t number = 0;
  const char *at = text;
  for (; *at >= '0' && *at < (char)('0' + base); at++) {
    unsigned digit = (unsigned)(*at - '0');
    if (number > (UINT64_MAX - digit) / base) return JH_ERANGE;
    number = number * base + digit;
  }
  *out = number;
  *end = at;
  return at == text ? JH_EINVAL : 0;
}

static int read_bytes(const char *text, uint64_t *out) {
  const char *end;
  int rc = read_digits(text, 10, out, &end);
  if (rc != 0) return rc;
  unsigned shift = 0;
  if (*end == 'k' || *end == 'K') shift = 10;
  if (*end == 'm' || *end == 'M') shift = 20;
  if (*end == 'g' || *end == 'G') shift = 30;
  if (shift != 0) end++;
  if (*end != '\0') return JH_EINVAL;
  if (*out > UINT64_MAX >> shift) return JH_ERANGE;
  *out <<= shift;
  return 0;
}

static int read_whole(const char *text, unsigned base, uint64_t *out) {
  const char *end;
  int rc = read_digits(text, base, out, &end);
  return rc == 0 && *end != '\0' ? JH_EINVAL : rc;
}

static const char *expectation(int kind) {
  switch (kind) {
  case JH_OPTION_WORKERS:
    return "a number or auto";
  case JH_OPTION_BYTES:
    return "a number of bytes, or a number with k, m or g";
  case JH_OPTION_MS:
    return "a number of milliseconds without a unit";
  case JH_OPTION_MODE:
    return "an octal file mode such as 0660";
  default:
    return "a number";
  }
}

static int read_number(const jh_option_info *info, const char *text, uint64_t *out,
                       complaint *why) {
  int rc;
  if (info->kind == JH_OPTION_WORKERS && strcmp(text, "auto") == 0) {
    *out = 0;
    return 0;
  }
  if (info->kind == JH_OPTION_BYTES) {
    rc = read_bytes(text, out);
  } else {
    rc = read_whole(text, info->kind == JH_OPTION_MODE ? 8 : 10, out);
  }
  if (rc == JH_EINVAL) {
    snprintf(why->text, sizeof why->text, "write %s (default: %s)", expectation(info->kind),
             info->default_value);
    return JH_EINVAL;
  }
  if (rc == JH_ERANGE || *out < info->min || *out > info->max) {
    const char *format = info->kind == JH_OPTION_MODE ? "must be between %" PRIo64 " and %" PRIo64
                                                      : "must be between %" PRIu64 " and %" PRIu64;
    snprintf(why->text, sizeof why->text, format, info->min, info->max);
    return JH_ERANGE;
  }
  return 0;
}

/* ---- words ------------------------------------------------------------------------------- */

static int read_switch(const char *text, bool *out, complaint *why) {
  static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strcmp(text, words[i]) == 0) {
      *out = i % 2 == 1;
      return 0;
    }
  }
  snprintf(why->text, sizeof why->text, "write true or false");
  return JH_EINVAL;
}

/* Length of the word that starts at `words`; words are separated by '|'. */
static size_t word_len(const char *words) {
  return strcspn(words, "|");
}

static int read_choice(const jh_option_info *info, const char *text, int *out, complaint *why) {
  const char *at = info->unit;
  for (int i = 0;; i++) {
    size_t len = word_len(at);
    if (strlen(text) == len && memcmp(text, at, len) == 0) {
      *out = i;
      return 0;
    }
    if (at[len] == '\0') break;
    at += len + 1;
  }
  snprintf(why->text, sizeof why->text, "write one of %s", info->unit);
  return JH_EINVAL;
}

static bool is_off(const char *text) {
  return text[0] == '\0' || strcmp(text, "off") == 0 || strcmp(text, "false") == 0;
}

static int check_text(const jh_option_info *info, const char *text, complaint *why) {
  if (strlen(text) > info->max) {
    snprintf(why->text, sizeof why->text, "is longer than %" PRIu64 " bytes", info->max);
    return JH_ERANGE;
  }
  for (const char *at = text; *at != '\0'; at++) {
    if ((unsigned char)*at < ' ' || *at == 0x7f) {
      snprintf(why->text, sizeof why->text, "must not hold control characters");
      return JH_EINVAL;
    }
  }
  return 0;
}

static char *copy_of(const char *text, size_t len) {
  char *copy = jh_alloc(len + 1);
  memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}

/* ---- lists ------------------------------------------------------------------------------- */

static void empty_list(jh_option_list *list) {
  for (size_t i = 0; i < list->count; i++) jh_free(list->items[i]);
  jh_free(list->items);
  list->items = NULL;
  list->count = 0;
}

static void append_item(jh_option_list *list, const char *text, size_t len) {
  char **items = jh_alloc((list->count + 1) * sizeof *items);
  if (list->count != 0) memcpy(items, list->items, list->count * sizeof *items);
  jh_free(list->items);
  items[list->count++] = copy_of(text, len);
  list->items = items;
}

/* Appends every item of a comma separated list; returns how many. */
static size_t split_list(const char *text, jh_option_list *list) {
  size_t count = 0;
  for (const char *at = text;;) {
    const char *end = at + strcspn(at, ",");
    const char *first = at, *last = end;
    while (first < last && *first == ' ') first++;
    while (last > first && last[-1] == ' ') last--;
    if (last > first) {
      append_item(list, first, (size_t)(last - first));
      count++;
    }
    if (*end == '\0') return count;
    at = end + 1;
  }
}

static bool is_list(const jh_option_info *info) {
  return info->kind == JH_OPTION_ADDRESSES || info->kind == JH_OPTION_NETWORKS ||
         info->kind == JH_OPTION_FILES;
}

/* One item of a list. */
static int check_item(const jh_option_info *info, const char *item, complaint *why) {
  jh_address address;
  jh_ip_range range;
  int rc = 0;
  if (info->kind == JH_OPTION_ADDRESSES) {
    rc = jh_address_parse(&address, item, why->text, sizeof why->text);
    why->is_whole = rc != 0;
  } else if (info->kind == JH_OPTION_NETWORKS && strcmp(item, "unix") != 0 &&
             jh_ip_range_parse(jh_str_of(item), &range) != 0) {
    snprintf(why->text, sizeof why->text,
             "'%s' is no address; write 10.0.0.1, 10.0.0.0/8, 2001:db8::/32 or unix", item);
    rc = JH_EINVAL;
  }
  return rc;
}

static int check_list(const jh_option_info *info, const jh_option_list *present, const char *text,
                      bool extends, complaint *why) {
  jh_option_list items = {NULL, 0};
  int rc = 0;
  size_t count = split_list(text, &items);
  if (count < info->min) {
    snprintf(why->text, sizeof why->text, "names no address; write %s", info->default_value);
    rc = JH_EINVAL;
  } else if (count + (extends ? present->count : 0) > info->max) {
    snprintf(why->text, sizeof why->text, "at most %" PRIu64 " can be given", info->max);
    rc = JH_ERANGE;
  }
  for (size_t i = 0; i < count && rc == 0; i++) rc = check_item(info, items.items[i], why);
  empty_list(&items);
  return rc;
}

/* ---- set and get ------------------------------------------------------------------------- */

/* Reads `text` for line `index`; stores it unless `only_check`. */
static int set_field(jh_options *options, size_t index, const char *text, bool only_check,
                     bool extends, complaint *why) {
  const jh_option_info *info = &infos[index];
  void *field = field_of(options, index);
  uint64_t number = 0;
  bool on = false;
  int word = 0;
  int rc;
  switch (info->kind) {
  case JH_OPTION_SWITCH:
    rc = read_switch(text, &on, why);
    if (rc == 0 && !only_check) *(bool *)field = on;
    return rc;
  case JH_OPTION_CHOICE:
    rc = read_choice(info, text, &word, why);
    if (rc == 0 && !only_check) *(int *)field = word;
    return rc;
  case JH_OPTION_TEXT:
    rc = check_text(info, text, why);
    if (rc != 0 || only_check) return rc;
    jh_free(*(char **)field);
    *(char **)field = is_off(text) ? copy_of("", 0) : copy_of(text, strlen(text));
    return 0;
  case JH_OPTION_ADDRESSES:
  case JH_OPTION_NETWORKS:
  case JH_OPTION_FILES:
    rc = check_list(info, field, text, extends, why);
    if (rc != 0 || only_check) return rc;
    if (!extends) empty_list(field);
    split_list(text, field);
    return 0;
  default:
    rc = read_number(info, text, &number, why);
    if (rc != 0 || only_check) return rc;
    if (info->kind == JH_OPTION_BYTES) {
      *(uint64_t *)field = number;
    } else {
      *(uint32_t *)field = (uint32_t)number;
    }
    return 0;
  }
}

const char *jh_options_spell(const char *name, jh_option_source source, char *out,
                             size_t out_bytes) {
  const char *prefix = "";
  if (source == JH_OPTION_FROM_COMMAND_LINE) prefix = "--";
  if (source == JH_OPTION_FROM_ENVIRONMENT) prefix = "JUSTHTTP_";
  snprintf(out, out_bytes, "%s%s", prefix, name);
  for (char *at = out + strlen(prefix); *at != '\0'; at++) {
    if (source == JH_OPTION_FROM_COMMAND_LINE && *at == '_') *at = '-';
    if (source != JH_OPTION_FROM_COMMAND_LINE && *at == '-') *at = '_';
    if (source == JH_OPTION_FROM_ENVIRONMENT && *at >= 'a' && *at <= 'z')
      *at = (char)(*at - 'a' + 'A');
  }
  return out;
}

const char *jh_options_nearest(const char *name, size_t *distance) {
  static const char *const other_words[][2] = {
      {"port", "listen"},    {"host", "listen"},     {"bind", "listen"},
      {"address", "listen"}, {"threads", "workers"}, {"processes", "workers"},
  };
  jh_nearest nearest;
  jh_nearest_init(&nearest, name);
  for (size_t i = 0; i < JH_OPTIONS_COUNT; i++) jh_nearest_offer(&nearest, infos[i].name);
  if (distance != NULL) *distance = nearest.distance;
  for (size_t i = 0; i < sizeof other_words / sizeof other_words[0]; i++) {
    if (strcmp(name, other_words[i][0]) == 0) return other_words[i][1];
  }
  return nearest.best;
}

/* An error that quotes what somebody wrote is still one line. */
static void keep_one_line(char *text) {
  for (; *text != '\0'; text++) {
    if ((unsigned char)*text < ' ') *text = '?';
  }
}

static int refuse_unknown(const char *name, jh_option_source source, char *error,
                          size_t error_bytes) {
  char spelt[NAME_MAX_BYTES], meant[NAME_MAX_BYTES];
  const char *best = jh_options_nearest(name, NULL);
  jh_options_spell(name, source, spelt, sizeof spelt);
  if (best != NULL) {
    snprintf(error, error_bytes, "unknown option %s; did you mean %s?", spelt,
             jh_options_spell(best, source, meant, sizeof meant));
  } else {
    snprintf(error, error_bytes, "unknown option %s; `justhttp options` lists them", spelt);
  }
  keep_one_line(error);
  return JH_ENOTFOUND;
}

int jh_options_set(jh_options *options, const char *name, const char *value,
                   jh_option_source source, char *error, size_t error_bytes) {
  int index = jh_options_find(name);
  if (index < 0) return refuse_unknown(name, source, error, error_bytes);
  uint8_t *present = &options->sources[index];
  bool is_weaker = source < *present;
  bool extends = source == *present && source != JH_OPTION_FROM_DEFAULT;
  complaint why = {.is_whole = false};
  int rc = set_field(options, (size_t)index, value, is_weaker, extends, &why);
  if (rc == 0) {
    if (!is_weaker) *present = (uint8_t)source;
    return 0;
  }
  char spelt[NAME_MAX_BYTES];
  jh_options_spell(infos[index].name, source, spelt, sizeof spelt);
  if (why.is_whole) {
    snprintf(error, error_bytes, "%s: %s", spelt, why.text);
  } else {
    snprintf(error, error_bytes, "%s: '%.80s' %s%s", spelt, value,
             rc == JH_ERANGE ? "" : "is not valid; ", why.text);
  }
  keep_one_line(error);
  return rc;
}

int jh_options_find(const char *name) {
  for (size_t i = 0; i < JH_OPTIONS_COUNT; i++) {
    if (jh_nearest_distance(name, infos[i].name) == 0) return (int)i;
  }
  return -1;
}

const jh_option_info *jh_options_describe(size_t index) {
  return index < JH_OPTIONS_COUNT ? &infos[index] : NULL;
}

jh_option_source jh_options_source(const jh_options *options, size_t index) {
  JH_REQUIRE(index < JH_OPTIONS_COUNT);
  return (jh_option_source)options->sources[index];
}

static int write_list(const jh_option_list *list, char *out, size_t out_bytes) {
  size_t used = 0;
  out[0] = '\0';
  for (size_t i = 0; i < list->count && used < out_bytes; i++) {
    int n = snprintf(out + used, out_bytes - used, "%s%s", i == 0 ? "" : ",", list->items[i]);
    used += (size_t)n;
  }
  return (int)(used < out_bytes ? used : out_bytes - 1);
}

int jh_options_get(const jh_options *options, const char *name, char *out, size_t out_bytes) {
  int index = jh_options_find(name);
  if (index < 0 || out_bytes == 0) return index < 0 ? JH_ENOTFOUND : JH_EINVAL;
  const jh_option_info *info = &infos[index];
  const void *field = const_field_of(options, (size_t)index);
  int n = 0;
  switch (info->kind) {
  case JH_OPTION_SWITCH:
    n = snprintf(out, out_bytes, "%s", *(const bool *)field ? "true" : "false");
    break;
  case JH_OPTION_BYTES:
    n = snprintf(out, out_bytes, "%" PRIu64, *(const uint64_t *)field);
    break;
  case JH_OPTION_TEXT:
    n = snprintf(out, out_bytes, "%s", *(char *const *)field);
    break;
  case JH_OPTION_ADDRESSES:
  case JH_OPTION_NETWORKS:
  case JH_OPTION_FILES:
    n = write_list(field, out, out_bytes);
    break;
  case JH_OPTION_MODE:
    n = snprintf(out, out_bytes, "%04" PRIo32, *(const uint32_t *)field);
    break;
  case JH_OPTION_CHOICE: {
    const char *at = info->unit;
    for (int i = *(const int *)field; i > 0; i--) at += word_len(at) + 1;
    n = snprintf(out, out_bytes, "%.*s", (int)word_len(at), at);
    break;
  }
  default:
    if (info->kind == JH_OPTION_WORKERS && *(const uint32_t *)field == 0) {
      n = snprintf(out, out_bytes, "auto");
    } else {
      n = snprintf(out, out_bytes, "%" PRIu32, *(const uint32_t *)field);
    }
  }
  return (size_t)n < out_bytes ? n : (int)out_bytes - 1;
}

/* ---- life -------------------------------------------------------------------------------- */

void jh_options_init(jh_options *options) {
  char error[256] = "";
  memset(options, 0, sizeof *options);
  for (size_t i = 0; i < JH_OPTIONS_COUNT; i++) {
    int rc = jh_options_set(options, infos[i].name, infos[i].default_value, JH_OPTION_FROM_DEFAULT,
                            error, sizeof error);
    JH_REQUIRE(rc == 0);
  }
}

void jh_options_deinit(jh_options *options) {
  for (size_t i = 0; i < JH_OPTIONS_COUNT; i++) {
    if (infos[i].kind == JH_OPTION_TEXT) jh_free(*(char **)field_of(options, i));
    if (is_list(&infos[i])) empty_list(field_of(options, i));
  }
  memset(options, 0, sizeof *options);
}

jh_options *jh_options_new(void) {
  jh_options *options = jh_alloc(sizeof *options);
  jh_options_init(options);
  return options;
}

void jh_options_free(jh_options *options) {
  if (options == NULL) return;
  jh_options_deinit(options);
  jh_free(options);
}
