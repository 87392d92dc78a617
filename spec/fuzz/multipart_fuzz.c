/* multipart_fuzz.c: takes a form apart in several ways.
 *
 * The input is a Content-Type value, LF, and the body. When the value names no boundary it is "b".
 * What must hold:
 *  - The outcome does not depend on how the body is cut: all at once, one by one, in pieces.
 *  - No byte outside what was given is touched (every piece is a block of its own under ASan).
 *  - What is accepted, a plain reading of the whole body accepts too, with the same contents.
 *  - Names are never longer than the header they came from and hold no NUL. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/multipart.h"

enum { INPUT_MAX = 4096, CONTENTS_MAX = 1 << 16 };

static const jh_multipart_limits limits = {
    .max_header_bytes = 300, .max_header_count = 5, .max_part_count = 20};

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "multipart_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

/* All that can be observed of one form, and its contents alone. */
typedef struct outcome {
  char text[CONTENTS_MAX];
  char contents[CONTENTS_MAX];
  size_t len, contents_len;
  int result;
  bool has_ended;
} outcome;

static void note(outcome *into, const char *bytes, size_t len) {
  MUST(into->len + len <= sizeof(into->text));
  if (len > 0) memcpy(into->text + into->len, bytes, len);
  into->len += len;
}

static void note_content(outcome *into, const char *bytes, size_t len) {
  MUST(into->contents_len + len <= sizeof(into->contents));
  if (len > 0) memcpy(into->contents + into->contents_len, bytes, len);
  into->contents_len += len;
}

static void note_name(outcome *into, const char *what, jh_str name) {
  MUST(name.len <= limits.max_header_bytes);
  MUST(name.len == 0 || memchr(name.ptr, '\0', name.len) == NULL);
  note(into, what, strlen(what));
  note(into, name.ptr, name.len);
}

static void note_event(outcome *into, jh_multipart *multipart, int kind,
                       const jh_multipart_event *event) {
  MUST(!into->has_ended);
  switch (kind) {
  case JH_MULTIPART_PART_BEGIN:
    note_name(into, "\nname=", event->name);
    note_name(into, event->has_filename ? "\nfilename=" : "\nnone=", event->filename);
    note_name(into, "\ntype=", event->content_type);
    note_name(into, "\nx=", jh_multipart_header(multipart, JH_STR("x")));
    note(into, "\ndata=", 6);
    break;
  case JH_MULTIPART_PART_DATA:
    MUST(event->data.len > 0);
    note(into, event->data.ptr, event->data.len);
    note_content(into, event->data.ptr, event->data.len);
    break;
  case JH_MULTIPART_PART_END:
    note(into, "\nend", 4);
    note_content(into, "", 1);
    break;
  default:
    MUST(kind == JH_MULTIPART_END);
    into->has_ended = true;
    break;
  }
}

/* Gives one piece in a block of its own. False after an error. */
static bool feed(jh_multipart *multipart, const char *bytes, size_t len, outcome *into) {
  char *piece = malloc(len);
  MUST(piece != NULL);
  memcpy(piece, bytes, len);
  size_t at = 0;
  int idle = 0;
  int kind;
  do {
    jh_multipart_event event;
    size_t used = 0;
    kind = jh_multipart_next(multipart, piece + at, len - at, &used, &event);
    MUST(used <= len - at);
    at += used;
    idle = used == 0 ? idle + 1 : 0;
    MUST(idle <= 2);
    if (kind > 0) note_event(into, multipart, kind, &event);
  } while (kind > 0);
  free(piece);
  MUST(kind < 0 || at == len);
  into->result = kind;
  return kind == 0;
}

/* seed 0: all at once; 1: one by one; else pseudo-random pieces. */
static void run(jh_str boundary, const char *body, size_t len, uint32_t seed, outcome *into) {
  jh_multipart *multipart = malloc(sizeof(*multipart));
  MUST(multipart != NULL && jh_multipart_init(multipart, boundary, &limits) == 0);
  into->len = into->contents_len = 0;
  into->result = 0;
  into->has_ended = false;
  size_t at = 0;
  bool is_good = true;
  while (is_good && at < len) {
    size_t count = len - at;
    if (seed == 1) count = 1;
    if (seed > 1) {
      seed = seed * 1664525 + 1013904223;
      count = 1 + (seed >> 16) % 40;
    }
    if (count > len - at) count = len - at;
    is_good = feed(multipart, body + at, count, into);
    at += count;
  }
  if (is_good) into->result = jh_multipart_finish(multipart);
  MUST((into->result == 0) == into->has_ended);
  if (into->result != 0) note(into, multipart->reason, strlen(multipart->reason));
  free(multipart);
}

/* The contents of an accepted body, each followed by a NUL, found by searching the whole body. */
static void check_contents(jh_str boundary, const char *body, size_t len, const outcome *got) {
  char delimiter[JH_DELIMITER_BYTES_MAX + 1];
  size_t delimiter_len =
      (size_t)snprintf(delimiter, sizeof(delimiter), "\r\n--%.*s", (int)boundary.len, boundary.ptr);
  const char *end = body + len;
  const char *at = body + (body[0] == '\r' ? delimiter_len : delimiter_len - 2);
  size_t noted = 0;
  MUST((size_t)(end - body) >= delimiter_len - 2);
  while (at + 2 > end || memcmp(at, "--", 2) != 0) {
    const char *content = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    MUST(content != NULL);
    content += 4;
    const char *next = memmem(content - 2, (size_t)(end - content) + 2, delimiter, delimiter_len);
    MUST(next != NULL);
    size_t content_len = next > content ? (size_t)(next - content) : 0;
    MUST(noted + content_len < got->contents_len);
    MUST(memcmp(got->contents + noted, content, content_len) == 0);
    MUST(got->contents[noted + content_len] == '\0');
    noted += content_len + 1;
    at = next + delimiter_len;
  }
  MUST(noted == got->contents_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static outcome whole;
  static outcome other;
  if (bytes == 0 || bytes > INPUT_MAX) return 0;
  const char *text = (const char *)data;
  const char *lf = memchr(text, '\n', bytes);
  size_t type_len = lf == NULL ? bytes : (size_t)(lf - text);
  char *type = malloc(type_len + 1);
  MUST(type != NULL);
  memcpy(type, text, type_len);
  jh_str boundary;
  if (jh_multipart_boundary((jh_str){type, type_len}, &boundary) != 0) boundary = JH_STR("b");
  MUST(jh_delimiter_boundary_is_valid(boundary));
  const char *body = text + type_len + (lf != NULL);
  size_t len = bytes - type_len - (lf != NULL);
  run(boundary, body, len, 0, &whole);
  for (uint32_t seed = 1; seed < 5; seed++) {
    run(boundary, body, len, seed, &other);
    MUST(other.result == whole.result && other.len == whole.len);
    MUST(memcmp(other.text, whole.text, whole.len) == 0);
  }
  if (whole.result == 0) check_contents(boundary, body, len, &whole);
  free(type);
  return 0;
}
