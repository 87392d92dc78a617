/* hub.h: topics, who listens to them, and messages on their way to all of these.
 *
 * Listeners are connections: WebSockets, and streams of server-sent events. A message is encoded
 * once per form in which listeners take it (jh_hub_frame), and those bytes are shared by reference
 * count: a listener that keeps up costs one write, at the end of the turn, and no copy. Behind one
 * that does not read frames gather up to a limit; then its policy says what becomes of it.
 *
 * A hub is one worker's. What is published in it goes over its bridge as well, which brings it to
 * the other workers (server/hub_sockets.c) and could as well be a broker on the network: it gives
 * what comes from elsewhere to jh_hub_deliver(). */
#ifndef JH_NET_HUB_H
#define JH_NET_HUB_H

#include "base/list.h"
#include "base/pool.h"
#include "net/conn.h"

enum { JH_HUB_TOPIC_BYTES_MAX = 255, JH_HUB_RING_FEW = 2 };

/* In which form a listener takes messages. */
typedef enum jh_hub_form {
  JH_HUB_WEBSOCKET = 0,
  JH_HUB_WEBSOCKET_DEFLATE, /* with the largest window, which ends with the message */
  JH_HUB_EVENT_CHUNKED,     /* server-sent events */
  JH_HUB_EVENT,             /* the same without chunks */
  JH_HUB_EVENT_STREAMED,    /* given to the protocol piece by piece: HTTP/2 */
  JH_HUB_FORM_COUNT
} jh_hub_form;

typedef struct jh_hub_message {
  jh_str topic;
  jh_str data;
  uint8_t kind; /* 1 text, 2 binary, which no stream of events takes */
} jh_hub_message;

typedef struct jh_hub_topic jh_hub_topic;

/* A message in one form. */
typedef struct jh_hub_frame {
  uint32_t references;
  uint32_t len;
  const jh_hub_topic *topic; /* only to be compared */
  char bytes[];
} jh_hub_frame;

/* A connection that listens. */
typedef struct jh_hub_member {
  jh_conn *conn;
  jh_list subscriptions;
  jh_hub_frame **frames; /* a ring: `few`, or larger */
  jh_hub_frame *few[JH_HUB_RING_FEW];
  uint32_t capacity, first, count;
  uint32_t written; /* bytes of the first frame that the kernel has taken */
  uint32_t backlog_bytes, max_backlog_bytes;
  uint8_t policy; /* jh_hub_policy */
  uint8_t form;   /* jh_hub_form */
} jh_hub_member;

/* What brings messages to other hubs. */
typedef struct jh_hub_bridge {
  void (*publish)(struct jh_hub_bridge *bridge, const jh_hub_message *message);
} jh_hub_bridge;

typedef struct jh_hub {
  jh_hub_topic **buckets;
  uint32_t bucket_count, topic_count;
  uint64_t seed;
  jh_pool members, subscriptions;
  jh_hub_bridge *bridge; /* NULL: there are no others */
  jh_websocket_deflater *deflater;
  uint64_t dropped; /* frames that slow listeners did not get */
  uint64_t disconnected;
} jh_hub;

void jh_hub_init(jh_hub *hub);
void jh_hub_deinit(jh_hub *hub); /* no member is left */

/* Has a connection listen to a topic. 0 (also when it does already), JH_EINVAL for an empty or too
 * long topic, or JH_ENOMEM. */
int jh_hub_subscribe(jh_hub *hub, jh_conn *conn, jh_hub_form form, jh_str topic,
                     const jh_hub_options *options);

/* 0, or JH_ENOTFOUND when it does not listen to it. */
int jh_hub_unsubscribe(jh_hub *hub, jh_conn *conn, jh_str topic);

/* A connection listens to nothing any more; what is on its way to it is dropped when `drops`, or
 * else stands in its queue afterwards. */
void jh_hub_leave(jh_hub *hub, jh_conn *conn, bool drops);

/* Sends a message to all listeners of its topic in this worker but `except`. Their number. */
uint32_t jh_hub_deliver(jh_hub *hub, const jh_hub_message *message, const jh_conn *except);

/* How many listen to a topic in this worker. */
uint32_t jh_hub_count(const jh_hub *hub, jh_str topic);

/* --- for conn_write.c --- */

/* Writes what is on its way to a connection whose queue is empty. 0, or a negative code: it is
 * closed then. */
int jh_hub_write(jh_conn *conn);

/* Moves that to the connection's queue, because something is to be queued behind it. */
void jh_hub_spill(jh_conn *conn);

/* True when frames are on their way. */
static inline bool jh_hub_has_frames(const jh_conn *conn) {
  return conn->member && conn->member->count > 0;
}

#endif
