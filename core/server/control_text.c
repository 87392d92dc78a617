/* control_text.c: writing and reading flat JSON objects. Nested values are passed over when they
 * are strings, numbers or words; there are no others. */
#include "server/control_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Room that stays for what ends the line. */
enum { RESERVED_BYTES = 8 };

static void put(jh_control_text *text, const char *bytes, size_t len) {
  if (text->len + len + RESERVED_BYTES > sizeof text->text) return;
  memcpy(text->text + text->len, bytes, len);
  text->len += len;
}

static void put_name(jh_control_text *text, const char *name) {
  if (text->len > 1) put(text, ",", 1);
  put(text, "\"", 1);
  put(text, name, strlen(name));
  put(text, "\":", 2);
}

void jh_control_text_open(jh_control_text *text) {
  text->len = 0;
  put(text, "{", 1);
}

void jh_control_text_string(jh_control_text *text, const char *name, const char *value) {
  size_t name_bytes = strlen(name) + 8;
  bool is_plain = jh_utf8_is_valid((jh_str){value, strlen(value)});
  if (text->len + name_bytes + RESERVED_BYTES > sizeof text->text) return;
  put_name(text, name);
  put(text, "\"", 1);
  for (const char *at = value; *at; at++) {
    char escaped[8];
    unsigned char byte = (unsigned char)*at;
    if (text->len + sizeof escaped + RESERVED_BYTES > sizeof text->text) break;
    if (byte == '"' || byte == '\\') {
      put(text, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\%c", byte));
    } else if (byte == '\n') {
      put(text, "\\n", 2);
    } else if (byte < 0x20 || byte == 0x7f) {
      put(text, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", byte));
    } else {
      put(text, byte >= 0x80 && !is_plain ? "?" : at, 1);
    }
  }
  text->text[text->len++] = '"';
}

void jh_control_text_number(jh_control_text *text, const char *name, int64_t value) {
  char digits[24];
  put_name(text, name);
  put(text, digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)value));
}

void jh_control_text_bool(jh_control_text *text, const char *name, bool value) {
  put_name(text, name);
  put(text, value ? "true" : "false", value ? 4 : 5);
}

void jh_control_text_close(jh_control_text *text) {
  memcpy(text->text + text->len, "}\n", 3);
  text->len += 2;
}

/* ---- reading ----------------------------------------------------------------------------- */

static const char *skip_space(const char *at) {
  while (*at == ' ' || *at == '\t') at++;
  return at;
}

/* Writes a code point below 0x10000. */
static size_t encode(unsigned long code, char *out) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3f));
    return 2;
  }
  out[0] = (char)(0xe0 | code >> 12);
  out[1] = (char)(0x80 | (code >> 6 & 0x3f));
  out[2] = (char)(0x80 | (code & 0x3f));
  return 3;
}

static size_t read_escape(const char **at, char *out) {
  char digits[5] = "";
  switch (**at) {
  case 'n':
    out[0] = '\n';
    return 1;
  case 't':
    out[0] = '\t';
    return 1;
  case 'r':
    out[0] = '\r';
    return 1;
  case 'u':
    for (int i = 0; i < 4 && (*at)[1] != '\0'; i++) digits[i] = *++*at;
    return encode(strtoul(digits, NULL, 16), out);
  default:
    out[0] = **at;
    return 1;
  }
}

/* `at` stands behind the quote; returns where the text after the string begins, or NULL. */
static const char *read_string(const char *at, char *out, size_t out_bytes) {
  size_t len = 0;
  for (; *at != '"'; at++) {
    char bytes[4];
    size_t count = 1;
    if (*at == '\0') return NULL;
    bytes[0] = *at;
    if (*at == '\\') {
      if (*++at == '\0') return NULL;
      count = read_escape(&at, bytes);
    }
    if (len + count < out_bytes) {
      memcpy(out + len, bytes, count);
      len += count;
    }
  }
  if (out_bytes > 0) out[len] = '\0';
  return at + 1;
}

static const char *read_word(const char *at, char *out, size_t out_bytes) {
  size_t len = strcspn(at, ",} \t");
  size_t fitting = len < out_bytes ? len : out_bytes - 1;
  memcpy(out, at, fitting);
  out[fitting] = '\0';
  return len > 0 ? at + len : NULL;
}

bool jh_control_text_find(const char *line, const char *name, char *out, size_t out_bytes) {
  char key[64], ignored[2];
  const char *at = skip_space(line);
  if (*at != '{') return false;
  do {
    at = skip_space(at + 1);
    if (*at != '"') return false;
    at = read_string(at + 1, key, sizeof key);
    if (at == NULL) return false;
    at = skip_space(at);
    if (*at != ':') return false;
    at = skip_space(at + 1);
    bool is_it = strcmp(key, name) == 0;
    char *target = is_it ? out : ignored;
    size_t target_bytes = is_it ? out_bytes : sizeof ignored;
    at = *at == '"' ? read_string(at + 1, target, target_bytes)
                    : read_word(at, target, target_bytes);
    if (at == NULL) return false;
    if (is_it) return true;
    at = skip_space(at);
  } while (*at == ',');
  return false;
}

int64_t jh_control_text_find_number(const char *line, const char *name, int64_t otherwise) {
  char digits[24];
  char *end;
  if (!jh_control_text_find(line, name, digits, sizeof digits)) return otherwise;
  long long number = strtoll(digits, &end, 10);
  return *end == '\0' && end != digits && number >= 0 ? number : otherwise;
}
