/* forward_fuzz.c: heads on their way through a proxy.
 *
 * The input is a byte of flags, then a request head; what is behind it are field lines of a
 * response. What must hold:
 *  - What is written fits into the room that was measured for it.
 *  - The head that goes on is one by our own strict parser, with one Host, the framing it was told
 *    to have, and nothing of the connection that the client's head was about.
 *  - Its target stays below its base, whatever the path.
 *  - The response's head, likewise, has one framing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/forward.h"
#include "http/method.h"
#include "http/parser.h"
#include "http/response_parser.h"
#include "http/target.h"

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

enum { HEADERS_MAX = 64 };

static void fail(const char *condition, int line) {
  fprintf(stderr, "forward_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static const jh_parse_limits limits = {1 << 20, HEADERS_MAX, 1 << 20, UINT64_MAX};

/* A block of its own, so that ASan sees reads beyond it. */
static char *copy_of(const void *bytes, size_t len) {
  char *copy = malloc(len ? len : 1);
  MUST(copy != NULL);
  if (len) memcpy(copy, bytes, len);
  return copy;
}

static uint32_t count_fields(const jh_request *request, jh_str name) {
  uint32_t count = 0;
  int32_t at = -1;
  do {
    at = jh_request_find_header(request, name.ptr, name.len, (uint32_t)(at + 1));
    count += at >= 0;
  } while (at >= 0);
  return count;
}

static void check_target(const jh_forward_request *forward, const jh_request *passed) {
  jh_str path = jh_request_path(passed);
  char *normal = malloc(path.len + 1);
  size_t len = 0;
  MUST(normal != NULL);
  MUST(jh_target_normalise(path, normal, &len) == 0);
  jh_str base = forward->rules->base;
  MUST(len > base.len && memcmp(normal, base.ptr, base.len) == 0 && normal[base.len] == '/');
  jh_str rest =
      forward->rest.ptr ? forward->rest : (jh_str){forward->path.ptr + 1, forward->path.len - 1};
  MUST(len - base.len - 1 == rest.len && memcmp(normal + base.len + 1, rest.ptr, rest.len) == 0);
  free(normal);
}

static void check_passed(const jh_forward_request *forward, const char *head, size_t len) {
  jh_header headers[HEADERS_MAX + 16];
  jh_request request = {.headers = headers, .header_capacity = HEADERS_MAX + 16};
  jh_parse_limits wide = limits;
  wide.max_header_count = HEADERS_MAX + 16;
  jh_parser parser;
  size_t head_len;
  jh_parser_init(&parser);
  MUST(jh_parser_head(&parser, &request, &wide, head, len, &head_len) == JH_PARSE_DONE);
  MUST(head_len == len);
  MUST(request.http_minor == 1);
  MUST(count_fields(&request, JH_STR("host")) == 1);
  MUST(request.is_chunked == (forward->body == JH_FORWARD_CHUNKED));
  MUST(request.has_content_length == (forward->body == JH_FORWARD_LENGTH));
  MUST(request.content_length == (forward->body == JH_FORWARD_LENGTH ? forward->body_bytes : 0));
  MUST(request.is_keep_alive);
  MUST(!request.expects_continue || forward->expects_continue);
  MUST(!request.is_upgrade || forward->is_upgrade);
  static const char *const stay[] = {"keep-alive", "proxy-connection", "proxy-authorization",
                                     "http2-settings", "proxy"};
  for (size_t i = 0; i < sizeof stay / sizeof *stay; i++) {
    MUST(count_fields(&request, jh_str_of(stay[i])) == 0);
  }
  MUST(count_fields(&request, JH_STR("x-forwarded-for")) <=
       (forward->rules->flags & JH_FORWARD_X_BIT ? 1 : HEADERS_MAX));
  check_target(forward, &request);
}

