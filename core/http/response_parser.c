/* response_parser.c: status lines, the fields that frame a response, and its body.
 *
 * Few fields of a response decide anything here, so they are told apart by the length of their name
 * first. What is kept of a head are offsets; Lua reads the fields when it is asked for them. */
#include "http/response_parser.h"

#include <string.h>

#include "base/str.h"
#include "http/token.h"

enum { STATUS_LINE_BYTES_MIN = 12 /* "HTTP/1.1 200" */ };

static jh_response_parse fail(jh_response_parser *parser, int error, const char *problem) {
  parser->error = error;
  parser->problem = problem;
  return JH_RESPONSE_ERROR;
}

static int bad(jh_response_parser *parser, const char *problem) {
  fail(parser, JH_EPROTO, problem);
  return JH_EPROTO;
}

void jh_response_parser_init(jh_response_parser *parser, jh_response_to to) {
  memset(parser, 0, sizeof *parser);
  parser->to = (uint8_t)to;
}

/* ---- heads ---- */

static bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

/* HTTP-version SP 3DIGIT [ SP reason-phrase ]. The space before an empty phrase is often missing,
 * which nobody can misread. */
static int parse_status_line(jh_response_parser *parser, const char *line, uint32_t offset,
                             uint32_t len) {
  if (len < 5 || memcmp(line, "HTTP/", 5) != 0) return bad(parser, "the answer is not HTTP");
  if (len < STATUS_LINE_BYTES_MIN) return bad(parser, "bad status line");
  if (line[5] != '1' || line[6] != '.' || !is_digit(line[7]) || line[8] != ' ') {
    return bad(parser, "unknown version of HTTP");
  }
  if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]) || line[9] == '0') {
    return bad(parser, "bad status code");
  }
  if (len > STATUS_LINE_BYTES_MIN && line[12] != ' ') return bad(parser, "bad status code");
  parser->http_minor = line[7] == '0' ? 0 : 1;
  parser->status = (uint16_t)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  bool has_phrase = len > STATUS_LINE_BYTES_MIN + 1;
  parser->reason_phrase = (jh_span){.off = offset + STATUS_LINE_BYTES_MIN + has_phrase,
                                    .len = has_phrase ? len - STATUS_LINE_BYTES_MIN - 1 : 0};
  return 0;
}

static bool next_member(jh_str *list, jh_str *member) {
  while (list->len > 0) {
    const char *comma = memchr(list->ptr, ',', list->len);
    size_t len = comma != NULL ? (size_t)(comma - list->ptr) : list->len;
    size_t taken = comma != NULL ? len + 1 : len;
    *member = jh_str_trim(jh_str_make(list->ptr, len));
    list->ptr += taken;
    list->len -= taken;
    if (member->len > 0) return true;
  }
  return false;
}

/* "5, 5" is what a middle box makes of two equal fields (RFC 9110 §8.6). */
static int add_content_length(jh_response_parser *parser, jh_str value) {
  jh_str member;
  bool is_there = false;
  while (next_member(&value, &member)) {
    uint64_t length;
    is_there = true;
    if (jh_str_parse_u64(member, &length) != 0 || length > INT64_MAX) {
      return bad(parser, "bad Content-Length");
    }
    if (parser->has_length && parser->content_length != length) {
      return bad(parser, "two Content-Lengths that differ");
    }
    parser->has_length = true;
    parser->content_length = length;
  }
  return is_there ? 0 : bad(parser, "bad Content-Length");
}

/* No other coding was asked for, so none may come. */
static int add_transfer_encoding(jh_response_parser *parser, jh_str value) {
  if (parser->http_minor == 0) return bad(parser, "Transfer-Encoding in HTTP/1.0");
  if (parser->is_chunked) return bad(parser, "more than one Transfer-Encoding");
  if (!jh_str_equal_nocase(value, JH_STR("chunked"))) {
    return bad(parser, "Transfer-Encoding other than chunked");
  }
  parser->is_chunked = true;
  return 0;
}

static void add_connection(jh_response_parser *parser, jh_str value) {
  jh_str option;
  while (next_member(&value, &option)) {
    if (jh_str_equal_nocase(option, JH_STR("close"))) parser->is_closed = true;
    if (jh_str_equal_nocase(option, JH_STR("keep-alive"))) parser->is_kept = true;
  }
}

