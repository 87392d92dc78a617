/* forward_request.c: the head of a request on its way through a proxy.
 *
 * Most fields go on as they are, so they are copied in runs: a run ends where a field stays behind.
 * Fields about clients are believed only of a trusted peer, and begin anew otherwise: upstreams
 * take them for true. */
#include "base/str.h"
#include "http/field_name.h"
#include "http/forward.h"
#include "http/put.h"
#include "http/token.h"

enum {
  FIXED_BYTES = 1024, /* what is written beside the parts that are counted */
  FIELD_BYTES = 8     /* ": ", CRLF or ", " */
};

/* What a field of a request is to a proxy. */
typedef enum field_kind {
  END_TO_END = 0,
  STAYS, /* about the connection, or written anew */
  TE,
  TRAILER, /* goes on where trailers do */
  UPGRADE,
  FORWARDED_FOR,
  FORWARDED_HOST,
  FORWARDED_PROTO,
  FORWARDED
} field_kind;

bool jh_forward_is_replaced(const jh_response *own, jh_str name) {
  if (!own) return false;
  for (const jh_response_line *line = own->first; line; line = line->next) {
    if (line->name_len == name.len && !line->is_appended &&
        jh_str_equal_nocase((jh_str){line->text, line->name_len}, name)) {
      return true;
    }
  }
  return false;
}

int jh_forward_add_options(jh_name_set *options, jh_str *names, jh_str value) {
  jh_str option;
  while (jh_field_next_member(&value, &option)) {
    bool is_usual = JH_MEMBER_IS(option, "keep-alive") || JH_MEMBER_IS(option, "close") ||
                    JH_MEMBER_IS(option, "upgrade");
    if (!is_usual && !jh_name_set_add(options, names, JH_FORWARD_OPTIONS_MAX, option)) {
      return JH_ELIMIT;
    }
  }
  return 0;
}

static bool is_connection(jh_str name) {
  return name.len == 10 && JH_NAME_IS(name.ptr, "connection");
}

static field_kind request_field_kind(jh_str name) {
  const char *text = name.ptr;
  switch (name.len) {
  case 2:
    return (text[0] | 32) == 't' && (text[1] | 32) == 'e' ? TE : END_TO_END;
  case 4:
    return JH_NAME_IS(text, "host") ? STAYS : END_TO_END;
  case 5:
    return JH_NAME_IS(text, "proxy") ? STAYS : END_TO_END; /* CVE-2016-5385 */
  case 6:
    return JH_NAME_IS(text, "expect") ? STAYS : END_TO_END;
  case 7:
    if (JH_NAME_IS(text, "trailer")) return TRAILER;
    return JH_NAME_IS(text, "upgrade") ? UPGRADE : END_TO_END;
  case 9:
    return JH_NAME_IS(text, "forwarded") ? FORWARDED : END_TO_END;
  case 10:
    return JH_NAME_IS(text, "connection") || JH_NAME_IS(text, "keep-alive") ? STAYS : END_TO_END;
  case 14:
    return JH_NAME_IS(text, "content-length") || JH_NAME_IS(text, "http2-settings") ? STAYS
                                                                                    : END_TO_END;
  case 15:
    return JH_NAME_IS(text, "x-forwarded-for") ? FORWARDED_FOR : END_TO_END;
  case 16:
    if (JH_NAME_IS(text, "x-forwarded-host")) return FORWARDED_HOST;
    return JH_NAME_IS(text, "proxy-connection") ? STAYS : END_TO_END;
  case 17:
    if (JH_NAME_IS(text, "x-forwarded-proto")) return FORWARDED_PROTO;
    return JH_NAME_IS(text, "transfer-encoding") ? STAYS : END_TO_END;
  case 18:
    return JH_NAME_IS(text, "proxy-authenticate") ? STAYS : END_TO_END;
  case 19:
    return JH_NAME_IS(text, "proxy-authorization") ? STAYS : END_TO_END;
  default:
    return END_TO_END;
  }
}