static void pass_request(uint8_t flags, jh_request *request) {
  char normal_room[1 << 16];
  jh_str raw = jh_request_path(request);
  size_t path_len;
  if (raw.len >= sizeof normal_room || request->target_form > JH_TARGET_ABSOLUTE) return;
  if (jh_target_normalise(raw, normal_room, &path_len) < 0) return;
  jh_forward_rules rules = {.flags = flags & 7, .host = JH_STR("up"), .base = JH_STR("/base")};
  jh_forward_request forward = {.request = request,
                                .rules = &rules,
                                .method = jh_method_name(request->method),
                                .path = {normal_room, path_len},
                                .peer = JH_STR("192.0.2.1"),
                                .scheme = JH_STR("http"),
                                .is_trusted = flags & 8,
                                .is_upgrade = request->is_upgrade,
                                .body = (flags >> 4) % 3,
                                .body_bytes = flags};
  if (flags & 64) {
    /* Behind the second slash, as a route "/:a/" + "*rest" would have it. */
    const char *slash = path_len > 1 ? memchr(normal_room + 1, '/', path_len - 1) : NULL;
    if (slash) forward.rest = (jh_str){slash + 1, path_len - (size_t)(slash + 1 - normal_room)};
  }
  size_t room = jh_forward_request_bytes(&forward);
  char *out = malloc(room);
  MUST(out != NULL);
  ssize_t len = jh_forward_write_request(&forward, out);
  MUST(len == JH_ELIMIT || (len > 0 && (size_t)len <= room));
  if (len > 0) {
    char *exact = copy_of(out, (size_t)len);
    check_passed(&forward, exact, (size_t)len);
    free(exact);
  }
  free(out);
}

static void pass_response(uint8_t flags, const char *lines, size_t len) {
  static const char status_line[] = "HTTP/1.1 200 OK\r\n";
  size_t head_bytes = sizeof status_line - 1 + len + 2, head_len;
  char *head = malloc(head_bytes);
  MUST(head != NULL);
  memcpy(head, status_line, sizeof status_line - 1);
  if (len) memcpy(head + sizeof status_line - 1, lines, len);
  memcpy(head + head_bytes - 2, "\r\n", 2);
  jh_response_limits response_limits = {1 << 20, 1000, 1, UINT64_MAX};
  jh_response_parser parser;
  jh_response_parser_init(&parser, JH_RESPONSE_TO_ANY);
  jh_response_parse parse =
      jh_response_parser_head(&parser, &response_limits, head, head_bytes, &head_len);
  if (parse == JH_RESPONSE_DONE) {
    bool is_chunked = flags & 1, has_length = !is_chunked;
    jh_forward_response forward = {.fields = {head + parser.fields, head_len - parser.fields - 2},
                                   .reason = JH_STR("OK"),
                                   .status = 200,
                                   .is_keep_alive = true,
                                   .is_chunked = is_chunked,
                                   .has_length = has_length,
                                   .body_bytes = 7};
    size_t room = jh_forward_response_bytes(&forward);
    char *out = malloc(room);
    MUST(out != NULL);
    ssize_t out_len = jh_forward_write_response(&forward, out);
    MUST(out_len == JH_ELIMIT || (out_len > 0 && (size_t)out_len <= room));
    if (out_len > 0) {
      jh_response_parser_init(&parser, JH_RESPONSE_TO_ANY);
      MUST(jh_response_parser_head(&parser, &response_limits, out, (size_t)out_len, &head_len) ==
           JH_RESPONSE_DONE);
      MUST(head_len == (size_t)out_len);
      MUST(parser.is_chunked == is_chunked && parser.has_length == has_length);
      MUST(parser.content_length == (has_length ? 7 : 0) && parser.may_keep_alive);
    }
    free(out);
  }
  free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  jh_header headers[HEADERS_MAX];
  jh_request request = {.headers = headers, .header_capacity = HEADERS_MAX};
  jh_parser parser;
  size_t head_len = 0;
  if (bytes == 0 || bytes > 30000) return 0;
  char *head = copy_of(data + 1, bytes - 1);
  jh_parser_init(&parser);
  if (jh_parser_head(&parser, &request, &limits, head, bytes - 1, &head_len) == JH_PARSE_DONE) {
    pass_request(data[0], &request);
    pass_response(data[0], head + head_len, bytes - 1 - head_len);
  } else {
    pass_response(data[0], head, bytes - 1);
  }
  free(head);
  return 0;
}
