/* target.c: splitting and normalising request-targets.
 *
 * Nearly every target is a short plain path, so splitting reads it 16 bytes at a time as bit masks,
 * one bit per byte: which are illegal, which are '?', '%', '/', '.'. Everything the common case
 * needs to know (is it valid, where does the query start, would normalising change it) is then a
 * few operations on masks; what is rare is left to plain loops. */
#include "http/target.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "http/block.h"
#include "http/method.h"
#include "http/token.h"

/* Up to 16 bytes of a target as masks. */
typedef struct glance {
  uint32_t stop; /* '?' or a byte that is not allowed */
  uint32_t percent;
  uint32_t slash;
  uint32_t dot_or_slash;
} glance;

static inline glance glance_at(const char *text, size_t len) {
  jh_block block = jh_block_load(text, len);
  uint32_t present = len >= JH_BLOCK_BYTES ? 0xffff : (1U << len) - 1;
  return (glance){
      .stop = jh_block_find_path_end(block) & present,
      .percent = jh_block_find(block, '%'),
      .slash = jh_block_find(block, '/'),
      .dot_or_slash = jh_block_find_dot_or_slash(block),
  };
}

/* True when no segment of the path is "." or ".." and none but the last is empty. */
static bool has_normal_segments(const char *path, size_t len) {
  size_t start = 1;
  for (size_t n = 1; n <= len; n++) {
    if (n < len && path[n] != '/') {
      continue;
    }
    size_t segment_len = n - start;
    if ((segment_len == 0 && n < len) || (segment_len == 1 && path[start] == '.') ||
        (segment_len == 2 && path[start] == '.' && path[start + 1] == '.')) {
      return false;
    }
    start = n + 1;
  }
  return true;
}

/* Where the path that starts with '/' at `text` ends: at '?', at an illegal byte or at `len`. */
static size_t scan_path(const char *text, size_t len, bool *is_plain) {
  /* Suspect are "//" and "/.", which is most often a ".well-known": worth a second look. */
  uint32_t suspects = 0;
  uint32_t percents = 0;
  uint32_t after_slash = 0;
  size_t end = len;
  for (size_t at = 0; at < len; at += JH_BLOCK_BYTES) {
    glance seen = glance_at(text + at, len - at);
    uint32_t before_stop = seen.stop != 0 ? (seen.stop & -seen.stop) - 1 : 0xffff;
    percents |= seen.percent & before_stop;
    suspects |= (seen.slash << 1 | after_slash) & seen.dot_or_slash & before_stop;
    after_slash = seen.slash >> (JH_BLOCK_BYTES - 1);
    if (seen.stop != 0) {
      end = at + (size_t)__builtin_ctz(seen.stop);
      break;
    }
  }
  *is_plain = percents == 0 && (suspects == 0 || has_normal_segments(text, end));
  return end;
}

static bool is_query_legal(const char *text, size_t len) {
  for (size_t at = 0; at < len; at += JH_BLOCK_BYTES) {
    uint32_t stops = glance_at(text + at, len - at).stop;
    for (; stops != 0; stops &= stops - 1) {
      if (text[at + (size_t)__builtin_ctz(stops)] != '?') {
        return false;
      }
    }
  }
  return true;
}

/* Fills path and query from what follows the authority: "", "/…" or "?…". */
static int split_path(const char *text, size_t len, jh_target *out) {
  size_t path_len = 0;
  out->path_is_plain = false;
  if (len > 0 && text[0] == '/') {
    path_len = scan_path(text, len, &out->path_is_plain);
  }
  out->path_raw = (jh_str){text, path_len};
  if (path_len == len) {
    return 0;
  }
  if (text[path_len] != '?') {
    return JH_EINVAL;
  }
  out->has_query = true;
  out->query = (jh_str){text + path_len + 1, len - path_len - 1};
  return is_query_legal(out->query.ptr, out->query.len) ? 0 : JH_EINVAL;
}

/* True when the target is a plain path and nothing else, of at most 16 bytes: what most servers see
 * most of the time. False means "look closer". */
static inline bool is_short_plain_path(jh_str target) {
  if (target.len > JH_BLOCK_BYTES) {
    return false;
  }
  glance seen = glance_at(target.ptr, target.len);
  return (seen.stop | seen.percent | (seen.slash << 1 & seen.dot_or_slash)) == 0;
}

static int split_absolute(jh_str target, int method, jh_target *out) {
  size_t scheme_len = 0;
  if (target.len > 7 && strncasecmp(target.ptr, "http://", 7) == 0) {
    scheme_len = 7;
  } else if (target.len > 8 && strncasecmp(target.ptr, "https://", 8) == 0) {
    scheme_len = 8;
    out->is_https = true;
  } else {
    return JH_EINVAL;
  }
  const char *host = target.ptr + scheme_len;
  size_t rest_len = target.len - scheme_len;
  size_t host_len = 0;
  while (host_len < rest_len && host[host_len] != '/' && host[host_len] != '?') {
    host_len++;
  }
  out->host = (jh_str){host, host_len};
  out->form = JH_TARGET_ABSOLUTE;
  if (!jh_target_host_is_valid(out->host)) {
    return JH_EINVAL;
  }
  /* RFC 9112 §3.2.4: OPTIONS for a whole server looks like this on its way through a proxy. */
  if (host_len == rest_len && method == JH_METHOD_OPTIONS) {
    out->form = JH_TARGET_ASTERISK;
  }
  return split_path(host + host_len, rest_len - host_len, out);
}

