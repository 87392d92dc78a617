/* parser.c: the strict scanners and http-parser, put together; the only file that knows the latter.
 *
 * http-parser reads a byte at a time, and most bytes of a head do not concern it. So it is never
 * given the head itself. framing.c reduces the head to a few facts ("HTTP/1.1, Connection: close,
 * chunked"), and http-parser is asked about a head written from those facts alone. There are
 * JH_FRAMING_FACTS such heads: their answers are taken once, from http-parser itself, and kept; a
 * request with a body starts from a copy of that state, and one with a Content-Length has
 * http-parser read that line. Then http-parser decodes the body, behind the chunk scanner.
 *
 * What must stay true: http-parser is fed exactly the bytes of one message, all of which our own
 * rules have passed, and where it disagrees with them the message is refused. */
#include "http/parser.h"

#include <http_parser.h>
#include <string.h>
#include <threads.h>

#include "base/check.h"
#include "base/str.h"
#include "http/method.h"
#include "http/target.h"
#include "http/token.h"

enum { BLANK_LINES_MAX = 4 };

_Static_assert(sizeof(http_parser) == sizeof(((jh_parser *)0)->engine),
               "jh_parser keeps the state of http-parser as plain words");
#define XX(number, name, text) \
  _Static_assert((int)JH_METHOD_##name == (int)HTTP_##name, "method numbers are http-parser's");
JH_METHOD_MAP(XX)
#undef XX

static jh_parse refuse(jh_parser *parser, int status, const char *reason) {
  parser->status = (uint16_t)status;
  parser->reason = reason;
  return JH_PARSE_ERROR;
}

/* ---- what http-parser says about a head ---- */

/* Where on_body() and on_message_complete() put what http-parser decoded. */
typedef struct decoded {
  char *out;
  size_t len;
  bool is_complete;
} decoded;

static int on_body(http_parser *engine, const char *bytes, size_t len) {
  decoded *into = engine->data;
  char *to = into->out + into->len;
  if (to != bytes) memmove(to, bytes, len);
  into->len += len;
  return 0;
}

static int on_message_complete(http_parser *engine) {
  decoded *into = engine->data;
  into->is_complete = true;
  return 0;
}

static const http_parser_settings settings = {.on_body = on_body,
                                              .on_message_complete = on_message_complete};

/* Feeds bytes of one message. False when http-parser refuses any of them. */
static bool feed(http_parser *engine, decoded *into, const char *bytes, size_t len) {
  engine->data = into;
  size_t taken = http_parser_execute(engine, &settings, bytes, len);
  engine->data = NULL;
  return taken == len && HTTP_PARSER_ERRNO(engine) == HPE_OK;
}

/* What http-parser made of the head written from one set of facts. */
typedef struct verdict {
  http_parser open;   /* before the empty line: further fields may follow */
  http_parser closed; /* after it */
  bool is_keep_alive;
  bool is_upgrade;
} verdict;

static verdict verdicts[JH_FRAMING_FACTS];
static once_flag verdicts_once = ONCE_FLAG_INIT;

static void feed_fact(http_parser *engine, decoded *into, bool is_so, const char *text) {
  if (is_so) JH_REQUIRE(feed(engine, into, text, strlen(text)));
}

/* The method is always the same: it makes no difference to framing but for CONNECT, which
 * http-parser would take for the end of HTTP on this connection. */
static void take_verdict(uint32_t facts, verdict *into) {
  decoded nothing = {0};
  http_parser engine;
  http_parser_init(&engine, HTTP_REQUEST);
  bool is_1_1 = facts & JH_FRAMING_HTTP_1_1;
  feed_fact(&engine, &nothing, is_1_1, "POST / HTTP/1.1\r\n");
  feed_fact(&engine, &nothing, !is_1_1, "POST / HTTP/1.0\r\n");
  feed_fact(&engine, &nothing, facts & JH_FRAMING_CLOSE, "Connection: close\r\n");
  feed_fact(&engine, &nothing, facts & JH_FRAMING_KEEP_ALIVE, "Connection: keep-alive\r\n");
  feed_fact(&engine, &nothing, facts & JH_FRAMING_CONNECTION_UPGRADE, "Connection: upgrade\r\n");
  feed_fact(&engine, &nothing, facts & JH_FRAMING_UPGRADE, "Upgrade: any\r\n");
  feed_fact(&engine, &nothing, facts & JH_FRAMING_CHUNKED, "Transfer-Encoding: chunked\r\n");
  into->open = engine;
  feed_fact(&engine, &nothing, true, "\r\n");
  JH_REQUIRE(nothing.is_complete == !(facts & JH_FRAMING_CHUNKED));
  into->closed = engine;
  /* In HTTP/1.0 it does not see that close takes back keep-alive. */
  into->is_keep_alive = http_should_keep_alive(&engine) && !(facts & JH_FRAMING_CLOSE);
  into->is_upgrade = is_1_1 && engine.upgrade;
}

static void take_verdicts(void) {
  for (uint32_t facts = 0; facts < JH_FRAMING_FACTS; facts++) {
    take_verdict(facts, &verdicts[facts]);
  }
}

/* Has http-parser read the Content-Length line and the end of the head. */
static bool feed_length(http_parser *engine, uint64_t content_length) {
  char line[64] = "Content-Length: ";
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = (char)('0' + content_length % 10);
    content_length /= 10;
  } while (content_length > 0);
  size_t len = strlen(line);
  while (count > 0) line[len++] = digits[--count];
  memcpy(line + len, "\r\n\r\n", 4);
  decoded nothing = {0};
  return feed(engine, &nothing, line, len + 4);
}

