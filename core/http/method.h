/* method.h: the request methods the server knows, by number and by name.
 *
 * The parser reports a method as one of these numbers, the router keeps one bit per number, and
 * Lua sees the name. The numbers are http-parser's, so that no table translates between the two;
 * parser.c asserts it. A method outside this table is answered 501. */
#ifndef JH_HTTP_METHOD_H
#define JH_HTTP_METHOD_H

#include "justhttp.h"

/* XX(number, NAME, "wire name") */
#define JH_METHOD_MAP(XX)            \
  XX(0, DELETE, "DELETE")            \
  XX(1, GET, "GET")                  \
  XX(2, HEAD, "HEAD")                \
  XX(3, POST, "POST")                \
  XX(4, PUT, "PUT")                  \
  XX(5, CONNECT, "CONNECT")          \
  XX(6, OPTIONS, "OPTIONS")          \
  XX(7, TRACE, "TRACE")              \
  XX(8, COPY, "COPY")                \
  XX(9, LOCK, "LOCK")                \
  XX(10, MKCOL, "MKCOL")             \
  XX(11, MOVE, "MOVE")               \
  XX(12, PROPFIND, "PROPFIND")       \
  XX(13, PROPPATCH, "PROPPATCH")     \
  XX(14, SEARCH, "SEARCH")           \
  XX(15, UNLOCK, "UNLOCK")           \
  XX(16, BIND, "BIND")               \
  XX(17, REBIND, "REBIND")           \
  XX(18, UNBIND, "UNBIND")           \
  XX(19, ACL, "ACL")                 \
  XX(20, REPORT, "REPORT")           \
  XX(21, MKACTIVITY, "MKACTIVITY")   \
  XX(22, CHECKOUT, "CHECKOUT")       \
  XX(23, MERGE, "MERGE")             \
  XX(24, MSEARCH, "M-SEARCH")        \
  XX(25, NOTIFY, "NOTIFY")           \
  XX(26, SUBSCRIBE, "SUBSCRIBE")     \
  XX(27, UNSUBSCRIBE, "UNSUBSCRIBE") \
  XX(28, PATCH, "PATCH")             \
  XX(29, PURGE, "PURGE")             \
  XX(30, MKCALENDAR, "MKCALENDAR")   \
  XX(31, LINK, "LINK")               \
  XX(32, UNLINK, "UNLINK")           \
  XX(33, SOURCE, "SOURCE")

/* JH_METHOD_DELETE = 0, JH_METHOD_GET = 1, … */
typedef enum jh_method {
#define XX(number, name, text) JH_METHOD_##name = number,
  JH_METHOD_MAP(XX)
#undef XX
      JH_METHOD_COUNT
} jh_method;

/* Set of methods as a uint64_t: one bit per method. */
#define JH_METHOD_BIT(method) (UINT64_C(1) << (method))

/* ==== cdef: begin ==== */

/* Wire name of a method: static. Length 0 when the number is not a method. */
jh_str jh_method_name(int method);

/* Number of a method by its wire name (case-sensitive, RFC 9110 §9.1), or -1. */
int jh_method_find(jh_str name);

/* ==== cdef: end ==== */

#endif