static int parse_field(jh_response_parser *parser, const jh_response_limits *limits,
                       const char *data, size_t len, uint32_t line, uint32_t line_len) {
  jh_header field;
  const char *problem;
  if (parser->header_count >= limits->max_header_count) {
    fail(parser, JH_ELIMIT, "too many header fields");
    return JH_ELIMIT;
  }
  if (jh_head_scanner_field(data, len, line, line_len, &field, &problem) != 0) {
    return bad(parser, problem);
  }
  parser->header_count++;
  jh_str name = {data + field.name.off, field.name.len};
  jh_str value = {data + field.value.off, field.value.len};
  switch (name.len) {
  case 10:
    if (jh_str_equal_nocase(name, JH_STR("connection"))) add_connection(parser, value);
    return 0;
  case 14:
    if (jh_str_equal_nocase(name, JH_STR("content-length"))) {
      return add_content_length(parser, value);
    }
    return 0;
  case 16:
    if (jh_str_equal_nocase(name, JH_STR("content-encoding"))) parser->has_coding = true;
    return 0;
  case 17:
    if (jh_str_equal_nocase(name, JH_STR("transfer-encoding"))) {
      return add_transfer_encoding(parser, value);
    }
    return 0;
  default:
    return 0;
  }
}

/* RFC 9112 §6.3, in its order. */
static jh_response_body choose_body(const jh_response_parser *parser) {
  uint16_t status = parser->status;
  bool is_success = status >= 200 && status < 300;
  if (status == 101 || (parser->to == JH_RESPONSE_TO_CONNECT && is_success)) {
    return JH_RESPONSE_TUNNEL;
  }
  if (parser->to == JH_RESPONSE_TO_HEAD || status < 200 || status == 204 || status == 304) {
    return JH_RESPONSE_NO_BODY;
  }
  if (parser->is_chunked) return JH_RESPONSE_CHUNKED;
  if (parser->has_length) {
    return parser->content_length > 0 ? JH_RESPONSE_LENGTH : JH_RESPONSE_NO_BODY;
  }
  return JH_RESPONSE_UNTIL_CLOSE;
}

static jh_response_parse finish_head(jh_response_parser *parser, const jh_response_limits *limits) {
  parser->body = (uint8_t)choose_body(parser);
  bool wants_link = parser->http_minor == 1 || parser->is_kept;
  bool is_doubtful = parser->is_chunked && parser->has_length;
  bool is_last = parser->body == JH_RESPONSE_UNTIL_CLOSE || parser->body == JH_RESPONSE_TUNNEL;
  parser->may_keep_alive = wants_link && !parser->is_closed && !is_doubtful && !is_last;
  if (jh_response_parser_is_interim(parser)) {
    if (++parser->interim_count <= limits->max_interim_count) return JH_RESPONSE_DONE;
    return fail(parser, JH_ELIMIT, "too many interim responses");
  }
  if (parser->body == JH_RESPONSE_CHUNKED) jh_chunk_scanner_init(&parser->chunks);
  if (parser->body == JH_RESPONSE_LENGTH) {
    parser->body_left = parser->content_length;
    if (parser->body_left > limits->max_body_bytes) {
      return fail(parser, JH_ELIMIT, "the body is too large");
    }
  }
  return JH_RESPONSE_DONE;
}

bool jh_response_parser_is_interim(const jh_response_parser *parser) {
  return parser->status < 200 && parser->status != 101;
}

/* The next head after an interim one. */
static void begin_again(jh_response_parser *parser) {
  uint32_t interim_count = parser->interim_count;
  jh_response_parser_init(parser, (jh_response_to)parser->to);
  parser->interim_count = interim_count;
}

jh_response_parse jh_response_parser_head(jh_response_parser *parser,
                                          const jh_response_limits *limits, const char *data,
                                          size_t len, size_t *head_len) {
  if (parser->interim_count > 0 && !parser->is_in_fields && parser->status != 0) {
    begin_again(parser);
  }
  jh_head_scanner scanner = parser->head;
  size_t window = len < limits->max_header_bytes ? len : limits->max_header_bytes;
  for (;;) {
    uint32_t line = scanner.line, line_len;
    const char *problem;
    jh_scan scan = jh_head_scanner_line(&scanner, data, window, &line_len, &problem);
    if (scan == JH_SCAN_MORE) break;
    if (scan == JH_SCAN_ERROR) return fail(parser, JH_EPROTO, problem);
    if (!parser->is_in_fields) {
      if (parse_status_line(parser, data + line, line, line_len) != 0) return JH_RESPONSE_ERROR;
      parser->is_in_fields = true;
      parser->fields = scanner.line;
    } else if (line_len > 0) {
      if (parse_field(parser, limits, data, window, line, line_len) != 0) return JH_RESPONSE_ERROR;
    } else {
      parser->is_in_fields = false;
      *head_len = scanner.line;
      return finish_head(parser, limits);
    }
  }
  parser->head = scanner;
  if (window < limits->max_header_bytes) return JH_RESPONSE_MORE;
  return fail(parser, JH_ELIMIT, "the head is too large");
}

