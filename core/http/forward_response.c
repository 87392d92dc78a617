/* forward_response.c: the head of a response on its way through a proxy.
 *
 * The upstream's field lines are copied in runs, each run up to a field that stays behind. Lines
 * are those of a parsed head; one that does not look like it stays behind as well. */
#include "base/str.h"
#include "http/field_name.h"
#include "http/forward.h"
#include "http/put.h"

enum { FIXED_BYTES = 512 /* what is written beside the parts that are counted */ };

typedef enum field_kind {
  END_TO_END = 0,
  STAYS, /* about the connection, or written anew */
  CONNECTION,
  TRAILER, /* goes on where trailers do */
  UPGRADE,
  DATE,
  ABOUT_BODY /* describes the body that is there */
} field_kind;

static field_kind kind_of(jh_str name) {
  const char *text = name.ptr;
  switch (name.len) {
  case 4:
    if (JH_NAME_IS(text, "date")) return DATE;
    return JH_NAME_IS(text, "etag") ? ABOUT_BODY : END_TO_END;
  case 6:
    return JH_NAME_IS(text, "digest") ? ABOUT_BODY : END_TO_END;
  case 7:
    if (JH_NAME_IS(text, "trailer")) return TRAILER;
    return JH_NAME_IS(text, "upgrade") ? UPGRADE : END_TO_END;
  case 10:
    if (JH_NAME_IS(text, "connection")) return CONNECTION;
    return JH_NAME_IS(text, "keep-alive") ? STAYS : END_TO_END;
  case 11:
    return JH_NAME_IS(text, "content-md5") || JH_NAME_IS(text, "repr-digest") ? ABOUT_BODY
                                                                              : END_TO_END;
  case 13:
    return JH_NAME_IS(text, "content-range") || JH_NAME_IS(text, "accept-ranges") ? ABOUT_BODY
                                                                                  : END_TO_END;
  case 14:
    if (JH_NAME_IS(text, "content-length")) return STAYS;
    return JH_NAME_IS(text, "content-digest") ? ABOUT_BODY : END_TO_END;
  case 16:
    if (JH_NAME_IS(text, "content-encoding")) return ABOUT_BODY;
    return JH_NAME_IS(text, "proxy-connection") ? STAYS : END_TO_END;
  case 17:
    return JH_NAME_IS(text, "transfer-encoding") ? STAYS : END_TO_END;
  case 18:
    return JH_NAME_IS(text, "proxy-authenticate") ? STAYS : END_TO_END;
  case 19:
    return JH_NAME_IS(text, "proxy-authorization") ? STAYS : END_TO_END;
  case 25:
    return JH_NAME_IS(text, "proxy-authentication-info") ? STAYS : END_TO_END;
  default:
    return END_TO_END;
  }
}

/* Takes the next line off; *name and *value are slices of it. False at the end. */
static bool next_line(jh_str *lines, jh_str *line, jh_str *name) {
  if (lines->len == 0) return false;
  const char *newline = memchr(lines->ptr, '\n', lines->len);
  size_t len = newline ? (size_t)(newline - lines->ptr) + 1 : lines->len;
  *line = (jh_str){lines->ptr, len};
  const char *colon = memchr(line->ptr, ':', len);
  *name = (jh_str){line->ptr, colon ? (size_t)(colon - line->ptr) : 0};
  lines->ptr += len;
  lines->len -= len;
  return true;
}

static jh_str value_of(jh_str line, jh_str name) {
  size_t from = name.len + 1, end = line.len;
  while (end > from && (line.ptr[end - 1] == '\n' || line.ptr[end - 1] == '\r')) end--;
  return jh_str_trim((jh_str){line.ptr + from, end - from});
}

/* What was seen while the lines were copied. */
typedef struct response_facts {
  jh_str option_names[JH_FORWARD_OPTIONS_MAX];
  jh_name_set options; /* fields that Connection names */
  bool has_date, has_upgrade;
  bool has_connection; /* a Connection field was seen */
} response_facts;

static int find_options(jh_str lines, response_facts *facts) {
  jh_str line, name;
  while (next_line(&lines, &line, &name)) {
    if (name.len != 10 || kind_of(name) != CONNECTION) continue;
    int error = jh_forward_add_options(&facts->options, facts->option_names, value_of(line, name));
    if (error) return error;
  }
  return 0;
}

