/* proxy_protocol.c: version 1 is a line of text, version 2 a block of bytes.
 *
 * Which of the two it is shows in the first byte. Everything a balancer may send but that has no
 * meaning here (datagrams, unix sockets, families to come) counts as having no addresses, as the
 * protocol demands of receivers that support less than all of it. */
#include "http/proxy_protocol.h"

#include <string.h>

#include "base/str.h"

enum {
  V1_LINE_BYTES_MAX = 107, /* with CRLF */
  V2_HEAD_BYTES = 16,
  V2_SIGNATURE_BYTES = 12,
  TLV_HEAD_BYTES = 3,
  COMMAND_LOCAL = 0x20,
  COMMAND_PROXY = 0x21,
  FAMILY_IPV4 = 1,
  FAMILY_IPV6 = 2,
  FAMILY_UNIX = 3,
  TRANSPORT_STREAM = 1,
  TRANSPORT_DATAGRAM = 2
};

static const char v1_begin[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

static jh_proxy_protocol_result fail(const char **reason, const char *text) {
  *reason = text;
  return JH_PROXY_PROTOCOL_ERROR;
}

/* ---- version 1 ---- */

/* Cuts what stands before the next space, and the space; all of the rest when there is none. */
static jh_str take_word(jh_str *line) {
  const char *space = line->len == 0 ? NULL : memchr(line->ptr, ' ', line->len);
  jh_str word = {line->ptr, space == NULL ? line->len : (size_t)(space - line->ptr)};
  size_t step = word.len + (space != NULL);
  *line = (jh_str){line->ptr + step, line->len - step};
  return word;
}

static bool parse_address(jh_str word, bool is_ipv6, jh_ip *ip) {
  bool has_colon = word.len > 0 && memchr(word.ptr, ':', word.len) != NULL;
  return has_colon == is_ipv6 && jh_ip_parse(word, ip) == 0;
}

static bool parse_port(jh_str word, uint16_t *port) {
  uint64_t value = 0;
  if (word.len > 5 || (word.len > 1 && word.ptr[0] == '0')) return false;
  if (jh_str_parse_u64(word, &value) != 0 || value > UINT16_MAX) return false;
  *port = (uint16_t)value;
  return true;
}

/* What stands between "PROXY " and CRLF. */
static bool parse_line(jh_str line, jh_proxy_protocol *out) {
  jh_str family = take_word(&line);
  if (jh_str_equal(family, JH_STR("UNKNOWN"))) return true; /* whatever follows is to be ignored */
  bool is_ipv6 = jh_str_equal(family, JH_STR("TCP6"));
  if (!is_ipv6 && !jh_str_equal(family, JH_STR("TCP4"))) return false;
  jh_str source = take_word(&line);
  jh_str destination = take_word(&line);
  jh_str source_port = take_word(&line);
  out->has_addresses = true;
  return parse_address(source, is_ipv6, &out->source) &&
         parse_address(destination, is_ipv6, &out->destination) &&
         parse_port(source_port, &out->source_port) && parse_port(line, &out->destination_port);
}

static jh_proxy_protocol_result parse_v1(const char *data, size_t len, size_t *used,
                                         jh_proxy_protocol *out, const char **reason) {
  size_t readable = len < V1_LINE_BYTES_MAX ? len : V1_LINE_BYTES_MAX;
  const char *lf = memchr(data, '\n', readable);
  if (lf == NULL && len < V1_LINE_BYTES_MAX) return JH_PROXY_PROTOCOL_MORE;
  if (lf == NULL) return fail(reason, "PROXY line too long");
  size_t begin_len = sizeof(v1_begin) - 1;
  size_t line_len = (size_t)(lf - data);
  out->version = 1;
  *used = line_len + 1;
  const char *cr = memchr(data, '\r', line_len);
  if (cr != lf - 1) return fail(reason, "PROXY line without CRLF");
  jh_str line = {data + begin_len, line_len - 1 - begin_len};
  return parse_line(line, out) ? JH_PROXY_PROTOCOL_DONE : fail(reason, "bad PROXY line");
}

/* ---- version 2 ---- */

static uint16_t read_u16(const uint8_t *bytes) {
  return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Type, length, value, over and over. */
static bool are_extensions_whole(const uint8_t *bytes, size_t len) {
  while (len > 0) {
    if (len < TLV_HEAD_BYTES) return false;
    size_t value_len = read_u16(bytes + 1);
    if (value_len > len - TLV_HEAD_BYTES) return false;
    bytes += TLV_HEAD_BYTES + value_len;
    len -= TLV_HEAD_BYTES + value_len;
  }
  return true;
}

static void read_addresses(const uint8_t *bytes, size_t ip_bytes, jh_proxy_protocol *out) {
  jh_ip_from_bytes(bytes, ip_bytes, &out->source);
  jh_ip_from_bytes(bytes + ip_bytes, ip_bytes, &out->destination);
  out->source_port = read_u16(bytes + 2 * ip_bytes);
  out->destination_port = read_u16(bytes + 2 * ip_bytes + 2);
  out->has_addresses = true;
}

/* The block of a PROXY command, behind its head. */
static jh_proxy_protocol_result parse_block(uint8_t kind, const uint8_t *bytes, size_t len,
                                            jh_proxy_protocol *out, const char **reason) {
  static const size_t address_bytes[] = {0, 12, 36, 216};
  unsigned family = kind >> 4;
  unsigned transport = kind & 0x0f;
  if (family > FAMILY_UNIX || transport > TRANSPORT_DATAGRAM) {
    return fail(reason, "unknown family in a PROXY header");
  }
  if (family == 0 || transport == 0) return JH_PROXY_PROTOCOL_DONE;
  size_t needed = address_bytes[family];
  if (len < needed) return fail(reason, "addresses missing in a PROXY header");
  if (!are_extensions_whole(bytes + needed, len - needed)) {
    return fail(reason, "bad extension in a PROXY header");
  }
  if (transport == TRANSPORT_STREAM && family == FAMILY_IPV4) read_addresses(bytes, 4, out);
  if (transport == TRANSPORT_STREAM && family == FAMILY_IPV6) read_addresses(bytes, 16, out);
  return JH_PROXY_PROTOCOL_DONE;
}

static jh_proxy_protocol_result parse_v2(const char *data, size_t len, size_t *used,
                                         jh_proxy_protocol *out, const char **reason) {
  const uint8_t *bytes = (const uint8_t *)data;
  if (len <= V2_SIGNATURE_BYTES) return JH_PROXY_PROTOCOL_MORE;
  uint8_t command = bytes[V2_SIGNATURE_BYTES];
  if (command != COMMAND_LOCAL && command != COMMAND_PROXY) {
    return fail(reason, "unknown version or command in a PROXY header");
  }
  if (len < V2_HEAD_BYTES) return JH_PROXY_PROTOCOL_MORE;
  size_t block_len = read_u16(bytes + 14);
  if (block_len > JH_PROXY_PROTOCOL_BYTES_MAX - V2_HEAD_BYTES) {
    return fail(reason, "PROXY header too long");
  }
  if (len - V2_HEAD_BYTES < block_len) return JH_PROXY_PROTOCOL_MORE;
  out->version = 2;
  *used = V2_HEAD_BYTES + block_len;
  if (command == COMMAND_LOCAL) return JH_PROXY_PROTOCOL_DONE;
  return parse_block(bytes[13], bytes + V2_HEAD_BYTES, block_len, out, reason);
}

/* True when the bytes are the beginning of the text, or the text of theirs. */
static bool begins_like(const char *data, size_t len, const char *text, size_t text_len) {
  return memcmp(data, text, len < text_len ? len : text_len) == 0;
}

jh_proxy_protocol_result jh_proxy_protocol_parse(const char *data, size_t len, size_t *used,
                                                 jh_proxy_protocol *out, const char **reason) {
  *out = (jh_proxy_protocol){.version = 0};
  if (len == 0) return JH_PROXY_PROTOCOL_MORE;
  if (begins_like(data, len, v1_begin, sizeof(v1_begin) - 1)) {
    return parse_v1(data, len, used, out, reason);
  }
  if (begins_like(data, len, v2_signature, V2_SIGNATURE_BYTES)) {
    return parse_v2(data, len, used, out, reason);
  }
  return JH_PROXY_PROTOCOL_NONE;
}
