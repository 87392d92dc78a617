/* multipart.c: the grammar of multipart/form-data as a machine that may stop at any byte.
 *
 * Content is searched by delimiter.c; everything else is short. A body begins as if a CRLF stood
 * before it, and so does the content of a part: the CRLF of the empty line that ends a header may
 * be the one that a boundary needs before it. Such bytes are matched but are nobody's content,
 * which is what matched_before counts.
 *
 * Limits and bytes are judged at the byte that breaks them, lines at their LF: where the input is
 * cut makes no difference to the outcome. */
#include "http/multipart.h"

#include <string.h>

#include "base/str.h"
#include "http/disposition.h"
#include "http/token.h"

typedef enum multipart_state {
  BEGIN, /* the first boundary is to come */
  HEADER,
  CONTENT,
  AFTER_BOUNDARY, /* '-', white space or CR */
  PADDING,        /* white space or CR */
  BOUNDARY_LF,
  FINAL_DASH,
  ENDED,
  FAILED_PROTO,
  FAILED_LIMIT
} multipart_state;

static const jh_multipart_limits default_limits = {JH_MULTIPART_HEADER_BYTES_MAX, 16, 1000};

static int fail(jh_multipart *multipart, const char *reason) {
  multipart->state = FAILED_PROTO;
  multipart->status = 400;
  multipart->reason = reason;
  return JH_EPROTO;
}

static int exceed(jh_multipart *multipart, const char *reason) {
  multipart->state = FAILED_LIMIT;
  multipart->status = 413;
  multipart->reason = reason;
  return JH_ELIMIT;
}

/* ---- Content-Type ---- */

/* Length of a parameter's value: a quoted string with its quotes, or up to ';' or white space,
 * since boundaries like "a=b" come without quotes as well. 0 when there is none. */
static size_t parameter_value_len(jh_str text) {
  size_t len = 0;
  bool is_quoted = text.len > 0 && text.ptr[0] == '"';
  if (!is_quoted) {
    while (len < text.len && memchr("; \t", text.ptr[len], 3) == NULL) len++;
    return len;
  }
  for (len = 1; len < text.len && text.ptr[len] != '"'; len++) {
    if (text.ptr[len] == '\\') len++;
  }
  return len < text.len ? len + 1 : 0;
}

static jh_str skip(jh_str text, size_t count) {
  return jh_str_trim((jh_str){text.ptr + count, text.len - count});
}

static jh_str unquote(jh_str value) {
  bool is_quoted = value.ptr[0] == '"';
  return is_quoted ? (jh_str){value.ptr + 1, value.len - 2} : value;
}

int jh_multipart_boundary(jh_str content_type, jh_str *out) {
  jh_str rest = jh_str_trim(content_type);
  size_t type_len = 0;
  while (type_len < rest.len && memchr("; \t", rest.ptr[type_len], 3) == NULL) type_len++;
  jh_str type = {rest.ptr, type_len};
  if (!jh_str_equal_nocase(type, JH_STR("multipart/form-data"))) return JH_EUNSUPPORTED;
  *out = (jh_str){NULL, 0};
  for (rest = skip(rest, type_len); rest.len > 0;) {
    if (rest.ptr[0] != ';') return JH_EINVAL;
    rest = skip(rest, 1);
    if (rest.len == 0 || rest.ptr[0] == ';') continue;
    size_t name_len = 0;
    while (name_len < rest.len && jh_token_byte_is(rest.ptr[name_len], JH_BYTE_TOKEN)) name_len++;
    if (name_len == 0 || name_len == rest.len || rest.ptr[name_len] != '=') return JH_EINVAL;
    jh_str name = {rest.ptr, name_len};
    jh_str value = {rest.ptr + name_len + 1, rest.len - name_len - 1};
    value.len = parameter_value_len(value);
    if (value.len == 0) return JH_EINVAL;
    rest = skip(rest, name_len + 1 + value.len);
    if (!jh_str_equal_nocase(name, JH_STR("boundary"))) continue;
    if (out->ptr != NULL) return JH_EINVAL;
    *out = unquote(value);
  }
  return out->ptr != NULL && jh_delimiter_boundary_is_valid(*out) ? 0 : JH_EINVAL;
}

int jh_multipart_init(jh_multipart *multipart, jh_str boundary, const jh_multipart_limits *limits) {
  memset(multipart, 0, offsetof(jh_multipart, text));
  multipart->limits = limits == NULL ? default_limits : *limits;
  if (multipart->limits.max_header_bytes > JH_MULTIPART_HEADER_BYTES_MAX) {
    multipart->limits.max_header_bytes = JH_MULTIPART_HEADER_BYTES_MAX;
  }
  multipart->matched = 2;
  multipart->matched_before = 2;
  return jh_delimiter_init(&multipart->delimiter, boundary);
}

/* ---- part headers ---- */