/* What was seen of a request while its fields were copied. */
typedef struct request_facts {
  jh_str option_names[JH_FORWARD_OPTIONS_MAX];
  jh_name_set options;  /* fields that Connection names */
  bool takes_trailers;  /* TE: trailers */
  uint32_t passed_on;   /* bits of the field_kinds that went on as they came */
  uint32_t is_believed; /* bits of those that begin what is written here */
} request_facts;

static bool is_given(const jh_forward_request *forward, jh_str name) {
  return jh_name_set_has(&forward->rules->dropped, name) ||
         (forward->dropped && jh_name_set_has(forward->dropped, name)) ||
         jh_forward_is_replaced(forward->own, name);
}

static bool names_trailers(jh_str value) {
  jh_str member;
  while (jh_field_next_member(&value, &member)) {
    if (JH_MEMBER_IS(member, "trailers")) return true;
  }
  return false;
}

/* True when the kind of a field, and what is done about it, let it go on. */
static bool kind_goes_on(const jh_forward_request *forward, field_kind kind, jh_str value,
                         request_facts *facts) {
  uint32_t flags = forward->rules->flags;
  switch (kind) {
  case STAYS:
    return false;
  case TE:
    facts->takes_trailers |= names_trailers(value);
    return false;
  case TRAILER:
    return forward->body == JH_FORWARD_CHUNKED;
  case UPGRADE:
    return forward->is_upgrade;
  case FORWARDED_FOR:
    if (!(flags & JH_FORWARD_X_BIT)) return true;
    if (forward->is_trusted) facts->is_believed |= 1u << kind;
    return false;
  case FORWARDED_HOST:
  case FORWARDED_PROTO:
    return !(flags & JH_FORWARD_X_BIT) || forward->is_trusted;
  case FORWARDED:
    if (!(flags & JH_FORWARD_FORWARDED_BIT)) return true;
    if (forward->is_trusted) facts->is_believed |= 1u << kind;
    return false;
  default:
    return true;
  }
}

static bool request_field_goes_on(const jh_forward_request *forward, const jh_header *header,
                                  request_facts *facts) {
  const jh_request *request = forward->request;
  jh_str name = jh_request_str(request, header->name);
  field_kind kind = request_field_kind(name);
  if (kind != END_TO_END &&
      !kind_goes_on(forward, kind, jh_request_str(request, header->value), facts)) {
    return false;
  }
  if (jh_name_set_has(&facts->options, name) && kind != UPGRADE) return false;
  if (is_given(forward, name)) return false;
  facts->passed_on |= 1u << kind;
  return true;
}

static int find_options(const jh_request *request, request_facts *facts) {
  for (uint32_t i = 0; i < request->header_count; i++) {
    const jh_header *header = &request->headers[i];
    if (!is_connection(jh_request_str(request, header->name))) continue;
    int error = jh_forward_add_options(&facts->options, facts->option_names,
                                       jh_request_str(request, header->value));
    if (error) return error;
  }
  return 0;
}

/* Fields of HTTP/1 lie as they were sent and are copied in runs. */
static char *put_runs(const jh_forward_request *forward, request_facts *facts, char *out) {
  const jh_request *request = forward->request;
  uint32_t from = 0, end = 0; /* of the run; end 0: there is none */
  for (uint32_t i = 0; i < request->header_count; i++) {
    const jh_header *header = &request->headers[i];
    if (request_field_goes_on(forward, header, facts)) {
      if (!end) from = header->name.off;
      uint32_t colon_end = header->name.off + header->name.len + 1;
      end = header->value.len ? header->value.off + header->value.len : colon_end;
    } else if (end) {
      out = JH_PUT(jh_put(out, (jh_str){request->base + from, end - from}), "\r\n");
      end = 0;
    }
  }
  if (end) out = JH_PUT(jh_put(out, (jh_str){request->base + from, end - from}), "\r\n");
  return out;
}

