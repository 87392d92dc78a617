/* forward_target.c: the target that goes on: what was behind the prefix of a route, as it was sent.
 *
 * Routes match the normal form of a path, the upstream is to get the bytes that the client wrote,
 * with its escapes. For a path whose normal form differs, the raw rest is looked for behind as many
 * slashes, and taken only when it means the same below any base: otherwise "x%2F..%2F.." could lead
 * out of it. What cannot be taken is escaped anew from the normal form. */
#include "base/str.h"
#include "http/forward.h"
#include "http/put.h"
#include "http/target.h"
#include "http/token.h"

/* The raw path from its nth '/' on; empty when there are fewer. */
static jh_str from_slash(jh_str raw, size_t n) {
  for (size_t i = 0; i < raw.len; i++) {
    if (raw.ptr[i] == '/' && --n == 0) return (jh_str){raw.ptr + i, raw.len - i};
  }
  return (jh_str){NULL, 0};
}

static size_t count_slashes(jh_str text) {
  size_t count = 0;
  for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == '/';
  return count;
}

/* True when `raw`, which begins with '/', stands for "/" and `rest` also below another segment.
 * `scratch` has room for both. */
static bool means(jh_str raw, jh_str rest, char *scratch) {
  static const jh_str guard = {"/_", 2};
  size_t len = 0;
  char *end = jh_put(jh_put(scratch, guard), raw);
  size_t guarded = guard.len + raw.len;
  if (jh_target_normalise((jh_str){scratch, guarded}, end, &len) < 0) return false;
  return len == guard.len + 1 + rest.len && memcmp(end, "/_/", 3) == 0 &&
         memcmp(end + 3, rest.ptr, rest.len) == 0;
}

/* A byte that a path may hold as it is (pchar of RFC 3986 and '/'). */
static bool is_path_byte(char byte) {
  return jh_token_byte_is(byte, JH_BYTE_HOST) || byte == ':' || byte == '@' || byte == '/';
}

static char *put_escaped(char *out, jh_str text) {
  static const char digits[] = "0123456789ABCDEF";
  for (size_t i = 0; i < text.len; i++) {
    uint8_t byte = (uint8_t)text.ptr[i];
    if (is_path_byte(text.ptr[i])) {
      *out++ = (char)byte;
      continue;
    }
    *out++ = '%';
    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 15];
  }
  return out;
}

/* The path behind the base, with its '/'. */
static char *put_path(const jh_forward_request *forward, char *out) {
  const jh_request *request = forward->request;
  jh_str raw = jh_request_path(request);
  jh_str path = forward->path;
  bool is_whole = forward->rest.ptr == NULL;
  size_t before = is_whole ? 1 : (size_t)(forward->rest.ptr - path.ptr);
  jh_str rest = {path.ptr + before, is_whole ? path.len - 1 : forward->rest.len};
  if (is_whole && (request->path_is_plain || forward->rules->base.len == 0))
    return jh_put(out, raw);
  if (request->path_is_plain) {
    *out++ = '/';
    return jh_put(out, (jh_str){raw.ptr + before, rest.len});
  }
  jh_str raw_rest = from_slash(raw, count_slashes((jh_str){path.ptr, before}));
  if (raw_rest.len && means(raw_rest, rest, out)) return jh_put(out, raw_rest);
  *out++ = '/';
  return put_escaped(out, rest);
}

char *jh_forward_write_target(const jh_forward_request *forward, char *out) {
  const jh_request *request = forward->request;
  out = jh_put(out, forward->rules->base);
  out = put_path(forward, out);
  if (!request->has_query) return out;
  *out++ = '?';
  return jh_put(out, jh_request_str(request, request->query));
}
