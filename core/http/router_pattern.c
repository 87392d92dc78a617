/* router_pattern.c: reading route patterns.
 *
 * Paths reach the router decoded and normalised, so a pattern with an escape, an empty segment or
 * dots would be dead; it is refused with the reason. */
#include "http/router_pattern.h"

#include <stdio.h>
#include <string.h>

static bool is_hex(char byte) {
  return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

static bool is_name(jh_str text) {
  for (size_t n = 0; n < text.len; n++) {
    char byte = text.ptr[n];
    bool is_letter = byte == '_' || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
    bool is_digit = byte >= '0' && byte <= '9';
    if (!is_letter && !(is_digit && n > 0)) {
      return false;
    }
  }
  return text.len > 0;
}

/* Why no path can contain the whole text, or NULL. */
static const char *find_dead_byte(jh_str text) {
  for (size_t n = 0; n < text.len; n++) {
    uint8_t byte = (uint8_t)text.ptr[n];
    if (byte < 0x20 || byte == 0x7f) {
      return "it contains a control character";
    }
    if (byte == '?') {
      return "'?' starts the query, which takes no part in routing; an optional parameter is a "
             "second route";
    }
    if (byte == '#') {
      return "'#' never reaches a server";
    }
    if (byte == '%' && text.len - n > 2 && is_hex(text.ptr[n + 1]) && is_hex(text.ptr[n + 2])) {
      return "paths are matched after percent-decoding; write the decoded character";
    }
  }
  return NULL;
}

/* Reads one segment; NULL or why it is wrong. */
static const char *read_segment(jh_str segment, bool is_last, int *kind, jh_str *text) {
  char mark = segment.len > 0 ? segment.ptr[0] : '\0';
  if (mark == ':' || mark == '*') {
    *kind = mark == ':' ? JH_SEGMENT_PARAM : JH_SEGMENT_REST;
    *text = (jh_str){segment.ptr + 1, segment.len - 1};
    if (segment.len == 1) {
      return mark == ':' ? "':' needs a name, as in ':id'" : "'*' needs a name, as in '*rest'";
    }
    if (!is_name(*text)) {
      return "a name is letters, digits and '_', and takes the whole segment";
    }
    return mark == '*' && !is_last ? "a '*' segment must be the last one" : NULL;
  }
  *kind = JH_SEGMENT_LITERAL;
  *text = segment;
  if (segment.len == 0 && !is_last) {
    return "'//' is collapsed before routing";
  }
  if ((segment.len == 1 && mark == '.') ||
      (segment.len == 2 && mark == '.' && segment.ptr[1] == '.')) {
    return "'.' and '..' are resolved before routing";
  }
  if (segment.len > 0 && memchr(segment.ptr, ':', segment.len) != NULL) {
    return "':' starts a parameter only at the beginning of a segment";
  }
  if (segment.len > 0 && memchr(segment.ptr, '*', segment.len) != NULL) {
    return "'*' is allowed only at the beginning of the last segment";
  }
  return NULL;
}

static bool has_name(const jh_router_pattern *pattern, jh_str name) {
  for (uint32_t n = 0; n < pattern->segment_count; n++) {
    jh_str text = pattern->segments[n].text;
    if (pattern->segments[n].kind != JH_SEGMENT_LITERAL && text.len == name.len &&
        memcmp(text.ptr, name.ptr, name.len) == 0) {
      return true;
    }
  }
  return false;
}

/* Adds one segment to the pattern; NULL or why that is wrong. */
static const char *add_segment(jh_router_pattern *pattern, jh_str segment, bool is_last) {
  int kind = JH_SEGMENT_LITERAL;
  jh_str text = segment;
  const char *reason = read_segment(segment, is_last, &kind, &text);
  if (reason != NULL) {
    return reason;
  }
  if (pattern->segment_count == JH_ROUTE_SEGMENTS_MAX) {
    return "it has more than 64 segments";
  }
  if (kind != JH_SEGMENT_LITERAL) {
    if (has_name(pattern, text)) {
      return "two parameters have the same name";
    }
    if (pattern->param_count == JH_ROUTE_PARAMS_MAX) {
      return "it has more than 16 parameters";
    }
    pattern->param_count++;
  }
  pattern->segments[pattern->segment_count].kind = kind;
  pattern->segments[pattern->segment_count].text = text;
  pattern->segment_count++;
  return NULL;
}

_Static_assert(JH_ROUTE_SEGMENTS_MAX == 64 && JH_ROUTE_PARAMS_MAX == 16, "as the texts say");

int jh_router_pattern_parse(jh_str text, jh_router_pattern *out, char *error, size_t error_bytes) {
  out->segment_count = 0;
  out->param_count = 0;
  const char *reason = NULL;
  if (text.len == 0 || text.ptr[0] != '/') {
    reason = "a pattern starts with '/'";
  } else {
    reason = find_dead_byte(text);
  }
  const char *at = text.ptr + 1;
  const char *end = text.ptr + text.len;
  for (bool is_last = false; reason == NULL && !is_last;) {
    const char *slash = memchr(at, '/', (size_t)(end - at));
    is_last = slash == NULL;
    size_t len = (size_t)((is_last ? end : slash) - at);
    reason = add_segment(out, (jh_str){at, len}, is_last);
    at += len + 1;
  }
  if (reason == NULL) {
    return 0;
  }
  snprintf(error, error_bytes, "%s", reason);
  return JH_EINVAL;
}