/* HTTP/2 may cut a Cookie field into pieces, which are one field again here (RFC 9113 §8.2.3). */
static char *put_cookies(const jh_request *request, char *out) {
  const char *separator = "Cookie: ";
  for (uint32_t i = 0; i < request->header_count; i++) {
    const jh_header *header = &request->headers[i];
    if (!jh_str_equal_nocase(jh_request_str(request, header->name), JH_STR("cookie"))) continue;
    out = jh_put(jh_put(out, jh_str_of(separator)), jh_request_str(request, header->value));
    separator = "; ";
  }
  return JH_PUT(out, "\r\n");
}

static char *put_fields(const jh_forward_request *forward, request_facts *facts, char *out) {
  const jh_request *request = forward->request;
  bool has_cookies = false;
  for (uint32_t i = 0; i < request->header_count; i++) {
    const jh_header *header = &request->headers[i];
    if (!request_field_goes_on(forward, header, facts)) continue;
    jh_str name = jh_request_str(request, header->name);
    if (jh_str_equal_nocase(name, JH_STR("cookie"))) {
      if (!has_cookies) out = put_cookies(request, out);
      has_cookies = true;
      continue;
    }
    out = JH_PUT(jh_put(out, name), ": ");
    out = JH_PUT(jh_put(out, jh_request_str(request, header->value)), "\r\n");
  }
  return out;
}

/* What fields of that kind say, joined, with ", " behind it. */
static char *put_believed(const jh_forward_request *forward, const request_facts *facts,
                          field_kind kind, char *out) {
  if (!(facts->is_believed & 1u << kind)) return out;
  const jh_request *request = forward->request;
  for (uint32_t i = 0; i < request->header_count; i++) {
    const jh_header *header = &request->headers[i];
    if (header->value.len == 0) continue;
    if (request_field_kind(jh_request_str(request, header->name)) != kind) continue;
    out = JH_PUT(jh_put(out, jh_request_str(request, header->value)), ", ");
  }
  return out;
}

static char *put_x_forwarded(const jh_forward_request *forward, const request_facts *facts,
                             char *out) {
  jh_str host = jh_request_str(forward->request, forward->request->host);
  if (forward->peer.len && !is_given(forward, JH_STR("x-forwarded-for"))) {
    out = JH_PUT(out, "X-Forwarded-For: ");
    out = put_believed(forward, facts, FORWARDED_FOR, out);
    out = JH_PUT(jh_put(out, forward->peer), "\r\n");
  }
  if (host.len && !(facts->passed_on & 1u << FORWARDED_HOST) &&
      !is_given(forward, JH_STR("x-forwarded-host"))) {
    out = JH_PUT(jh_put(JH_PUT(out, "X-Forwarded-Host: "), host), "\r\n");
  }
  if (!(facts->passed_on & 1u << FORWARDED_PROTO) &&
      !is_given(forward, JH_STR("x-forwarded-proto"))) {
    out = JH_PUT(jh_put(JH_PUT(out, "X-Forwarded-Proto: "), forward->scheme), "\r\n");
  }
  return out;
}

/* RFC 7239: IPv6 addresses are in brackets and quoted, and so is what is no token. */
static char *put_forwarded(const jh_forward_request *forward, const request_facts *facts,
                           char *out) {
  jh_str host = jh_request_str(forward->request, forward->request->host);
  bool is_ipv6 = forward->peer.len && memchr(forward->peer.ptr, ':', forward->peer.len);
  if (is_given(forward, JH_STR("forwarded"))) return out;
  out = JH_PUT(out, "Forwarded: ");
  out = put_believed(forward, facts, FORWARDED, out);
  out = JH_PUT(out, "for=");
  if (is_ipv6) out = JH_PUT(out, "\"[");
  out = forward->peer.len ? jh_put(out, forward->peer) : JH_PUT(out, "unknown");
  if (is_ipv6) out = JH_PUT(out, "]\"");
  if (host.len) {
    bool is_token = jh_token_is_valid(host);
    out = JH_PUT(out, ";host=");
    if (!is_token) out = JH_PUT(out, "\"");
    out = jh_put(out, host);
    if (!is_token) out = JH_PUT(out, "\"");
  }
  return JH_PUT(jh_put(JH_PUT(out, ";proto="), forward->scheme), "\r\n");
}