static int split_authority(jh_str target, jh_target *out) {
  out->host = target;
  out->form = JH_TARGET_AUTHORITY;
  /* A tunnel has no default port (RFC 9110 §9.3.6). */
  size_t digits_at = target.len;
  while (digits_at > 0 && target.ptr[digits_at - 1] >= '0' && target.ptr[digits_at - 1] <= '9') {
    digits_at--;
  }
  if (digits_at == 0 || digits_at == target.len || target.ptr[digits_at - 1] != ':') {
    return JH_EINVAL;
  }
  return jh_target_host_is_valid(target) ? 0 : JH_EINVAL;
}

/* Kept out of line so that the common case saves no registers. */
__attribute__((noinline)) static int split_uncommon(jh_str target, int method, jh_target *out) {
  if (method == JH_METHOD_CONNECT) {
    return split_authority(target, out);
  }
  if (target.len > 0 && target.ptr[0] == '/') {
    return split_path(target.ptr, target.len, out);
  }
  if (target.len == 1 && target.ptr[0] == '*' && method == JH_METHOD_OPTIONS) {
    out->form = JH_TARGET_ASTERISK;
    return 0;
  }
  return split_absolute(target, method, out);
}

int jh_target_split(jh_str target, int method, jh_target *out) {
  *out = (jh_target){.path_raw = {target.ptr, 0}};
  if (target.len > 0 && target.ptr[0] == '/' && method != JH_METHOD_CONNECT &&
      is_short_plain_path(target)) {
    out->path_raw.len = target.len;
    out->path_is_plain = true;
    return 0;
  }
  return split_uncommon(target, method, out);
}

static int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  char lower = (char)(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Ends the segment out[start .. end) of a path that is being written. Returns where the next byte
 * goes: `end` for an ordinary segment; `start` when it disappears; or the start of the segment
 * before it, when it was "..". */
static size_t end_segment(const char *out, size_t start, size_t end) {
  size_t len = end - start;
  if (len == 0 || (len == 1 && out[start] == '.')) {
    return start;
  }
  if (len != 2 || out[start] != '.' || out[start + 1] != '.') {
    return end;
  }
  if (start > 1) {
    start--;
    while (out[start - 1] != '/') {
      start--;
    }
  }
  return start;
}

int jh_target_normalise(jh_str raw, char *out, size_t *out_len) {
  size_t at = raw.len > 0 && raw.ptr[0] == '/' ? 1 : 0;
  size_t start = 1;
  size_t end = 1;
  out[0] = '/';
  while (at < raw.len) {
    char byte = raw.ptr[at++];
    if (byte == '%' && raw.len - at >= 2) {
      int high = hex_value(raw.ptr[at]);
      int low = hex_value(raw.ptr[at + 1]);
      if (high >= 0 && low >= 0) {
        byte = (char)(high << 4 | low);
        at += 2;
      }
    }
    if (byte == '\0') {
      return JH_EINVAL;
    }
    if (byte != '/') {
      out[end++] = byte;
      continue;
    }
    size_t kept = end_segment(out, start, end);
    if (kept == end && kept != start) {
      out[kept++] = '/';
    }
    start = end = kept;
  }
  *out_len = end_segment(out, start, end);
  return 0;
}

/* Length of the registered name or IPv4 address at the start of `host`; stops at the first byte
 * that cannot be part of it. */
static size_t name_len(jh_str host) {
  size_t n = 0;
  for (;;) {
    while (n < host.len && jh_token_byte_is(host.ptr[n], JH_BYTE_HOST)) {
      n++;
    }
    bool is_escape = host.len - n >= 3 && host.ptr[n] == '%' && hex_value(host.ptr[n + 1]) >= 0 &&
                     hex_value(host.ptr[n + 2]) >= 0;
    if (!is_escape) {
      return n;
    }
    n += 3;
  }
}

/* Length of "[…]" with an IPv6 address in it, or 0. */
static size_t ipv6_literal_len(jh_str host) {
  const char *close = memchr(host.ptr, ']', host.len);
  char text[INET6_ADDRSTRLEN];
  struct in6_addr address;
  if (close == NULL || (size_t)(close - host.ptr) > sizeof text) {
    return 0;
  }
  size_t len = (size_t)(close - host.ptr) - 1;
  memcpy(text, host.ptr + 1, len);
  text[len] = '\0';
  if (strlen(text) != len || inet_pton(AF_INET6, text, &address) != 1) {
    return 0;
  }
  return len + 2;
}

bool jh_target_host_is_valid(jh_str host) {
  if (host.len == 0) {
    return false;
  }
  size_t at = host.ptr[0] == '[' ? ipv6_literal_len(host) : name_len(host);
  if (at == 0) {
    return false;
  }
  if (at == host.len) {
    return true;
  }
  if (host.ptr[at++] != ':') {
    return false;
  }
  uint32_t port = 0;
  for (; at < host.len; at++) {
    char digit = host.ptr[at];
    if (digit < '0' || digit > '9') {
      return false;
    }
    port = port * 10 + (uint32_t)(digit - '0');
    if (port > 65535) {
      return false;
    }
  }
  return true;
}