/* Cuts "Name: value" without CRLF. False when it is no header line. */
static bool split_line(jh_str line, jh_str *name, jh_str *value) {
  const char *colon = memchr(line.ptr, ':', line.len);
  if (colon == NULL) return false;
  *name = (jh_str){line.ptr, (size_t)(colon - line.ptr)};
  *value = jh_str_trim((jh_str){colon + 1, line.len - name->len - 1});
  return jh_token_is_valid(*name);
}

static int set_once(jh_multipart *multipart, jh_str *slot, jh_str value, const char *reason) {
  if (slot->ptr != NULL) return fail(multipart, reason);
  *slot = value;
  return 0;
}

static int take_header(jh_multipart *multipart, jh_str name, jh_str value) {
  if (jh_str_equal_nocase(name, JH_STR("content-disposition"))) {
    return set_once(multipart, &multipart->disposition, value, "Content-Disposition comes twice");
  }
  if (jh_str_equal_nocase(name, JH_STR("content-type"))) {
    return set_once(multipart, &multipart->content_type, value,
                    "Content-Type of a part comes twice");
  }
  if (jh_str_equal_nocase(name, JH_STR("content-transfer-encoding"))) {
    bool is_plain = jh_str_equal_nocase(value, JH_STR("binary")) ||
                    jh_str_equal_nocase(value, JH_STR("8bit")) ||
                    jh_str_equal_nocase(value, JH_STR("7bit"));
    if (!is_plain) return fail(multipart, "part with a transfer encoding");
  }
  return 0;
}

static int begin_part(jh_multipart *multipart) {
  if (multipart->disposition.ptr == NULL) {
    return fail(multipart, "part without Content-Disposition");
  }
  jh_disposition names;
  const char *reason;
  char *room = multipart->text + JH_MULTIPART_HEADER_BYTES_MAX;
  if (jh_disposition_parse(multipart->disposition, room, &names, &reason) != 0) {
    return fail(multipart, reason);
  }
  multipart->part = (jh_multipart_event){.name = names.name,
                                         .filename = names.filename,
                                         .has_filename = names.has_filename,
                                         .content_type = multipart->content_type};
  multipart->state = CONTENT;
  multipart->matched = 2;
  multipart->matched_before = 2;
  return JH_MULTIPART_PART_BEGIN;
}

/* A line with its LF is complete. */
static int end_line(jh_multipart *multipart) {
  jh_str line = {multipart->text + multipart->header_line,
                 multipart->header_len - multipart->header_line};
  if (line.len < 2 || line.ptr[line.len - 2] != '\r') {
    return fail(multipart, "bare LF in a part header");
  }
  line.len -= 2;
  multipart->header_line = multipart->header_len;
  if (line.len == 0) return begin_part(multipart);
  if (!jh_token_value_is_valid(line)) return fail(multipart, "bad byte in a part header");
  if (++multipart->header_count > multipart->limits.max_header_count) {
    return exceed(multipart, "too many part headers");
  }
  jh_str name;
  jh_str value;
  if (!split_line(line, &name, &value)) return fail(multipart, "bad part header");
  return take_header(multipart, name, value);
}

static int step_header(jh_multipart *multipart, const char *data, size_t len, size_t *used) {
  size_t at = 0;
  while (at < len) {
    const char *lf = memchr(data + at, '\n', len - at);
    size_t take = lf == NULL ? len - at : (size_t)(lf - data) + 1 - at;
    if (take > multipart->limits.max_header_bytes - multipart->header_len) {
      return exceed(multipart, "part header too large");
    }
    memcpy(multipart->text + multipart->header_len, data + at, take);
    multipart->header_len += (uint32_t)take;
    at += take;
    *used = at;
    int result = lf == NULL ? 0 : end_line(multipart);
    if (result != 0) return result;
  }
  return JH_MULTIPART_MORE;
}

/* ---- boundaries ---- */

static int begin_header(jh_multipart *multipart) {
  if (multipart->part_count == multipart->limits.max_part_count) {
    return exceed(multipart, "too many parts");
  }
  multipart->part_count++;
  multipart->header_len = 0;
  multipart->header_line = 0;
  multipart->header_count = 0;
  multipart->disposition = (jh_str){0};
  multipart->content_type = (jh_str){0};
  multipart->state = HEADER;
  return JH_MULTIPART_MORE;
}

/* One byte behind a boundary. */
static int step_boundary(jh_multipart *multipart, char byte) {
  bool is_space = byte == ' ' || byte == '\t';
  switch ((multipart_state)multipart->state) {
  case FINAL_DASH:
    if (byte != '-') return fail(multipart, "no CRLF after a boundary");
    multipart->state = ENDED;
    return JH_MULTIPART_END;
  case BOUNDARY_LF:
    if (byte != '\n') return fail(multipart, "no CRLF after a boundary");
    return begin_header(multipart);
  default:
    if (byte == '-' && multipart->state == AFTER_BOUNDARY) {
      multipart->state = FINAL_DASH;
    } else if (byte == '\r') {
      multipart->state = BOUNDARY_LF;
    } else if (is_space) {
      multipart->state = PADDING;
    } else {
      return fail(multipart, "no CRLF after a boundary");
    }
    return JH_MULTIPART_MORE;
  }
}