static char *put_own(const jh_response *own, char *out) {
  if (!own) return out;
  for (const jh_response_line *line = own->first; line; line = line->next) {
    out = jh_put(out, (jh_str){line->text, line->line_len});
  }
  return out;
}

static char *put_host(const jh_forward_request *forward, char *out) {
  jh_str host = jh_request_str(forward->request, forward->request->host);
  if (jh_forward_is_replaced(forward->own, JH_STR("host"))) return out;
  if (!(forward->rules->flags & JH_FORWARD_HOST_BIT) || host.len == 0) host = forward->rules->host;
  return JH_PUT(jh_put(JH_PUT(out, "Host: "), host), "\r\n");
}

size_t jh_forward_request_bytes(const jh_forward_request *forward) {
  const jh_forward_rules *rules = forward->rules;
  const jh_request *request = forward->request;
  size_t fields = 0;
  for (uint32_t i = 0; request->is_http2 && i < request->header_count; i++) {
    const jh_header *header = &request->headers[i];
    fields += header->name.len + header->value.len + FIELD_BYTES;
  }
  if (request->header_count && !request->is_http2) {
    const jh_header *last = &request->headers[request->header_count - 1];
    fields = last->name.off + last->name.len + last->value.off + last->value.len + FIELD_BYTES;
  }
  /* What is said of clients may be believed, and is written a second time then. */
  if (forward->is_trusted) fields *= 3;
  return FIXED_BYTES + forward->method.len + forward->target.len + rules->base.len +
         4 * (size_t)request->target.len + rules->host.len + rules->lines.len + rules->via.len +
         3 * (size_t)request->host.len + fields + 3 * forward->peer.len + 3 * forward->scheme.len +
         (forward->own ? forward->own->fields_bytes : 0);
}

ssize_t jh_forward_write_request(const jh_forward_request *forward, char *out) {
  const jh_forward_rules *rules = forward->rules;
  const char *start = out;
  request_facts facts;
  facts.options = (jh_name_set){NULL, 0, 0};
  facts.takes_trailers = false;
  facts.passed_on = facts.is_believed = 0;
  if (find_options(forward->request, &facts) < 0) return JH_ELIMIT;
  out = JH_PUT(jh_put(out, forward->method), " ");
  out = forward->target.ptr ? jh_put(out, forward->target) : jh_forward_write_target(forward, out);
  out = JH_PUT(out, " HTTP/1.1\r\n");
  out = put_host(forward, out);
  out = forward->request->is_http2 ? put_fields(forward, &facts, out)
                                   : put_runs(forward, &facts, out);
  if (rules->flags & JH_FORWARD_X_BIT) out = put_x_forwarded(forward, &facts, out);
  if (rules->flags & JH_FORWARD_FORWARDED_BIT) out = put_forwarded(forward, &facts, out);
  if (rules->via.len) {
    out = jh_put(out, forward->request->http_minor ? JH_STR("Via: 1.1 ") : JH_STR("Via: 1.0 "));
    out = JH_PUT(jh_put(out, rules->via), "\r\n");
  }
  out = jh_put(out, rules->lines);
  out = put_own(forward->own, out);
  if (facts.takes_trailers) out = JH_PUT(out, "TE: trailers\r\n");
  if (forward->is_upgrade) {
    out = jh_put(out, facts.takes_trailers ? JH_STR("Connection: upgrade, TE\r\n")
                                           : JH_STR("Connection: upgrade\r\n"));
  } else if (facts.takes_trailers) {
    out = JH_PUT(out, "Connection: TE\r\n");
  }
  if (forward->expects_continue) out = JH_PUT(out, "Expect: 100-continue\r\n");
  if (forward->body == JH_FORWARD_LENGTH) {
    out = JH_PUT(jh_put_u64(JH_PUT(out, "Content-Length: "), forward->body_bytes), "\r\n");
  } else if (forward->body == JH_FORWARD_CHUNKED) {
    out = JH_PUT(out, "Transfer-Encoding: chunked\r\n");
  }
  out = JH_PUT(out, "\r\n");
  return out - start;
}
