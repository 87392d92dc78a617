/* disposition.c: parameters, one after the other; what they say is decoded as it is copied.
 *
 * Decoding never makes a text longer, so room for the whole value is room for all names in it. A
 * parameter that comes twice is refused: readers differ in which of the two they believe. */
#include "http/disposition.h"

#include <string.h>

#include "base/str.h"
#include "base/utf8.h"
#include "http/token.h"

typedef struct reader {
  const char *at;
  const char *end;
  char *room; /* where the next decoded text goes */
  const char *reason;
} reader;

typedef struct names {
  jh_str name, filename, extended;
  bool has_name, has_filename, has_extended;
} names;

static int fail(reader *reader, const char *reason) {
  reader->reason = reason;
  return JH_EINVAL;
}

static void skip_space(reader *reader) {
  while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t')) reader->at++;
}

static bool take(reader *reader, char byte) {
  if (reader->at == reader->end || *reader->at != byte) return false;
  reader->at++;
  return true;
}

static jh_str take_token(reader *reader) {
  const char *from = reader->at;
  while (reader->at < reader->end && jh_token_byte_is(*reader->at, JH_BYTE_TOKEN)) reader->at++;
  return (jh_str){from, (size_t)(reader->at - from)};
}

/* ---- filename="…" ---- */

/* The byte that browsers write as three, or -1. */
static int browser_escape(const char *at, size_t len) {
  if (len < 3) return -1;
  if (memcmp(at, "%22", 3) == 0) return '"';
  if (memcmp(at, "%0D", 3) == 0) return '\r';
  return memcmp(at, "%0A", 3) == 0 ? '\n' : -1;
}

/* The rest of a quoted string, behind its first quote. */
static int take_quoted(reader *reader, jh_str *out) {
  char *to = reader->room;
  while (reader->at < reader->end) {
    char byte = *reader->at;
    size_t left = (size_t)(reader->end - reader->at);
    int escaped = byte == '%' ? browser_escape(reader->at, left) : -1;
    if (byte == '"') {
      reader->at++;
      *out = (jh_str){reader->room, (size_t)(to - reader->room)};
      reader->room = to;
      return 0;
    }
    if (!jh_token_byte_is(byte, JH_BYTE_VALUE)) return fail(reader, "bad byte in a name");
    if (escaped >= 0) {
      byte = (char)escaped;
      reader->at += 2;
    } else if (byte == '\\' && left > 1 && (reader->at[1] == '"' || reader->at[1] == '\\')) {
      byte = *++reader->at; /* any other backslash is one: C:\dir\file, as IE wrote it */
    }
    *to++ = byte;
    reader->at++;
  }
  return fail(reader, "unfinished quoted name");
}

static int take_value(reader *reader, jh_str *out) {
  if (take(reader, '"')) return take_quoted(reader, out);
  jh_str token = take_token(reader);
  if (token.len == 0) return fail(reader, "parameter without a value");
  memcpy(reader->room, token.ptr, token.len);
  *out = (jh_str){reader->room, token.len};
  reader->room += token.len;
  return 0;
}

/* ---- filename*=UTF-8''… ---- */

