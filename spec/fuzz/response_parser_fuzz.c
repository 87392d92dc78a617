/* response_parser_fuzz.c: feeds bytes of one link to the response parser, in several ways.
 *
 * The first byte of the input chooses what is answered (bits 0-1), the rest is what a server sends.
 * What must hold:
 *  - The outcome does not depend on how the bytes are cut: all at once, one by one, in pieces.
 *  - No byte outside what was given is touched (every piece is a block of its own under ASan).
 *  - A body is no longer than its limit, and as long as was declared.
 *  - jh_response_parser_wanted() never asks for bytes beyond the message. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/response_parser.h"

enum { INPUT_MAX = 4096, TEXT_MAX = 1 << 16, RESPONSES_MAX = 32 };

static const jh_response_limits limits = {.max_header_bytes = 1024,
                                          .max_header_count = 20,
                                          .max_interim_count = 3,
                                          .max_body_bytes = 700};

typedef struct outcome {
  char text[TEXT_MAX];
  size_t len;
} outcome;

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "response_parser_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static void note(outcome *into, const char *bytes, size_t len) {
  MUST(into->len + len <= sizeof(into->text));
  if (len > 0) memcpy(into->text + into->len, bytes, len);
  into->len += len;
}

static void note_number(outcome *into, const char *name, uint64_t number) {
  char line[80];
  int len = snprintf(line, sizeof(line), "%s=%llu\n", name, (unsigned long long)number);
  note(into, line, (size_t)len);
}

/* The link: bytes come in pieces of a size that `cut` decides. */
typedef struct source {
  const uint8_t *data;
  size_t size, given;
  uint32_t cut; /* 0: all at once, 1: one by one, else pseudo-random */
} source;

static bool receive(source *input) {
  size_t left = input->size - input->given;
  if (left == 0) return false;
  size_t count = left;
  if (input->cut == 1) count = 1;
  if (input->cut > 1) {
    input->cut = input->cut * 1664525 + 1013904223;
    count = 1 + (input->cut >> 16) % 50;
  }
  input->given += count < left ? count : left;
  return true;
}

static char *copy_of(const uint8_t *bytes, size_t len) {
  char *copy = malloc(len > 0 ? len : 1);
  memcpy(copy, bytes, len);
  return copy;
}

static void note_error(outcome *into, const jh_response_parser *parser) {
  MUST(parser->problem != NULL);
  MUST(parser->error == JH_EPROTO || parser->error == JH_ELIMIT);
  note(into, parser->problem, strlen(parser->problem));
}

/* One head, final or interim. Its length, or 0 when that was the end. */
static size_t read_head(jh_response_parser *parser, source *input, size_t start, outcome *into) {
  for (;;) {
    size_t len = input->given - start, head_len = 0;
    char *data = copy_of(input->data + start, len);
    jh_response_parse parse = jh_response_parser_head(parser, &limits, data, len, &head_len);
    if (parse == JH_RESPONSE_DONE) {
      MUST(head_len <= len && head_len <= limits.max_header_bytes);
      MUST(parser->fields <= head_len);
      MUST(parser->reason_phrase.off + parser->reason_phrase.len <= head_len);
      note_number(into, "status", parser->status);
      note_number(into, "count", parser->header_count);
      note_number(into, "fields", parser->fields);
      note(into, data + parser->reason_phrase.off, parser->reason_phrase.len);
      free(data);
      return head_len;
    }
    free(data);
    if (parse == JH_RESPONSE_ERROR) {
      note_error(into, parser);
      return 0;
    }
    if (!receive(input)) {
      note(into, "more", 4);
      return 0;
    }
  }
}

/* Where the body ends, or 0 when it does not. */
static size_t read_body(jh_response_parser *parser, source *input, size_t at, outcome *into) {
  char body[1024], trailers[2048];
  size_t len = 0, trailers_len = 0;
  for (;;) {
    size_t count = input->given - at, used, decoded;
    uint64_t wanted = jh_response_parser_wanted(parser);
    char *data = copy_of(input->data + at, count);
    jh_response_parse parse =
        jh_response_parser_body(parser, &limits, data, count, &used, &decoded);
    if (parse == JH_RESPONSE_ERROR) {
      note_error(into, parser);
      free(data);
      return 0;
    }
    MUST(used <= count && decoded <= used && used <= wanted);
    MUST(len + decoded <= limits.max_body_bytes);
    MUST(parse == JH_RESPONSE_DONE || used == count);
    memcpy(body + len, data, decoded);
    len += decoded;
    if (parser->trailers.len) {
      MUST(parser->trailers.ptr >= data && parser->trailers.len <= used);
      MUST(trailers_len + parser->trailers.len <= sizeof(trailers));
      memcpy(trailers + trailers_len, parser->trailers.ptr, parser->trailers.len);
      trailers_len += parser->trailers.len;
    }
    free(data);
    at += used;
    bool is_over = parse == JH_RESPONSE_DONE;
    if (is_over || (at == input->given && !receive(input))) {
      note_number(into, "over", is_over || jh_response_parser_end(parser) == JH_RESPONSE_DONE);
      note(into, body, len);
      note(into, trailers, trailers_len);
      if (is_over && parser->body == JH_RESPONSE_LENGTH) MUST(len == parser->content_length);
      return is_over ? at : 0;
    }
  }
}

static void run(const uint8_t *data, size_t size, jh_response_to to, uint32_t cut, outcome *into) {
  source input = {.data = data, .size = size, .cut = cut};
  size_t start = 0;
  into->len = 0;
  for (int i = 0; i < RESPONSES_MAX; i++) {
    jh_response_parser parser;
    jh_response_parser_init(&parser, to);
    do {
      size_t head_len = read_head(&parser, &input, start, into);
      if (head_len == 0) return;
      start += head_len;
    } while (jh_response_parser_is_interim(&parser));
    note_number(into, "kind", parser.body);
    note_number(into, "keeps", parser.may_keep_alive);
    note_number(into, "coding", parser.has_coding);
    start = read_body(&parser, &input, start, into);
    if (start == 0 || !parser.may_keep_alive) return;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static outcome whole, other;
  if (size < 1 || size > INPUT_MAX) return 0;
  jh_response_to to = (jh_response_to)(data[0] % 3);
  run(data + 1, size - 1, to, 0, &whole);
  for (uint32_t cut = 1; cut <= 3; cut++) {
    run(data + 1, size - 1, to, cut, &other);
    MUST(whole.len == other.len && memcmp(whole.text, other.text, whole.len) == 0);
  }
  return 0;
}
