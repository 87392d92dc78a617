/* door_websocket.c: the door's functions that make a WebSocket of a request.
 *
 * What is done with one stands in net/websocket.c, net/websocket_read.c and
 * net/websocket_write.c. */
#include <string.h>
#include <sys/random.h>

#include "base/str.h"
#include "http/method.h"
#include "http/websocket_handshake.h"
#include "net/websocket.h"
#include "server/generation.h"

/* True when one of the members of a list is the word. */
static bool list_has(jh_str list, jh_str word) {
  while (list.len > 0) {
    const char *comma = memchr(list.ptr, ',', list.len);
    size_t len = comma ? (size_t)(comma - list.ptr) : list.len;
    if (jh_str_equal_nocase(jh_str_trim((jh_str){list.ptr, len}), word)) return true;
    len += comma != NULL;
    list = (jh_str){list.ptr + len, list.len - len};
  }
  return false;
}

int jh_ctx_check_websocket(jh_ctx *ctx) {
  char accept[JH_WEBSOCKET_ACCEPT_BYTES];
  const jh_request *request = &ctx->request;
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  bool is_http2 = request->is_http2;
  bool is_upgrade = request->is_upgrade && request->method == JH_METHOD_GET &&
                    list_has(jh_request_header(request, JH_STR("upgrade")), JH_STR("websocket"));
  if (!is_upgrade) return JH_EUNSUPPORTED;
  jh_str version = jh_request_header(request, JH_STR("sec-websocket-version"));
  if (!jh_str_equal(version, JH_STR("13"))) return JH_EUNSUPPORTED;
  if (is_http2) return 0; /* it needs no proof that it is no cache's answer */
  jh_str key = jh_request_header(request, JH_STR("sec-websocket-key"));
  if (jh_websocket_write_accept(key, accept) != 0 || jh_request_has_body(request)) {
    return JH_EINVAL;
  }
  return 0;
}

static int set_field(jh_ctx *ctx, jh_str name, jh_str value) {
  return jh_response_try_set(&ctx->response, &ctx->arena, name, value, false);
}

/* What shows a client of HTTP/1 that its handshake was understood. */
static int set_upgrade(jh_ctx *ctx) {
  char accept[JH_WEBSOCKET_ACCEPT_BYTES];
  jh_str key = jh_request_header(&ctx->request, JH_STR("sec-websocket-key"));
  int error = jh_websocket_write_accept(key, accept);
  if (error == 0) error = set_field(ctx, JH_STR("Upgrade"), JH_STR("websocket"));
  if (error == 0) error = set_field(ctx, JH_STR("Connection"), JH_STR("Upgrade"));
  if (error == 0) {
    error = set_field(ctx, JH_STR("Sec-WebSocket-Accept"), (jh_str){accept, sizeof(accept)});
  }
  return error;
}

/* Queues the answer; whose connection is a WebSocket's from then on. NULL and *error. */
static jh_conn *answer(jh_ctx *ctx, const jh_websocket_deflate *deflate, int *error) {
  char extension[JH_WEBSOCKET_EXTENSION_BYTES];
  *error = ctx->request.is_http2 ? 0 : set_upgrade(ctx);
  if (*error == 0 && deflate) {
    size_t len = jh_websocket_deflate_write_answer(deflate, extension);
    *error = set_field(ctx, JH_STR("Sec-WebSocket-Extensions"), (jh_str){extension, len});
  }
  return *error ? NULL : ctx->conn->protocol->upgrade(ctx->conn, ctx, error);
}

jh_websocket *jh_ctx_open_websocket(jh_ctx *ctx, const jh_websocket_options *options,
                                    const char *extensions, size_t extensions_len, int *error) {
  jh_websocket_deflate chosen, wish = {.server_bits = options->server_bits,
                                       .client_bits = options->client_bits,
                                       .server_takes_over = options->server_takes_over,
                                       .client_takes_over = options->client_takes_over};
  *error = jh_ctx_check_websocket(ctx);
  if (*error == 0 && !ctx->conn) *error = JH_ECLOSED;
  if (*error == 0 && ctx->stream_state != JH_STREAM_NONE) *error = JH_EBUSY;
  if (*error) return NULL;
  jh_generation *generation = ctx->generation;
  jh_str offers = {extensions, extensions_len};
  bool is_compressed =
      options->is_compressed && jh_websocket_deflate_choose(offers, &wish, &chosen);
  jh_conn *conn = answer(ctx, is_compressed ? &chosen : NULL, error);
  if (!conn) return NULL;
  jh_websocket *websocket =
      jh_websocket_open(conn, ctx, &generation->ready, options, is_compressed ? &chosen : NULL);
  if (!websocket) {
    *error = JH_ENOMEM;
    return NULL;
  }
  generation->in_flight--;
  return websocket;
}

jh_websocket *jh_websocket_dial(jh_generation *generation, const jh_websocket_address *address,
                                const char *head, size_t head_len,
                                const jh_websocket_options *options, uint32_t wait_id, int *error) {
  return jh_websocket_open_client(jh_generation_loop(generation), &generation->ready, address,
                                  (jh_str){head, head_len}, options, wait_id, error);
}

int jh_websocket_make_key(char key[JH_WEBSOCKET_KEY_BYTES],
                          char accept[JH_WEBSOCKET_ACCEPT_BYTES]) {
  uint8_t random[16];
  if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) return JH_ENOMEM;
  jh_websocket_write_key(random, key);
  return jh_websocket_write_accept((jh_str){key, JH_WEBSOCKET_KEY_BYTES}, accept);
}