/* ---- head ---- */

void jh_parser_init(jh_parser *parser) {
  parser->head = (jh_head_scanner){0};
  parser->body_left = 0;
  parser->reason = NULL;
  parser->status = 0;
  parser->blank_lines = 0;
  parser->is_in_fields = false;
}

/* " HTTP/1." and its minor version are the last bytes of a request line. */
enum { VERSION_BYTES = 9 };

static int parse_version(const char *version, uint8_t *http_minor, const char **reason) {
  char minor = version[VERSION_BYTES - 1];
  uint64_t prefix;
  uint64_t http_1;
  memcpy(&prefix, version, sizeof(prefix));
  memcpy(&http_1, " HTTP/1.", sizeof(http_1));
  if (prefix == http_1 && (minor == '1' || minor == '0')) {
    *http_minor = (uint8_t)(minor - '0');
    return 0;
  }
  bool is_version = memcmp(version, " HTTP/", 6) == 0 && version[6] >= '0' && version[6] <= '9' &&
                    version[7] == '.' && minor >= '0' && minor <= '9';
  *reason = is_version ? "unsupported HTTP version" : "bad HTTP version";
  return is_version ? 505 : 400;
}

static jh_span span_within(const char *base, jh_str str) {
  if (str.len == 0) return (jh_span){0, 0};
  return (jh_span){.off = (uint32_t)(str.ptr - base), .len = (uint32_t)str.len};
}

static int fill_target(jh_request *request, jh_str target, const char **reason) {
  jh_target parts;
  if (jh_target_split(target, request->method, &parts) != 0) {
    *reason = "bad request target";
    return 400;
  }
  request->target = span_within(request->base, target);
  request->path = span_within(request->base, parts.path_raw);
  request->query = span_within(request->base, parts.query);
  request->host = span_within(request->base, parts.host);
  request->target_form = parts.form;
  request->path_is_plain = parts.path_is_plain;
  request->has_query = parts.has_query;
  return 0;
}

