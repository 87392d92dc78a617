/* request.c: looking things up in a parsed request head.
 *
 * Headers are looked up by walking the array: requests have a dozen of them, and comparing lengths
 * first leaves one or two names to compare. An index would cost more to build than it saves. */
#include "http/request.h"

#include "base/str.h"

void jh_request_reset(jh_request *request) {
  *request = (jh_request){.headers = request->headers, .header_capacity = request->header_capacity};
}

int32_t jh_request_find_header(const jh_request *request, const char *name, size_t name_len,
                               uint32_t from) {
  jh_str wanted = jh_str_make(name, name_len);
  for (uint32_t i = from; i < request->header_count; i++) {
    jh_span span = request->headers[i].name;
    if (span.len != name_len) continue;
    if (jh_str_equal_nocase(jh_request_str(request, span), wanted)) return (int32_t)i;
  }
  return -1;
}

jh_str jh_request_header(const jh_request *request, jh_str name) {
  int32_t index = jh_request_find_header(request, name.ptr, name.len, 0);
  if (index < 0) return (jh_str){.ptr = NULL, .len = 0};
  return jh_request_str(request, request->headers[index].value);
}

int jh_request_header_at(const jh_request *request, uint32_t index, jh_str *name, jh_str *value) {
  if (index >= request->header_count) return JH_ENOTFOUND;
  *name = jh_request_str(request, request->headers[index].name);
  *value = jh_request_str(request, request->headers[index].value);
  return 0;
}

jh_str jh_request_path(const jh_request *request) {
  if (request->path.len == 0) return JH_STR("/");
  return jh_request_str(request, request->path);
}
