/* file_answer.c: preconditions, ranges and content codings of a request for a file. */
#include "net/file_answer.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/method.h"

/* A field of the request; several lines of it joined with commas. ptr NULL when it is absent, or
 * when memory is out. */
static jh_str field(jh_ctx *ctx, jh_str name) {
  const jh_request *request = &ctx->request;
  jh_str whole = {NULL, 0};
  int32_t index = -1;
  while ((index = jh_request_find_header(request, name.ptr, name.len, (uint32_t)(index + 1))) >=
         0) {
    jh_str value = jh_request_str(request, request->headers[index].value);
    if (!whole.ptr) {
      whole = value;
      continue;
    }
    char *joined = jh_arena_try_alloc(&ctx->arena, whole.len + value.len + 2);
    if (!joined) return (jh_str){NULL, 0};
    memcpy(joined, whole.ptr, whole.len);
    memcpy(joined + whole.len, ", ", 2);
    memcpy(joined + whole.len + 2, value.ptr, value.len);
    whole = (jh_str){joined, whole.len + value.len + 2};
  }
  return whole;
}

/* One Range field; more than one is ignored (RFC 9110 §14.2 is about one). */
static jh_str range_field(const jh_request *request) {
  int32_t index = jh_request_find_header(request, "range", 5, 0);
  if (index < 0 || jh_request_find_header(request, "range", 5, (uint32_t)index + 1) >= 0) {
    return (jh_str){NULL, 0};
  }
  return jh_request_str(request, request->headers[index].value);
}

/* A range of a coded file is of little use to anybody, so with a Range field the file itself is
 * meant. */
static jh_file *choose_variant(jh_ctx *ctx, jh_file *file, bool has_range) {
  if (file->variant_bits == 1U << JH_CODING_IDENTITY || has_range) return file;
  int coding = jh_accept_encoding_choose(field(ctx, JH_STR("accept-encoding")), file->variant_bits);
  return coding > 0 && file->variants[coding] ? file->variants[coding] : file;
}

/* Validators that the handler set win over the file's. */
static jh_conditional_state state_of(const jh_ctx *ctx, const jh_file *file, bool has_range) {
  jh_conditional_state state = {.etag = file->etag,
                                .last_modified_s = file->stamp.modified.tv_sec,
                                .has_last_modified = true,
                                .exists = true,
                                .is_get = true,
                                .has_range = has_range,
                                .now_s = jh_clock_unix_ms() / 1000};
  if (!ctx->response.first) return state;
  jh_str etag = jh_response_find(&ctx->response, JH_STR("etag"));
  if (etag.ptr) state.etag = etag;
  jh_str modified = jh_response_find(&ctx->response, JH_STR("last-modified"));
  if (modified.ptr) {
    state.has_last_modified = jh_date_parse(modified, state.now_s, &state.last_modified_s) == 0;
  }
  return state;
}

/* Most requests are without any of these fields; this tells with one pass over the names. */
static bool has_conditions(const jh_request *request) {
  for (uint32_t i = 0; i < request->header_count; i++) {
    jh_str name = jh_request_str(request, request->headers[i].name);
    if (name.len >= 5 && jh_str_equal_nocase(jh_str_make(name.ptr, 3), JH_STR("if-"))) return true;
  }
  return false;
}

static jh_conditional_result check_conditions(jh_ctx *ctx, const jh_file *file, bool has_range) {
  if (!has_conditions(&ctx->request)) return JH_CONDITIONAL_PROCEED;
  jh_conditional_fields fields = {.if_match = field(ctx, JH_STR("if-match")),
                                  .if_none_match = field(ctx, JH_STR("if-none-match")),
                                  .if_modified_since = field(ctx, JH_STR("if-modified-since")),
                                  .if_unmodified_since = field(ctx, JH_STR("if-unmodified-since")),
                                  .if_range = field(ctx, JH_STR("if-range"))};
  jh_conditional_state state = state_of(ctx, file, has_range);
  return jh_conditional_check(&fields, &state);
}