/* request-line = method SP request-target SP HTTP-version. 0 or the HTTP status. */
static int parse_request_line(jh_request *request, const jh_parse_limits *limits, const char *line,
                              size_t len, const char **reason) {
  size_t method_len = 0;
  while (method_len < len && jh_token_byte_is(line[method_len], JH_BYTE_TOKEN)) method_len++;
  if (method_len == 0 || method_len == len || line[method_len] != ' ') {
    *reason = "bad method";
    return 400;
  }
  if (len < method_len + 2 + VERSION_BYTES) {
    *reason = "bad request line";
    return 400;
  }
  int status = parse_version(line + len - VERSION_BYTES, &request->http_minor, reason);
  if (status != 0) return status;
  int method = jh_method_find(jh_str_make(line, method_len));
  if (method < 0) {
    *reason = "unknown method";
    return 501;
  }
  request->method = (uint8_t)method;
  jh_str target = jh_str_make(line + method_len + 1, len - method_len - 1 - VERSION_BYTES);
  if (target.len > limits->max_target_bytes) {
    *reason = "request target too long";
    return 414;
  }
  return fill_target(request, target, reason);
}

static int parse_field(jh_parser *parser, jh_request *request, const jh_parse_limits *limits,
                       uint32_t line, uint32_t line_len, size_t len, const char **reason) {
  uint32_t count = request->header_count;
  if (count >= limits->max_header_count || count >= request->header_capacity) {
    *reason = "too many headers";
    return 431;
  }
  jh_header *field = &request->headers[count];
  if (jh_head_scanner_field(request->base, len, line, line_len, field, reason) != 0) return 400;
  request->header_count = count + 1;
  return jh_framing_add(&parser->framing, request, field, reason);
}

/* All fields are there: has http-parser judge them. */
static jh_parse finish_head(jh_parser *parser, jh_request *request, const jh_parse_limits *limits) {
  const char *reason;
  const jh_framing *framing = &parser->framing;
  int status = jh_framing_check(framing, request, limits->max_body_bytes, &reason);
  if (status != 0) return refuse(parser, status, reason);

  call_once(&verdicts_once, take_verdicts);
  const verdict *verdict = &verdicts[framing->seen & (JH_FRAMING_FACTS - 1)];
  request->is_keep_alive = verdict->is_keep_alive;
  request->is_upgrade = verdict->is_upgrade;
  request->has_content_length = framing->seen & JH_FRAMING_LENGTH;
  request->content_length = framing->content_length;
  request->is_chunked = framing->seen & JH_FRAMING_CHUNKED;
  if (!jh_request_has_body(request)) return JH_PARSE_DONE;

  bool wants_continue = framing->seen & JH_FRAMING_CONTINUE;
  request->expects_continue = wants_continue && request->http_minor == 1;
  http_parser engine = request->is_chunked ? verdict->closed : verdict->open;
  if (request->is_chunked) {
    jh_chunk_scanner_init(&parser->chunks);
  } else {
    parser->body_left = framing->content_length;
    if (!feed_length(&engine, framing->content_length) ||
        engine.content_length != framing->content_length) {
      return refuse(parser, 400, "bad Content-Length");
    }
  }
  memcpy(parser->engine, &engine, sizeof(engine));
  return JH_PARSE_DONE;
}

/* Takes one line of the head. JH_PARSE_MORE when further lines are due. */
static jh_parse take_line(jh_parser *parser, jh_request *request, const jh_parse_limits *limits,
                          uint32_t line, uint32_t line_len, size_t len) {
  const char *reason;
  int status = 0;
  if (parser->is_in_fields) {
    if (line_len == 0) return finish_head(parser, request, limits);
    status = parse_field(parser, request, limits, line, line_len, len, &reason);
  } else if (line_len > 0) {
    status = parse_request_line(request, limits, request->base + line, line_len, &reason);
    jh_framing_reset(&parser->framing, request->http_minor);
    parser->is_in_fields = true;
  } else if (++parser->blank_lines > BLANK_LINES_MAX) {
    status = 400;
    reason = "too many empty lines before the request line";
  }
  return status == 0 ? JH_PARSE_MORE : refuse(parser, status, reason);
}

