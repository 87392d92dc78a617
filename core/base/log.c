/* log.c: makes a line on the stack and hands it to the kernel.
 *
 * Nothing is buffered: what was logged is out even if the next instruction crashes. A line the
 * kernel does not take (full disk, closed pipe) is counted and forgotten: logging must not stop the
 * server. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

extern inline bool jh_log_is_on(const jh_log *log, int level);

enum { CUT_MARK_LEN = 3, ESCAPE_BYTES = 8 };

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void jh_log_init(jh_log *log, int fd, int level, bool json) {
  *log = (jh_log){.fd = fd, .level = level, .json = json};
}

const char *jh_log_level_name(int level) {
  return level_names[level < JH_LOG_DEBUG ? JH_LOG_DEBUG : level > JH_LOG_OFF ? JH_LOG_OFF : level];
}

int jh_log_level_find(jh_str name) {
  for (int level = JH_LOG_DEBUG; level <= JH_LOG_OFF; level++) {
    if (jh_str_equal(name, jh_str_of(level_names[level]))) return level;
  }
  return JH_ENOTFOUND;
}

/* ---- escaping ------------------------------------------------------------------------------- */

/* Text is for people: a backslash stays what it is there. */
static bool is_plain(unsigned char c, bool json) {
  return c >= 0x20 && c < 0x7f && !(json && (c == '"' || c == '\\'));
}

/* Bytes of the UTF-8 character at `text`, 0 if there is none (RFC 3629: shortest form only, no
 * surrogates, nothing above U+10FFFF). */
static size_t utf8_len(const unsigned char *text, size_t len) {
  unsigned char c = text[0], second_min = 0x80, second_max = 0xbf;
  size_t need;
  if (c < 0x80) return 1;
  if (c < 0xc2) return 0;
  if (c < 0xe0) {
    need = 2;
  } else if (c < 0xf0) {
    need = 3;
    if (c == 0xe0) second_min = 0xa0;
    if (c == 0xed) second_max = 0x9f;
  } else if (c < 0xf5) {
    need = 4;
    if (c == 0xf0) second_min = 0x90;
    if (c == 0xf4) second_max = 0x8f;
  } else {
    return 0;
  }
  if (len < need || text[1] < second_min || text[1] > second_max) return 0;
  for (size_t i = 2; i < need; i++) {
    if (text[i] < 0x80 || text[i] > 0xbf) return 0;
  }
  return need;
}

/* Writes the character at `text`, which is not plain, into `out`. Returns the bytes written; *taken
 * is how many bytes of `text` they stand for. */
static size_t escape(const unsigned char *text, size_t len, bool json, char out[ESCAPE_BYTES],
                     size_t *taken) {
  static const char from[] = "\n\r\t\\\"", to[] = "nrt\\\"";
  unsigned char c = text[0];
  const char *letter = memchr(from, c, sizeof(from) - 1);
  size_t char_len = utf8_len(text, len);
  *taken = char_len > 0 ? char_len : 1;
  if (letter != NULL) return (size_t)snprintf(out, ESCAPE_BYTES, "\\%c", to[letter - from]);
  if (char_len == 0) return (size_t)snprintf(out, ESCAPE_BYTES, json ? "\\\\x%02x" : "\\x%02x", c);
  if (char_len == 1) return (size_t)snprintf(out, ESCAPE_BYTES, json ? "\\u%04x" : "\\x%02x", c);
  if (c == 0xc2 && text[1] < 0xa0) { /* C1: U+009B starts terminal commands as ESC [ does */
    return (size_t)snprintf(out, ESCAPE_BYTES, "\\u%04x", text[1]);
  }
  memcpy(out, text, char_len);
  return char_len;
}

/* Writes `text` escaped into `out`; what does not fit is cut between characters and marked. Returns
 * the bytes written. */
static size_t write_escaped(char *out, size_t capacity, const char *text, size_t len, bool json) {
  const unsigned char *bytes = (const unsigned char *)text;
  size_t limit = capacity - CUT_MARK_LEN, at = 0, taken;
  for (size_t i = 0; i < len; i += taken) {
    char piece[ESCAPE_BYTES] = {text[i]};
    size_t piece_len = taken = 1;
    if (!is_plain(bytes[i], json)) piece_len = escape(bytes + i, len - i, json, piece, &taken);
    if (at + piece_len > limit) {
      memcpy(out + at, "...", CUT_MARK_LEN);
      return at + CUT_MARK_LEN;
    }
    memcpy(out + at, piece, piece_len);
    at += piece_len;
  }
  return at;
}

/* ---- lines ---------------------------------------------------------------------------------- */

void jh_log_write(jh_log *log, int level, const char *text, size_t len) {
  if (!jh_log_is_on(log, level)) return;
  int saved_errno = errno; /* callers log first and look at errno later */
  const char *head =
      log->json ? "{\"time\":\"%s\",\"level\":\"%s\",\"pid\":%d,\"msg\":\"" : "%s %s [%d] ";
  jh_str tail = log->json ? JH_STR("\"}\n") : JH_STR("\n");
  char line[JH_LOG_LINE_BYTES], time[25];
  jh_clock_write_utc(time, jh_clock_unix_ms());
  /* The pid is asked for every time: a fork may lie between two lines. */
  size_t at = (size_t)snprintf(line, sizeof(line), head, time, jh_log_level_name(level), getpid());
  at += write_escaped(line + at, sizeof(line) - at - tail.len, text, len, log->json);
  memcpy(line + at, tail.ptr, tail.len);
  at += tail.len;
  ssize_t written;
  do {
    written = write(log->fd, line, at);
  } while (written < 0 && errno == EINTR);
  if (written != (ssize_t)at) log->lost_count++;
  errno = saved_errno;
}

/* Makes a message of `format` and writes it with `suffix` behind it. */
static void write_formatted(jh_log *log, int level, const char *suffix, const char *format,
                            va_list args) {
  char text[JH_LOG_LINE_BYTES];
  int len = vsnprintf(text, sizeof(text), format, args);
  if (len < 0) return;
  size_t at = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
  at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", suffix);
  jh_log_write(log, level, text, at < sizeof(text) ? at : sizeof(text) - 1);
}

void jh_log_printf(jh_log *log, int level, const char *format, ...) {
  if (!jh_log_is_on(log, level)) return;
  va_list args;
  va_start(args, format);
  write_formatted(log, level, "", format, args);
  va_end(args);
}

void jh_log_limited(jh_log *log, jh_log_gate *gate, int level, const char *format, ...) {
  if (!jh_log_is_on(log, level)) return;
  uint64_t now_ms = jh_clock_monotonic_ms();
  if (now_ms < gate->open_at_ms) {
    gate->held_count++;
    return;
  }
  char suffix[64] = "";
  if (gate->held_count > 0) {
    snprintf(suffix, sizeof(suffix), " (and %" PRIu64 " times before)", gate->held_count);
  }
  gate->open_at_ms = now_ms + JH_LOG_GATE_MS;
  gate->held_count = 0;
  va_list args;
  va_start(args, format);
  write_formatted(log, level, suffix, format, args);
  va_end(args);
}