/* The parts of a multipart body are told apart by bytes that nobody could have put into a file. */
static bool choose_boundary(jh_file_answer *answer) {
  static const char digits[] = "0123456789abcdef";
  uint8_t random[JH_FILE_BOUNDARY_LEN / 2];
  if (getrandom(random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random) return false;
  for (size_t i = 0; i < sizeof random; i++) {
    answer->boundary[2 * i] = digits[random[i] >> 4];
    answer->boundary[2 * i + 1] = digits[random[i] & 15];
  }
  return true;
}

static int decide(jh_ctx *ctx, jh_file_answer *answer) {
  const jh_request *request = &ctx->request;
  bool is_get = request->method == JH_METHOD_GET;
  if (!is_get && request->method != JH_METHOD_HEAD) return 200;
  jh_str range = is_get ? range_field(request) : (jh_str){NULL, 0};
  switch (check_conditions(ctx, answer->file, range.ptr != NULL)) {
  case JH_CONDITIONAL_NOT_MODIFIED:
    return 304;
  case JH_CONDITIONAL_FAILED:
    return 412;
  case JH_CONDITIONAL_WHOLE:
    return 200;
  default:
    break;
  }
  if (!range.ptr) return 200;
  switch (jh_range_parse(range, (uint64_t)answer->file->stamp.size, &answer->set)) {
  case JH_RANGE_UNSATISFIABLE:
    return 416;
  case JH_RANGE_PARTIAL:
    if (answer->set.count == 1) return 206;
    /* Several need a Content-Type of their own. */
    return !ctx->response.has_content_type && choose_boundary(answer) ? 206 : 200;
  default:
    return 200;
  }
}

static void free_answer(jh_cleanup *cleanup) {
  jh_file_answer *answer = JH_LIST_ENTRY(cleanup, jh_file_answer, cleanup);
  answer->ctx->file_answer = NULL;
  jh_file_release(answer->file);
}

void jh_file_answer_drop(jh_ctx *ctx) {
  if (!ctx->file_answer) return;
  jh_list_remove(&ctx->file_answer->cleanup.node);
  free_answer(&ctx->file_answer->cleanup);
}

int jh_file_answer_prepare(jh_file_cache *cache, jh_ctx *ctx, jh_file_root *root, jh_str path,
                           int status, jh_file_info *info) {
  jh_file *file;
  jh_file_answer_drop(ctx);
  int error = jh_file_cache_find(cache, root, path, &file);
  if (error) return error;
  jh_file_answer *answer = jh_arena_try_alloc(&ctx->arena, sizeof *answer);
  if (!answer) {
    jh_file_release(file);
    return JH_ENOMEM;
  }
  bool has_range = status == 200 && ctx->request.method == JH_METHOD_GET &&
                   range_field(&ctx->request).ptr != NULL;
  answer->file = choose_variant(ctx, file, has_range);
  if (answer->file != file) {
    jh_file_acquire(answer->file);
    jh_file_release(file);
  }
  answer->ctx = ctx;
  answer->cleanup.run = free_answer;
  jh_list_init(&answer->cleanup.node);
  jh_list_append(&ctx->cleanups, &answer->cleanup.node);
  ctx->file_answer = answer;
  answer->status = status == 200 ? decide(ctx, answer) : status;
  info->bytes = (double)answer->file->stamp.size;
  info->modified_s = (double)answer->file->stamp.modified.tv_sec;
  info->body_bytes = 0;
  if (answer->status == 412 || answer->status == 416) {
    jh_file_answer_drop(ctx);
    return answer->status;
  }
  if (answer->status != 304) info->body_bytes = (double)jh_file_answer_body_bytes(answer);
  return answer->status;
}

/* ---- what is sent ---- */

jh_range_parts jh_file_answer_parts(const jh_file_answer *answer) {
  return (jh_range_parts){.boundary = {answer->boundary, JH_FILE_BOUNDARY_LEN},
                          .content_type = answer->file->type,
                          .size = (uint64_t)answer->file->stamp.size};
}

uint64_t jh_file_answer_body_bytes(const jh_file_answer *answer) {
  if (answer->status != 206) return (uint64_t)answer->file->stamp.size;
  if (answer->set.count == 1) return answer->set.ranges[0].len;
  jh_range_parts parts = jh_file_answer_parts(answer);
  return jh_range_body_bytes(&parts, &answer->set);
}

/* What is said of the range or ranges. Its length. */
static size_t write_range_lines(const jh_file_answer *answer, char *out) {
  if (answer->set.count == 1) {
    memcpy(out, "Content-Range: ", 15);
    size_t len = 15 + jh_range_write_content_range(&answer->set.ranges[0],
                                                   (uint64_t)answer->file->stamp.size, out + 15);
    memcpy(out + len, "\r\n", 2);
    return len + 2;
  }
  jh_str type = JH_STR("Content-Type: multipart/byteranges; boundary=");
  memcpy(out, type.ptr, type.len);
  memcpy(out + type.len, answer->boundary, JH_FILE_BOUNDARY_LEN);
  memcpy(out + type.len + JH_FILE_BOUNDARY_LEN, "\r\n", 2);
  return type.len + JH_FILE_BOUNDARY_LEN + 2;
}

/* Lines of the same name add up to a list for Vary; every other field is said once. */
static bool is_set(const jh_ctx *ctx, jh_str name) {
  return !jh_str_equal(name, JH_STR("Vary")) && jh_response_find(&ctx->response, name).ptr != NULL;
}

jh_str jh_file_answer_fields(jh_ctx *ctx, const jh_file_answer *answer) {
  const jh_file *file = answer->file;
  bool is_304 = answer->status == 304;
  bool is_multipart = answer->status == 206 && answer->set.count > 1;
  if (!ctx->response.first && answer->status != 206) {
    return (jh_str){file->fields, is_304 ? file->common_fields_bytes : file->fields_bytes};
  }
  enum { RANGE_LINES_MAX_BYTES = 128 };
  if (is_multipart) jh_response_remove(&ctx->response, JH_STR("content-type"));
  char *out = jh_arena_try_alloc(&ctx->arena, file->fields_bytes + (size_t)RANGE_LINES_MAX_BYTES);
  if (!out) return (jh_str){NULL, 0};
  size_t len = 0;
  uint32_t count = is_304 ? file->common_line_count : file->line_count;
  for (uint32_t i = 0; i < count; i++) {
    const jh_file_line *line = &file->lines[i];
    jh_str name = {file->fields + line->off, line->name_len};
    bool is_replaced = is_multipart && jh_str_equal(name, JH_STR("Content-Type"));
    if (is_replaced || is_set(ctx, name)) continue;
    memcpy(out + len, file->fields + line->off, line->len);
    len += line->len;
  }
  if (answer->status == 206) len += write_range_lines(answer, out + len);
  return (jh_str){out, len};
}