jh_parse jh_parser_head(jh_parser *parser, jh_request *request, const jh_parse_limits *limits,
                        const char *data, size_t len, size_t *head_len) {
  if (!parser->is_in_fields) jh_request_reset(request);
  request->base = data;
  jh_head_scanner scanner = parser->head; /* a copy, which the compiler may keep in registers */
  size_t window = len < limits->max_header_bytes ? len : limits->max_header_bytes;
  for (;;) {
    const char *reason;
    uint32_t line = scanner.line;
    uint32_t line_len;
    jh_scan scan = jh_head_scanner_line(&scanner, data, window, &line_len, &reason);
    if (scan == JH_SCAN_ERROR) return refuse(parser, 400, reason);
    if (scan == JH_SCAN_MORE) break;
    jh_parse parse = take_line(parser, request, limits, line, line_len, window);
    if (parse == JH_PARSE_MORE) continue;
    *head_len = scanner.line;
    return parse;
  }
  parser->head = scanner;
  if (window < limits->max_header_bytes) return JH_PARSE_MORE;
  return parser->is_in_fields ? refuse(parser, 431, "headers too large")
                              : refuse(parser, 414, "request target too long");
}

/* ---- body ---- */

/* A body with a declared length: its next bytes are content. */
static jh_parse plain_body(jh_parser *parser, http_parser *engine, decoded *into, size_t len,
                           size_t *used) {
  size_t take = len < parser->body_left ? len : (size_t)parser->body_left;
  *used = take;
  if (take == 0) return JH_PARSE_MORE;
  parser->body_left -= take;
  bool is_last = parser->body_left == 0;
  if (!feed(engine, into, into->out, take) || into->len != take || into->is_complete != is_last) {
    return refuse(parser, 400, "bad body");
  }
  return is_last ? JH_PARSE_DONE : JH_PARSE_MORE;
}

/* A chunked body: http-parser gets the runs that the scanner lets pass. */
static jh_parse chunked_body(jh_parser *parser, http_parser *engine, decoded *into,
                             const jh_parse_limits *limits, const char *data, size_t len,
                             size_t *used) {
  jh_chunk_limits chunk_limits = {.max_body_bytes = limits->max_body_bytes,
                                  .max_trailer_bytes = limits->max_header_bytes,
                                  .max_trailer_count = limits->max_header_count};
  size_t at = 0;
  while (at < len) {
    size_t run_len;
    jh_chunk_run run =
        jh_chunk_scanner_next(&parser->chunks, &chunk_limits, data + at, len - at, &run_len);
    if (run == JH_CHUNK_ERROR) return refuse(parser, parser->chunks.status, parser->chunks.reason);
    bool is_kept_back = run == JH_CHUNK_DROP || run == JH_CHUNK_TRAILER;
    if (run == JH_CHUNK_TRAILER) parser->trailers = jh_str_make(data + at, run_len);
    bool is_fed = is_kept_back || feed(engine, into, data + at, run_len);
    bool is_last = run == JH_CHUNK_END;
    if (!is_fed || into->is_complete != is_last) return refuse(parser, 400, "bad chunked body");
    at += run_len;
    *used = at;
    if (is_last) return JH_PARSE_DONE;
  }
  return JH_PARSE_MORE;
}

jh_parse jh_parser_body(jh_parser *parser, const jh_parse_limits *limits, char *data, size_t len,
                        size_t *used, size_t *body_len) {
  decoded into = {.out = data};
  http_parser engine;
  *used = 0;
  *body_len = 0;
  parser->trailers = (jh_str){NULL, 0};
  memcpy(&engine, parser->engine, sizeof(engine));
  jh_parse parse;
  if (!(parser->framing.seen & JH_FRAMING_CHUNKED)) {
    if (parser->framing.content_length > limits->max_body_bytes) {
      return refuse(parser, 413, "body too large");
    }
    parse = plain_body(parser, &engine, &into, len, used);
  } else {
    parse = chunked_body(parser, &engine, &into, limits, data, len, used);
  }
  memcpy(parser->engine, &engine, sizeof(engine));
  *body_len = parse == JH_PARSE_ERROR ? 0 : into.len;
  return parse;
}
