/* form.c: implements the forms of justhttp.h: body in, parts out, limits on the way.
 *
 * Every function may stop with JH_EWAIT and is then called again; what it knows is in the form. */
#include "server/form.h"

#include "base/alloc.h"
#include "base/str.h"
#include "net/conn.h"

enum { BUFFER_BYTES = 65536, HEADER_COUNT_MAX = 16 };

static void free_form(jh_cleanup *cleanup) {
  jh_form *form = JH_LIST_ENTRY(cleanup, jh_form, cleanup);
  jh_free(form->buffer);
  jh_free(form);
}

/* Where the body comes from: memory of the caller's, memory of the ctx, or the connection. */
static int open_source(jh_form *form, const char *body, size_t len) {
  jh_ctx *ctx = form->ctx;
  if (body) {
    form->at = body;
    form->left = len;
    return 0;
  }
  if (ctx->body_state == JH_BODY_STREAMING) {
    if (ctx->is_body_touched) return JH_EBUSY;
    form->buffer = jh_try_alloc(BUFFER_BYTES);
    return form->buffer ? 0 : JH_ENOMEM;
  }
  if (ctx->body_state == JH_BODY_ENDED) return JH_EBUSY;
  if (ctx->body_state == JH_BODY_WHOLE) {
    form->at = ctx->body.ptr;
    form->left = ctx->body.len;
  }
  return 0;
}

static int open_parser(jh_form *form) {
  jh_str boundary;
  jh_str type = jh_request_header(&form->ctx->request, JH_STR("content-type"));
  int error = jh_multipart_boundary(type, &boundary);
  if (error) return error;
  jh_multipart_limits limits = {.max_header_bytes = form->limits.max_header_bytes,
                                .max_header_count = HEADER_COUNT_MAX,
                                .max_part_count = form->limits.max_part_count};
  return jh_multipart_init(&form->multipart, boundary, &limits);
}

jh_form *jh_form_open(jh_ctx *ctx, const jh_form_limits *limits, const char *body, size_t len,
                      int *error) {
  if (!ctx->is_held_by_lua) {
    *error = JH_ESTALE;
    return NULL;
  }
  jh_form *form = jh_try_calloc(1, sizeof *form);
  if (!form) {
    *error = JH_ENOMEM;
    return NULL;
  }
  form->cleanup.run = free_form;
  form->ctx = ctx;
  form->limits = *limits;
  *error = open_parser(form);
  if (*error == 0) *error = open_source(form, body, len);
  if (*error) {
    free_form(&form->cleanup);
    return NULL;
  }
  jh_list_init(&form->cleanup.node);
  jh_list_append(&ctx->cleanups, &form->cleanup.node);
  return form;
}

void jh_form_close(jh_form *form) {
  jh_list_remove(&form->cleanup.node);
  free_form(&form->cleanup);
}

static int fail(jh_form *form, int error, const char *reason) {
  form->error = error;
  form->reason = reason;
  return error;
}

/* More of the body to look at. The count, 0 at its end, or a code. */
static ssize_t refill(jh_form *form, uint32_t wait_id) {
  jh_ctx *ctx = form->ctx;
  if (!form->buffer) return 0;
  if (!ctx->conn) return ctx->body_error ? ctx->body_error : JH_ECLOSED;
  ssize_t count =
      ctx->conn->protocol->read_body(ctx->conn, ctx, form->buffer, BUFFER_BYTES, wait_id);
  if (count > 0) {
    form->at = form->buffer;
    form->left = (size_t)count;
  }
  return count;
}

/* The parser's next event other than MORE, or a code. After the last part: END, once the body has
 * ended too. */