/* The bytes before the first boundary: none, or one CRLF. */
static int step_begin(jh_multipart *multipart, const char *data, size_t len, size_t *used) {
  if (multipart->matched_before > 0 && multipart->matched == 2 && data[0] == '\r') {
    multipart->matched = 0;
    multipart->matched_before = 0;
  }
  size_t count = jh_delimiter_continue(&multipart->delimiter, multipart->matched, data, len);
  multipart->matched = (uint8_t)(multipart->matched + count);
  *used = count;
  if (multipart->matched == multipart->delimiter.len) {
    multipart->state = AFTER_BOUNDARY;
  } else if (count < len) {
    return fail(multipart, "the body does not begin with its boundary");
  }
  return JH_MULTIPART_MORE;
}

/* ---- content ---- */

static int end_part(jh_multipart *multipart) {
  multipart->state = AFTER_BOUNDARY;
  return JH_MULTIPART_PART_END;
}

static int give_data(const jh_multipart *multipart, const char *data, size_t len,
                     jh_multipart_event *out) {
  *out = multipart->part;
  out->data = (jh_str){data, len};
  return JH_MULTIPART_PART_DATA;
}

static int search_content(jh_multipart *multipart, const char *data, size_t len, size_t *used,
                          jh_multipart_event *out) {
  size_t matched;
  size_t content_len = jh_delimiter_find(&multipart->delimiter, data, len, &matched);
  if (content_len > 0) {
    *used = content_len;
    return give_data(multipart, data, content_len, out);
  }
  *used = matched;
  if (matched == multipart->delimiter.len) return end_part(multipart);
  multipart->matched = (uint8_t)matched;
  multipart->matched_before = 0;
  return JH_MULTIPART_MORE;
}

/* The last piece ended in what may be a boundary: it goes on, or what was kept back is content. */
static int continue_boundary(jh_multipart *multipart, const char *data, size_t len, size_t *used,
                             jh_multipart_event *out) {
  const jh_delimiter *delimiter = &multipart->delimiter;
  size_t matched = multipart->matched;
  size_t before = multipart->matched_before;
  size_t count = jh_delimiter_continue(delimiter, matched, data, len);
  if (matched + count == delimiter->len) {
    *used = count;
    return end_part(multipart);
  }
  if (count == len) {
    *used = count;
    multipart->matched = (uint8_t)(matched + count);
    return JH_MULTIPART_MORE;
  }
  multipart->matched = 0;
  if (matched > before) {
    return give_data(multipart, delimiter->text + before, matched - before, out);
  }
  return search_content(multipart, data, len, used, out);
}

int jh_multipart_next(jh_multipart *multipart, const char *data, size_t len, size_t *used,
                      jh_multipart_event *out) {
  size_t at = 0;
  int result = JH_MULTIPART_MORE;
  while (result == JH_MULTIPART_MORE && at < len) {
    size_t step = 0;
    const char *piece = data + at;
    switch ((multipart_state)multipart->state) {
    case BEGIN:
      result = step_begin(multipart, piece, len - at, &step);
      break;
    case HEADER:
      result = step_header(multipart, piece, len - at, &step);
      if (result == JH_MULTIPART_PART_BEGIN) *out = multipart->part;
      break;
    case CONTENT:
      result = multipart->matched > 0 ? continue_boundary(multipart, piece, len - at, &step, out)
                                      : search_content(multipart, piece, len - at, &step, out);
      break;
    case ENDED:
      step = len - at;
      break;
    case FAILED_PROTO:
      result = JH_EPROTO;
      break;
    case FAILED_LIMIT:
      result = JH_ELIMIT;
      break;
    default:
      step = 1;
      result = step_boundary(multipart, *piece);
      break;
    }
    at += step;
  }
  *used = at;
  return result;
}

int jh_multipart_finish(jh_multipart *multipart) {
  if (multipart->state == ENDED) return 0;
  if (multipart->state == FAILED_LIMIT) return JH_ELIMIT;
  if (multipart->state == FAILED_PROTO) return JH_EPROTO;
  return fail(multipart, "the body ends before its final boundary");
}

int jh_multipart_header_at(const jh_multipart *multipart, uint32_t index, jh_str *name,
                           jh_str *value) {
  jh_str rest = {multipart->text, multipart->header_line};
  while (rest.len > 2) {
    const char *lf = memchr(rest.ptr, '\n', rest.len);
    jh_str line = {rest.ptr, (size_t)(lf - rest.ptr) - 1};
    if (index-- == 0) return split_line(line, name, value) ? 0 : JH_ENOTFOUND;
    rest.ptr += line.len + 2;
    rest.len -= line.len + 2;
  }
  return JH_ENOTFOUND;
}

jh_str jh_multipart_header(const jh_multipart *multipart, jh_str name) {
  jh_str found;
  jh_str value;
  for (uint32_t i = 0; jh_multipart_header_at(multipart, i, &found, &value) == 0; i++) {
    if (jh_str_equal_nocase(found, name)) return value;
  }
  return (jh_str){NULL, 0};
}
