/* response.c: header lines as wire bytes, and the response head.
 *
 * The common head (200, our content types, nothing set) is a handful of copies of constant text; it
 * is written once per request, so this file avoids formatting functions. */
#include "http/response.h"

#include <string.h>

#include "base/str.h"
#include "http/status.h"

/* Status line, Connection, Content-Length with 20 digits, Server, Date, type and the last CRLF. */
enum { FIXED_HEAD_MAX_BYTES = 1024 };

static const jh_str content_type_lines[] = {
    [JH_TYPE_NONE] = {"", 0},
    [JH_TYPE_TEXT] = {"Content-Type: text/plain; charset=utf-8\r\n", 41},
    [JH_TYPE_HTML] = {"Content-Type: text/html; charset=utf-8\r\n", 40},
    [JH_TYPE_JSON] = {"Content-Type: application/json\r\n", 32},
    [JH_TYPE_BYTES] = {"Content-Type: application/octet-stream\r\n", 40},
};

void jh_response_reset(jh_response *response) {
  memset(response, 0, sizeof *response);
}

/* tchar of RFC 9110 §5.6.2. */
static bool is_token(jh_str name) {
  static const char others[] = "!#$%&'*+-.^_`|~";
  if (name.len == 0) return false;
  for (size_t i = 0; i < name.len; i++) {
    unsigned char byte = (unsigned char)name.ptr[i];
    bool is_alnum = (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z');
    if (!is_alnum && (byte == 0 || !strchr(others, byte))) return false;
  }
  return true;
}

static bool is_field_value(jh_str value) {
  for (size_t i = 0; i < value.len; i++) {
    char byte = value.ptr[i];
    if (byte == '\r' || byte == '\n' || byte == '\0') return false;
  }
  return true;
}

static jh_str line_name(const jh_response_line *line) {
  return (jh_str){line->text, line->name_len};
}

static bool is_framing_field(jh_str name) {
  return jh_str_equal_nocase(name, JH_STR("content-length")) ||
         jh_str_equal_nocase(name, JH_STR("transfer-encoding"));
}

/* Keeps the flags in step with the lines: fields that replace one of ours. */
static void note_field(jh_response *response, jh_str name, bool is_present) {
  if (name.len == 12 && jh_str_equal_nocase(name, JH_STR("content-type"))) {
    response->has_content_type = is_present;
  } else if (name.len == 4 && jh_str_equal_nocase(name, JH_STR("date"))) {
    response->has_date = is_present;
  } else if (name.len == 6 && jh_str_equal_nocase(name, JH_STR("server"))) {
    response->has_server = is_present;
  }
}

int jh_response_try_set(jh_response *response, jh_arena *arena, jh_str name, jh_str value,
                        bool append) {
  if (!is_token(name) || !is_field_value(value)) return JH_EINVAL;
  if (is_framing_field(name)) return JH_EUNSUPPORTED;
  if (jh_str_equal_nocase(name, JH_STR("connection")) &&
      jh_str_equal_nocase(value, JH_STR("close"))) {
    response->wants_close = true;
    return 0;
  }
  size_t line_len = name.len + 2 + value.len + 2;
  if (response->fields_bytes + line_len > JH_RESPONSE_FIELDS_MAX_BYTES) return JH_ELIMIT;
  jh_response_line *line = jh_arena_try_alloc(arena, sizeof *line + line_len);
  if (!line) return JH_ENOMEM;
  if (!append) jh_response_remove(response, name);
  line->next = NULL;
  line->name_len = (uint32_t)name.len;
  line->line_len = (uint32_t)line_len;
  line->is_appended = append;
  char *out = line->text;
  memcpy(out, name.ptr, name.len);
  memcpy(out + name.len, ": ", 2);
  if (value.len) memcpy(out + name.len + 2, value.ptr, value.len);
  memcpy(out + line_len - 2, "\r\n", 2);
  if (response->last) {
    response->last->next = line;
  } else {
    response->first = line;
  }
  response->last = line;
  response->fields_bytes += (uint32_t)line_len;
  note_field(response, name, true);
  return 0;
}

void jh_response_remove(jh_response *response, jh_str name) {
  if (jh_str_equal_nocase(name, JH_STR("connection"))) response->wants_close = false;
  jh_response_line *previous = NULL;
  bool was_there = false;
  for (jh_response_line *line = response->first; line; line = line->next) {
    if (!jh_str_equal_nocase(line_name(line), name)) {
      previous = line;
      continue;
    }
    was_there = true;
    response->fields_bytes -= line->line_len;
    if (previous) {
      previous->next = line->next;
    } else {
      response->first = line->next;
    }
    if (response->last == line) response->last = previous;
  }
  if (was_there) note_field(response, name, false);
}

jh_str jh_response_find(const jh_response *response, jh_str name) {
  for (const jh_response_line *line = response->first; line; line = line->next) {
    if (jh_str_equal_nocase(line_name(line), name)) {
      return (jh_str){line->text + line->name_len + 2, line->line_len - line->name_len - 4};
    }
  }
  return (jh_str){NULL, 0};
}

size_t jh_response_head_max_bytes(const jh_response *response) {
  return FIXED_HEAD_MAX_BYTES + response->fields_bytes;
}

static char *put(char *out, const char *text, size_t len) {
  memcpy(out, text, len);
  return out + len;
}

static char *put_u64(char *out, uint64_t number) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  while (count) *out++ = digits[--count];
  return out;
}

/* A status without a reason of its own still needs the space before the empty one (RFC 9112 §4). */
static char *put_status_line(char *out, int status) {
  jh_str line = jh_status_line(status);
  if (line.len) return put(out, line.ptr, line.len);
  out = put(out, "HTTP/1.1 ", 9);
  out = put_u64(out, (uint64_t)status);
  return put(out, " \r\n", 3);
}

size_t jh_response_write_head(const jh_response *response, const jh_response_head *head,
                              char *out) {
  char *start = out;
  out = put_status_line(out, head->status);
  if (!response->has_server) out = put(out, head->server_line.ptr, head->server_line.len);
  if (!response->has_date) out = put(out, head->date_line.ptr, head->date_line.len);
  if (!response->has_content_type) {
    jh_str line = content_type_lines[head->content_type];
    out = put(out, line.ptr, line.len);
  }
  for (const jh_response_line *line = response->first; line; line = line->next) {
    out = put(out, line->text, line->line_len);
  }
  if (head->field_lines.len) out = put(out, head->field_lines.ptr, head->field_lines.len);
  if (head->has_length) {
    out = put(out, "Content-Length: ", 16);
    out = put_u64(out, head->body_bytes);
    out = put(out, "\r\n", 2);
  }
  if (head->is_chunked) out = put(out, "Transfer-Encoding: chunked\r\n", 28);
  if (!head->is_keep_alive) {
    out = put(out, "Connection: close\r\n", 19);
  } else if (head->is_http10) {
    out = put(out, "Connection: keep-alive\r\n", 24);
  }
  out = put(out, "\r\n", 2);
  return (size_t)(out - start);
}