static int pump(jh_form *form, uint32_t wait_id) {
  if (form->error) return form->error;
  if (form->is_ended) return JH_MULTIPART_END;
  for (;;) {
    if (form->left == 0) {
      ssize_t count = refill(form, wait_id);
      if (count < 0) return (int)count;
      if (count == 0) break;
    }
    size_t used;
    jh_multipart *multipart = &form->multipart;
    int event = jh_multipart_next(multipart, form->at, form->left, &used, &form->part);
    if (event < 0) return fail(form, event, multipart->reason);
    form->at += used;
    form->left -= used;
    if (event == JH_MULTIPART_END) form->is_last = true;
    if (event != JH_MULTIPART_MORE && event != JH_MULTIPART_END) return event;
  }
  int error = jh_multipart_finish(&form->multipart);
  if (error) return fail(form, error, form->multipart.reason);
  form->is_ended = true;
  return JH_MULTIPART_END;
}

/* Content has come: counts it. */
static int account(jh_form *form) {
  const jh_form_limits *limits = &form->limits;
  form->part_bytes += form->data.len;
  form->total_bytes += form->data.len;
  if (form->is_file && form->part_bytes > limits->max_file_bytes) {
    return fail(form, JH_ELIMIT, "a file is too large");
  }
  if (!form->is_file && form->part_bytes > limits->max_field_bytes) {
    return fail(form, JH_ELIMIT, "a field is too large");
  }
  if (form->total_bytes > limits->max_total_bytes) {
    return fail(form, JH_ELIMIT, "the form is too large");
  }
  return 0;
}

/* The content that comes next, into form->data. 1, 0 at the end of the part, or a code. */
static int next_data(jh_form *form, uint32_t wait_id) {
  int event = pump(form, wait_id);
  if (event < 0) return event;
  if (event != JH_MULTIPART_PART_DATA) {
    form->is_open = false;
    return 0;
  }
  form->data = form->part.data;
  int error = account(form);
  return error ? error : 1;
}

static int begin_part(jh_form *form) {
  form->is_open = true;
  form->is_file = form->part.has_filename;
  form->part_bytes = 0;
  form->filename_len = 0;
  if (!form->is_file) return 1;
  if (++form->file_count > form->limits.max_file_count) {
    return fail(form, JH_ELIMIT, "too many files");
  }
  form->filename_len = jh_filename_sanitise(form->part.filename, form->filename);
  return 1;
}

int jh_form_next(jh_form *form, uint32_t wait_id) {
  form->data = (jh_str){NULL, 0};
  while (form->is_open) {
    int result = next_data(form, wait_id);
    form->data.len = 0;
    if (result < 0) return result;
  }
  int event = pump(form, wait_id);
  if (event < 0) return event;
  return event == JH_MULTIPART_PART_BEGIN ? begin_part(form) : 0;
}

ssize_t jh_form_read(jh_form *form, size_t bytes, jh_str *out, uint32_t wait_id) {
  if (form->data.len == 0) {
    if (!form->is_open) return form->error;
    int result = next_data(form, wait_id);
    if (result <= 0) return result;
  }
  size_t count = form->data.len < bytes ? form->data.len : bytes;
  *out = (jh_str){form->data.ptr, count};
  form->data.ptr += count;
  form->data.len -= count;
  return (ssize_t)count;
}

int jh_form_text_of(jh_form *form, int which, jh_str *out) {
  const jh_multipart_event *part = &form->part;
  switch ((jh_form_text)which) {
  case JH_FORM_NAME:
    *out = part->name;
    return 0;
  case JH_FORM_FILENAME:
    *out = (jh_str){form->filename, form->filename_len};
    return part->has_filename ? 0 : JH_ENOTFOUND;
  case JH_FORM_RAW_FILENAME:
    *out = part->filename;
    return part->has_filename ? 0 : JH_ENOTFOUND;
  case JH_FORM_TYPE:
    *out = part->content_type;
    return part->content_type.ptr ? 0 : JH_ENOTFOUND;
  }
  return JH_ENOTFOUND;
}

int jh_form_header_at(jh_form *form, uint32_t index, jh_str *name, jh_str *value) {
  return jh_multipart_header_at(&form->multipart, index, name, value);
}

const char *jh_form_reason(jh_form *form) {
  return form->reason;
}
