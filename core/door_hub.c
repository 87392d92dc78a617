/* door_hub.c: the door's functions about the hub; what it is stands in net/hub.h. */
#include "http/websocket_frame.h"
#include "net/hub.h"
#include "net/websocket.h"
#include "server/generation.h"

int jh_websocket_subscribe(jh_websocket *websocket, const char *topic, size_t len,
                           const jh_hub_options *options) {
  const jh_websocket_deflate *deflate = &websocket->deflate;
  if (websocket->state != JH_WEBSOCKET_OPEN) return JH_ECLOSED;
  if (websocket->is_client) return JH_EUNSUPPORTED;
  bool is_shared = websocket->is_compressed && !deflate->server_takes_over &&
                   deflate->server_bits == JH_WEBSOCKET_BITS_MAX;
  jh_hub_form form = is_shared ? JH_HUB_WEBSOCKET_DEFLATE : JH_HUB_WEBSOCKET;
  return jh_hub_subscribe(websocket->loop->hub, websocket->conn, form, (jh_str){topic, len},
                          options);
}

int jh_websocket_unsubscribe(jh_websocket *websocket, const char *topic, size_t len) {
  if (!websocket->conn) return JH_ENOTFOUND;
  return jh_hub_unsubscribe(websocket->loop->hub, websocket->conn, (jh_str){topic, len});
}

int jh_ctx_subscribe(jh_ctx *ctx, const char *topic, size_t len, const jh_hub_options *options) {
  jh_conn *conn = ctx->conn;
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  if (!conn) return JH_ECLOSED;
  jh_hub_form form = ctx->stream_state == JH_STREAM_CHUNKED ? JH_HUB_EVENT_CHUNKED : JH_HUB_EVENT;
  if (ctx->stream_state == JH_STREAM_NONE || ctx->stream_state == JH_STREAM_LENGTH) {
    return JH_EUNSUPPORTED;
  }
  if (!conn->protocol->is_exclusive) form = JH_HUB_EVENT_STREAMED;
  return jh_hub_subscribe(conn->loop->hub, conn, form, (jh_str){topic, len}, options);
}

int jh_ctx_unsubscribe(jh_ctx *ctx, const char *topic, size_t len) {
  if (!ctx->is_held_by_lua || !ctx->conn) return JH_ENOTFOUND;
  return jh_hub_unsubscribe(ctx->conn->loop->hub, ctx->conn, (jh_str){topic, len});
}

int64_t jh_hub_publish(jh_generation *generation, const char *topic, size_t topic_len, int kind,
                       const char *data, size_t data_len, jh_websocket *except) {
  jh_hub *hub = jh_generation_loop(generation)->hub;
  jh_hub_message message = {.topic = {topic, topic_len}, .data = {data, data_len}};
  message.kind = (uint8_t)kind;
  if (topic_len == 0 || topic_len > JH_HUB_TOPIC_BYTES_MAX) return JH_EINVAL;
  if (kind != JH_WEBSOCKET_TEXT && kind != JH_WEBSOCKET_BINARY) return JH_EINVAL;
  if (kind == JH_WEBSOCKET_TEXT && !jh_utf8_is_valid(message.data)) return JH_EPROTO;
  if (hub->bridge) hub->bridge->publish(hub->bridge, &message);
  return jh_hub_deliver(hub, &message, except ? except->conn : NULL);
}

uint32_t jh_hub_listeners(jh_generation *generation, const char *topic, size_t len) {
  return jh_hub_count(jh_generation_loop(generation)->hub, (jh_str){topic, len});
}