/* ---- bodies ---- */

uint64_t jh_response_parser_wanted(const jh_response_parser *parser) {
  switch ((jh_response_body)parser->body) {
  case JH_RESPONSE_LENGTH:
    return parser->body_left;
  case JH_RESPONSE_CHUNKED:
  case JH_RESPONSE_UNTIL_CLOSE:
    return UINT64_MAX;
  default:
    return 0;
  }
}

/* Chunk data is moved to the front; sizes and line ends stay behind. The scanner is given what ends
 * before chunk data begins, so that a run is either all data or has none. */
static jh_response_parse chunked_body(jh_response_parser *parser, const jh_response_limits *limits,
                                      char *data, size_t len, size_t *used, size_t *body_len) {
  jh_chunk_limits chunk_limits = {.max_body_bytes = limits->max_body_bytes,
                                  .max_trailer_bytes = limits->max_header_bytes,
                                  .max_trailer_count = limits->max_header_count};
  size_t at = 0;
  while (at < len) {
    uint64_t data_left = jh_chunk_scanner_data_left(&parser->chunks);
    size_t piece = len - at, run_len;
    if (data_left > 0) {
      if (piece > data_left) piece = (size_t)data_left;
    } else {
      const char *line_end = memchr(data + at, '\n', piece);
      if (line_end) piece = (size_t)(line_end - (data + at)) + 1;
    }
    jh_chunk_run run =
        jh_chunk_scanner_next(&parser->chunks, &chunk_limits, data + at, piece, &run_len);
    if (run == JH_CHUNK_ERROR) {
      bool is_limit = parser->chunks.status != 400;
      return fail(parser, is_limit ? JH_ELIMIT : JH_EPROTO, parser->chunks.reason);
    }
    if (data_left > 0) {
      memmove(data + *body_len, data + at, run_len);
      *body_len += run_len;
    }
    if (run == JH_CHUNK_TRAILER) {
      /* Trailers come in one piece per call: nothing else stands between their lines. */
      if (!parser->trailers.len) parser->trailers.ptr = data + at;
      parser->trailers.len += run_len;
    }
    at += run_len;
    *used = at;
    if (run == JH_CHUNK_END) return JH_RESPONSE_DONE;
  }
  return JH_RESPONSE_MORE;
}

static jh_response_parse plain_body(jh_response_parser *parser, size_t len, size_t *used,
                                    size_t *body_len) {
  size_t take = len < parser->body_left ? len : (size_t)parser->body_left;
  parser->body_left -= take;
  *used = *body_len = take;
  return parser->body_left == 0 ? JH_RESPONSE_DONE : JH_RESPONSE_MORE;
}

jh_response_parse jh_response_parser_body(jh_response_parser *parser,
                                          const jh_response_limits *limits, char *data, size_t len,
                                          size_t *used, size_t *body_len) {
  *used = *body_len = 0;
  parser->trailers = (jh_str){NULL, 0};
  jh_response_parse parse = JH_RESPONSE_DONE;
  switch ((jh_response_body)parser->body) {
  case JH_RESPONSE_LENGTH:
    parse = plain_body(parser, len, used, body_len);
    break;
  case JH_RESPONSE_CHUNKED:
    parse = chunked_body(parser, limits, data, len, used, body_len);
    break;
  case JH_RESPONSE_UNTIL_CLOSE:
    if (len > limits->max_body_bytes - parser->body_bytes) {
      return fail(parser, JH_ELIMIT, "the body is too large");
    }
    *used = *body_len = len;
    parse = JH_RESPONSE_MORE;
    break;
  default:
    break;
  }
  if (parse != JH_RESPONSE_ERROR) parser->body_bytes += *body_len;
  return parse;
}

jh_response_parse jh_response_parser_end(jh_response_parser *parser) {
  if (parser->body == JH_RESPONSE_UNTIL_CLOSE) return JH_RESPONSE_DONE;
  return fail(parser, JH_EPROTO, "the link ended in the middle of the body");
}
