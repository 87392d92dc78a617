/* framing.c: reads the framing fields, refusing what could be read in two ways.
 *
 * Fields are told apart by the length of their name first, so the many that are of no interest cost
 * one switch. */
#include "http/framing.h"

#include <string.h>

#include "base/str.h"
#include "http/field_name.h"
#include "http/target.h"

enum { BAD_REQUEST = 400, TOO_LARGE = 413, EXPECTATION_FAILED = 417 };

static int refuse(int status, const char **reason, const char *text) {
  *reason = text;
  return status;
}

void jh_framing_reset(jh_framing *framing, uint8_t http_minor) {
  framing->content_length = 0;
  framing->seen = http_minor == 1 ? JH_FRAMING_HTTP_1_1 : 0;
}

static int add_host(jh_framing *framing, jh_request *request, const jh_header *field,
                    const char **reason) {
  if (framing->seen & JH_FRAMING_HOST) return refuse(BAD_REQUEST, reason, "more than one Host");
  framing->seen |= JH_FRAMING_HOST;
  jh_str host = jh_request_str(request, field->value);
  if (host.len > 0 && !jh_target_host_is_valid(host))
    return refuse(BAD_REQUEST, reason, "bad Host");
  /* An authority in the target wins (RFC 9112 §3.2.2). */
  if (request->host.len == 0) request->host = field->value;
  request->has_host = true;
  return 0;
}

static int add_content_length(jh_framing *framing, jh_str value, const char **reason) {
  if (framing->seen & JH_FRAMING_LENGTH) {
    return refuse(BAD_REQUEST, reason, "more than one Content-Length");
  }
  framing->seen |= JH_FRAMING_LENGTH;
  if (jh_str_parse_u64(value, &framing->content_length) != 0 ||
      framing->content_length > INT64_MAX) {
    return refuse(BAD_REQUEST, reason, "bad Content-Length");
  }
  return 0;
}

/* The one transfer coding of a request is chunked, and it is said once. */
static int add_transfer_encoding(jh_framing *framing, jh_str value, const char **reason) {
  if (!(framing->seen & JH_FRAMING_HTTP_1_1)) {
    return refuse(BAD_REQUEST, reason, "Transfer-Encoding in HTTP/1.0");
  }
  if (framing->seen & JH_FRAMING_CHUNKED) {
    return refuse(BAD_REQUEST, reason, "more than one Transfer-Encoding");
  }
  if (!jh_str_equal_nocase(value, JH_STR("chunked"))) {
    return refuse(BAD_REQUEST, reason, "Transfer-Encoding other than chunked");
  }
  framing->seen |= JH_FRAMING_CHUNKED;
  return 0;
}

/* The bit of one connection option, 0 for those that mean nothing here. */
static uint32_t connection_bit(jh_str option) {
  if (JH_MEMBER_IS(option, "keep-alive")) return JH_FRAMING_KEEP_ALIVE;
  if (JH_MEMBER_IS(option, "close")) return JH_FRAMING_CLOSE;
  return JH_MEMBER_IS(option, "upgrade") ? JH_FRAMING_CONNECTION_UPGRADE : 0;
}

static void add_connection(jh_framing *framing, jh_str value) {
  uint32_t bit = connection_bit(value);
  framing->seen |= bit;
  if (bit != 0) return;
  jh_str option;
  while (jh_field_next_member(&value, &option)) framing->seen |= connection_bit(option);
}

static void add_expect(jh_framing *framing, jh_str value) {
  jh_str expectation;
  while (jh_field_next_member(&value, &expectation)) {
    bool is_continue = jh_str_equal_nocase(expectation, JH_STR("100-continue"));
    framing->seen |= is_continue ? JH_FRAMING_CONTINUE : JH_FRAMING_EXPECTATION;
  }
}

int jh_framing_add(jh_framing *framing, jh_request *request, const jh_header *field,
                   const char **reason) {
  const char *name = request->base + field->name.off;
  switch (field->name.len) {
  case 4:
    if (JH_NAME_IS(name, "host")) return add_host(framing, request, field, reason);
    break;
  case 6:
    if (JH_NAME_IS(name, "expect")) add_expect(framing, jh_request_str(request, field->value));
    break;
  case 7:
    if (JH_NAME_IS(name, "upgrade") && field->value.len > 0) framing->seen |= JH_FRAMING_UPGRADE;
    break;
  case 10:
    if (JH_NAME_IS(name, "connection")) {
      add_connection(framing, jh_request_str(request, field->value));
    }
    break;
  case 14:
    if (JH_NAME_IS(name, "content-length")) {
      return add_content_length(framing, jh_request_str(request, field->value), reason);
    }
    break;
  case 17:
    if (JH_NAME_IS(name, "transfer-encoding")) {
      return add_transfer_encoding(framing, jh_request_str(request, field->value), reason);
    }
    break;
  default:
    break;
  }
  return 0;
}

int jh_framing_check(const jh_framing *framing, const jh_request *request, uint64_t max_body_bytes,
                     const char **reason) {
  uint32_t seen = framing->seen;
  if ((seen & JH_FRAMING_HTTP_1_1) && !(seen & JH_FRAMING_HOST)) {
    return refuse(BAD_REQUEST, reason, "no Host");
  }
  if ((seen & JH_FRAMING_HOST) && request->host.len == 0 &&
      request->target_form == JH_TARGET_ORIGIN) {
    return refuse(BAD_REQUEST, reason, "empty Host");
  }
  if ((seen & JH_FRAMING_LENGTH) && (seen & JH_FRAMING_CHUNKED)) {
    return refuse(BAD_REQUEST, reason, "Content-Length with Transfer-Encoding");
  }
  if (seen & JH_FRAMING_EXPECTATION) {
    return refuse(EXPECTATION_FAILED, reason, "unknown expectation");
  }
  if (framing->content_length > max_body_bytes) {
    return refuse(TOO_LARGE, reason, "body too large");
  }
  return 0;
}