static int hex_value(char digit) {
  if (!jh_token_byte_is(digit, JH_BYTE_HEX)) return -1;
  return digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

/* The next byte of an extended value, decoded; -1 when there is none. Parentheses are not allowed
 * there, but encodeURIComponent() leaves them alone. */
static int take_extended_byte(reader *reader) {
  if (reader->at == reader->end) return -1;
  char byte = *reader->at;
  if (byte == '%') {
    if (reader->end - reader->at < 3) return -1;
    int high = hex_value(reader->at[1]);
    int low = hex_value(reader->at[2]);
    if (high < 0 || low < 0) return -1;
    reader->at += 3;
    return high << 4 | low;
  }
  if (!jh_token_byte_is(byte, JH_BYTE_TOKEN) && byte != '(' && byte != ')') return -1;
  reader->at++;
  return (uint8_t)byte;
}

/* Takes what stands before the next quote and that quote. */
static bool take_to_quote(reader *reader, jh_str *out) {
  const char *from = reader->at;
  const char *quote = memchr(from, '\'', (size_t)(reader->end - from));
  if (quote == NULL) return false;
  *out = (jh_str){from, (size_t)(quote - from)};
  reader->at = quote + 1;
  return true;
}

static bool is_end_of_value(const reader *reader) {
  return reader->at == reader->end || memchr("; \t", *reader->at, 3) != NULL;
}

static int take_extended(reader *reader, jh_str *out) {
  static const char bad[] = "bad filename*";
  jh_str charset;
  jh_str language;
  if (!take_to_quote(reader, &charset) || !take_to_quote(reader, &language)) {
    return fail(reader, bad);
  }
  bool is_latin1 = jh_str_equal_nocase(charset, JH_STR("iso-8859-1"));
  if (!is_latin1 && !jh_str_equal_nocase(charset, JH_STR("utf-8"))) {
    return fail(reader, "unknown charset in filename*");
  }
  char *to = reader->room;
  for (int byte = take_extended_byte(reader); byte >= 0; byte = take_extended_byte(reader)) {
    if (is_latin1 && byte >= 0x80) {
      *to++ = (char)(0xc0 | byte >> 6); /* made from three bytes of the value */
      *to++ = (char)(0x80 | (byte & 0x3f));
    } else {
      *to++ = (char)byte;
    }
  }
  *out = (jh_str){reader->room, (size_t)(to - reader->room)};
  reader->room = to;
  if (!is_end_of_value(reader) || !jh_utf8_is_valid(*out)) return fail(reader, bad);
  return 0;
}

/* ---- parameters ---- */

static int take_once(reader *reader, bool *has, jh_str *out, bool is_extended) {
  if (*has) return fail(reader, "parameter of a Content-Disposition comes twice");
  *has = true;
  int result = is_extended ? take_extended(reader, out) : take_value(reader, out);
  if (result == 0 && out->len > 0 && memchr(out->ptr, '\0', out->len) != NULL) {
    return fail(reader, "NUL byte in a name");
  }
  return result;
}

static int take_parameter(reader *reader, names *found) {
  jh_str name = take_token(reader);
  if (name.len == 0 || !take(reader, '=')) return fail(reader, "bad parameter");
  if (jh_str_equal_nocase(name, JH_STR("name"))) {
    return take_once(reader, &found->has_name, &found->name, false);
  }
  if (jh_str_equal_nocase(name, JH_STR("filename"))) {
    return take_once(reader, &found->has_filename, &found->filename, false);
  }
  if (jh_str_equal_nocase(name, JH_STR("filename*"))) {
    return take_once(reader, &found->has_extended, &found->extended, true);
  }
  jh_str ignored;
  return take_value(reader, &ignored);
}

int jh_disposition_parse(jh_str value, char *room, jh_disposition *out, const char **reason) {
  reader reader = {.at = value.ptr, .end = value.ptr + value.len, .room = room};
  names found = {0};
  int result = 0;
  skip_space(&reader);
  jh_str type = take_token(&reader);
  if (!jh_str_equal_nocase(type, JH_STR("form-data"))) {
    result = fail(&reader, "Content-Disposition is not form-data");
  }
  while (result == 0) {
    skip_space(&reader);
    if (reader.at == reader.end) break;
    if (!take(&reader, ';')) {
      result = fail(&reader, "bad Content-Disposition");
      break;
    }
    skip_space(&reader);
    bool is_empty = reader.at == reader.end || *reader.at == ';';
    if (!is_empty) result = take_parameter(&reader, &found);
  }
  if (result == 0 && !found.has_name) result = fail(&reader, "part without a name");
  *out = (jh_disposition){
      .name = found.name,
      .filename = found.has_extended ? found.extended : found.filename,
      .has_filename = found.has_extended || found.has_filename,
  };
  if (result != 0) *reason = reader.reason;
  return result;
}