static bool goes_on(const jh_forward_response *forward, jh_str name, response_facts *facts) {
  switch (kind_of(name)) {
  case END_TO_END:
    if (name.len == 0) return false;
    break;
  case CONNECTION:
    facts->has_connection = true;
    return false;
  case STAYS:
    return false;
  case TRAILER:
    if (!forward->is_chunked) return false;
    break;
  case UPGRADE:
    if (forward->status != 101 && forward->status != 426) return false;
    facts->has_upgrade = true;
    return true;
  case DATE:
    facts->has_date = true;
    break;
  case ABOUT_BODY:
    if (forward->is_replaced) return false;
    break;
  }
  if (forward->dropped && jh_name_set_has(forward->dropped, name)) return false;
  return !jh_name_set_has(&facts->options, name) && !jh_forward_is_replaced(forward->own, name);
}

static char *put_runs(const jh_forward_response *forward, response_facts *facts, char *out) {
  jh_str lines = forward->fields, line, name;
  jh_str run = {lines.ptr, 0};
  while (next_line(&lines, &line, &name)) {
    if (goes_on(forward, name, facts)) {
      if (run.len == 0) run.ptr = line.ptr;
      run.len += line.len;
    } else if (run.len) {
      out = jh_put(out, run);
      run.len = 0;
    }
  }
  return jh_put(out, run);
}

/* The fields that go on; NULL when Connection names too many. What it names is mostly known to stay
 * behind anyway; otherwise the lines are gone through once more. */
static char *put_fields(const jh_forward_response *forward, response_facts *facts, char *out) {
  char *end = put_runs(forward, facts, out);
  if (!facts->has_connection) return end;
  if (find_options(forward->fields, facts) < 0) return NULL;
  return facts->options.count ? put_runs(forward, facts, out) : end;
}

size_t jh_forward_response_bytes(const jh_forward_response *forward) {
  return FIXED_BYTES + forward->fields.len + forward->reason.len + forward->date_line.len +
         (forward->own ? forward->own->fields_bytes : 0);
}

ssize_t jh_forward_write_response(const jh_forward_response *forward, char *out) {
  const char *start = out;
  response_facts facts;
  facts.options = (jh_name_set){NULL, 0, 0};
  facts.has_date = facts.has_upgrade = facts.has_connection = false;
  out = JH_PUT(jh_put_u64(JH_PUT(out, "HTTP/1.1 "), (uint64_t)forward->status), " ");
  out = JH_PUT(jh_put(out, forward->reason), "\r\n");
  out = put_fields(forward, &facts, out);
  if (!out) return JH_ELIMIT;
  const jh_response_line *line = forward->own ? forward->own->first : NULL;
  for (; line; line = line->next) out = jh_put(out, (jh_str){line->text, line->line_len});
  if (!facts.has_date && !(forward->own && forward->own->has_date)) {
    out = jh_put(out, forward->date_line);
  }
  if (forward->has_length) {
    out = JH_PUT(jh_put_u64(JH_PUT(out, "Content-Length: "), forward->body_bytes), "\r\n");
  }
  if (forward->is_chunked) out = JH_PUT(out, "Transfer-Encoding: chunked\r\n");
  if (facts.has_upgrade) {
    out = jh_put(out, forward->is_keep_alive ? JH_STR("Connection: upgrade\r\n")
                                             : JH_STR("Connection: upgrade, close\r\n"));
  } else if (!forward->is_keep_alive) {
    out = JH_PUT(out, "Connection: close\r\n");
  } else if (forward->is_http10) {
    out = JH_PUT(out, "Connection: keep-alive\r\n");
  }
  out = JH_PUT(out, "\r\n");
  return out - start;
}

int jh_forward_import(const jh_forward_response *forward, jh_response *response, jh_arena *arena) {
  jh_str lines = forward->fields, line, name;
  response_facts facts;
  facts.options = (jh_name_set){NULL, 0, 0};
  if (find_options(lines, &facts) < 0) return JH_ELIMIT;
  while (next_line(&lines, &line, &name)) {
    if (!goes_on(forward, name, &facts)) continue;
    int error = jh_response_try_set(response, arena, name, value_of(line, name), true);
    if (error) return error;
  }
  return 0;
}
