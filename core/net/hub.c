/* hub.c: the table of topics, membership, and the backlog of each member.
 *
 * Topics are made of what clients say as often as not, so their hash has a seed. A topic lives
 * while somebody listens to it. Delivering marks connections as pending: they are written at the
 * end of the turn, so that messages of one turn leave together. */
#include "net/hub.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/hub_frame.h"

enum { BUCKETS_MIN = 64, FREE_MAX = 1024, PARTS_MAX = 16 };

struct jh_hub_topic {
  jh_hub_topic *next; /* in its bucket */
  jh_list subscriptions;
  uint64_t hash;
  uint32_t count;
  uint32_t name_len;
  char name[];
};

typedef struct jh_hub_subscription {
  jh_list by_topic, by_member;
  jh_hub_topic *topic;
  jh_hub_member *member;
} jh_hub_subscription;

void jh_hub_init(jh_hub *hub) {
  memset(hub, 0, sizeof *hub);
  if (getrandom(&hub->seed, sizeof hub->seed, 0) < 0) hub->seed = (uintptr_t)hub;
  jh_pool_init(&hub->members, sizeof(jh_hub_member), FREE_MAX);
  jh_pool_init(&hub->subscriptions, sizeof(jh_hub_subscription), FREE_MAX);
}

void jh_hub_deinit(jh_hub *hub) {
  jh_free(hub->buckets);
  jh_websocket_deflater_free(hub->deflater);
  jh_pool_deinit(&hub->members);
  jh_pool_deinit(&hub->subscriptions);
}

/* ---- topics ---- */

static uint64_t hash_of(const jh_hub *hub, jh_str name) {
  uint64_t hash = hub->seed ^ name.len;
  while (name.len > 0) {
    uint64_t word = 0;
    size_t len = name.len < sizeof word ? name.len : sizeof word;
    memcpy(&word, name.ptr, len);
    __extension__ unsigned __int128 product =
        (unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15U;
    hash = (uint64_t)product ^ (uint64_t)(product >> 64) ^ hub->seed;
    name = (jh_str){name.ptr + len, name.len - len};
  }
  return hash;
}

static jh_hub_topic *find(const jh_hub *hub, jh_str name, uint64_t hash) {
  if (hub->bucket_count == 0) return NULL;
  jh_hub_topic *topic = hub->buckets[hash & (hub->bucket_count - 1)];
  while (topic &&
         !(topic->hash == hash && jh_str_equal((jh_str){topic->name, topic->name_len}, name))) {
    topic = topic->next;
  }
  return topic;
}

static bool make_buckets(jh_hub *hub) {
  if (hub->topic_count < hub->bucket_count) return true;
  uint32_t count = hub->bucket_count ? hub->bucket_count * 2 : BUCKETS_MIN;
  jh_hub_topic **buckets = jh_try_calloc(count, sizeof *buckets);
  if (!buckets) return hub->bucket_count > 0;
  for (uint32_t i = 0; i < hub->bucket_count; i++) {
    for (jh_hub_topic *topic = hub->buckets[i]; topic;) {
      jh_hub_topic *next = topic->next;
      topic->next = buckets[topic->hash & (count - 1)];
      buckets[topic->hash & (count - 1)] = topic;
      topic = next;
    }
  }
  jh_free(hub->buckets);
  hub->buckets = buckets;
  hub->bucket_count = count;
  return true;
}

static jh_hub_topic *find_or_make(jh_hub *hub, jh_str name) {
  uint64_t hash = hash_of(hub, name);
  jh_hub_topic *topic = find(hub, name, hash);
  if (topic || !make_buckets(hub)) return topic;
  topic = jh_try_alloc(sizeof *topic + name.len);
  if (!topic) return NULL;
  *topic = (jh_hub_topic){.hash = hash, .name_len = (uint32_t)name.len};
  memcpy(topic->name, name.ptr, name.len);
  jh_list_init(&topic->subscriptions);
  jh_hub_topic **bucket = &hub->buckets[hash & (hub->bucket_count - 1)];
  topic->next = *bucket;
  *bucket = topic;
  hub->topic_count++;
  return topic;
}

static void forget_when_empty(jh_hub *hub, jh_hub_topic *topic) {
  if (topic->count > 0) return;
  jh_hub_topic **place = &hub->buckets[topic->hash & (hub->bucket_count - 1)];
  while (*place != topic) place = &(*place)->next;
  *place = topic->next;
  hub->topic_count--;
  jh_free(topic);
}

/* ---- members ---- */

static jh_hub_member *find_or_make_member(jh_hub *hub, jh_conn *conn, jh_hub_form form) {
  if (conn->member) return conn->member;
  jh_hub_member *member = jh_pool_try_acquire(&hub->members);
  if (!member) return NULL;
  *member = (jh_hub_member){.conn = conn, .capacity = JH_HUB_RING_FEW, .form = (uint8_t)form};
  member->frames = member->few;
  jh_list_init(&member->subscriptions);
  conn->member = member;
  return member;
}

static jh_hub_frame *frame_at(const jh_hub_member *member, uint32_t index) {
  return member->frames[(member->first + index) & (member->capacity - 1)];
}

static void take_first(jh_hub_member *member) {
  jh_hub_frame *frame = frame_at(member, 0);
  member->backlog_bytes -= frame->len;
  member->first = (member->first + 1) & (member->capacity - 1);
  member->count--;
  member->written = 0;
  jh_hub_frame_release(frame);
}

static void drop_ring(jh_hub_member *member) {
  if (member->frames != member->few) jh_free(member->frames);
  member->frames = member->few;
  member->capacity = JH_HUB_RING_FEW;
  member->first = 0;
}

static jh_hub_subscription *find_subscription(const jh_hub_member *member,
                                              const jh_hub_topic *topic) {
  const jh_list *node = member->subscriptions.next;
  for (; node != &member->subscriptions; node = node->next) {
    jh_hub_subscription *subscription = JH_LIST_ENTRY(node, jh_hub_subscription, by_member);
    if (subscription->topic == topic) return subscription;
  }
  return NULL;
}

static void end_subscription(jh_hub *hub, jh_hub_subscription *subscription) {
  jh_hub_topic *topic = subscription->topic;
  jh_list_remove(&subscription->by_topic);
  jh_list_remove(&subscription->by_member);
  jh_pool_release(&hub->subscriptions, subscription);
  topic->count--;
  forget_when_empty(hub, topic);
}

static void set_policy(jh_hub_member *member, const jh_hub_options *options) {
  member->policy = (uint8_t)options->policy;
  member->max_backlog_bytes = options->max_backlog_bytes;
}

int jh_hub_subscribe(jh_hub *hub, jh_conn *conn, jh_hub_form form, jh_str name,
                     const jh_hub_options *options) {
  if (name.len == 0 || name.len > JH_HUB_TOPIC_BYTES_MAX) return JH_EINVAL;
  jh_hub_topic *topic = find_or_make(hub, name);
  if (!topic) return JH_ENOMEM;
  jh_hub_member *member = find_or_make_member(hub, conn, form);
  jh_hub_subscription *subscription = member ? find_subscription(member, topic) : NULL;
  if (member) set_policy(member, options);
  if (subscription) return 0;
  if (member) subscription = jh_pool_try_acquire(&hub->subscriptions);
  if (!subscription) {
    forget_when_empty(hub, topic);
    return JH_ENOMEM;
  }
  *subscription = (jh_hub_subscription){.topic = topic, .member = member};
  jh_list_init(&subscription->by_topic);
  jh_list_init(&subscription->by_member);
  jh_list_append(&topic->subscriptions, &subscription->by_topic);
  jh_list_append(&member->subscriptions, &subscription->by_member);
  topic->count++;
  return 0;
}

int jh_hub_unsubscribe(jh_hub *hub, jh_conn *conn, jh_str name) {
  jh_hub_topic *topic = find(hub, name, hash_of(hub, name));
  jh_hub_subscription *subscription =
      topic && conn->member ? find_subscription(conn->member, topic) : NULL;
  if (!subscription) return JH_ENOTFOUND;
  end_subscription(hub, subscription);
  return 0;
}

void jh_hub_leave(jh_hub *hub, jh_conn *conn, bool drops) {
  jh_hub_member *member = conn->member;
  if (!member) return;
  if (!drops) jh_hub_spill(conn);
  while (!jh_list_is_empty(&member->subscriptions)) {
    end_subscription(hub,
                     JH_LIST_ENTRY(member->subscriptions.next, jh_hub_subscription, by_member));
  }
  while (member->count > 0) take_first(member);
  drop_ring(member);
  conn->member = NULL;
  jh_pool_release(&hub->members, member);
}

uint32_t jh_hub_count(const jh_hub *hub, jh_str name) {
  const jh_hub_topic *topic = find(hub, name, hash_of(hub, name));
  return topic ? topic->count : 0;
}

/* ---- delivery ---- */

static bool grow_ring(jh_hub_member *member) {
  uint32_t capacity = member->capacity * 2;
  jh_hub_frame **frames = jh_try_alloc(capacity * sizeof *frames);
  if (!frames) return false;
  for (uint32_t i = 0; i < member->count; i++) frames[i] = frame_at(member, i);
  if (member->frames != member->few) jh_free(member->frames);
  member->frames = frames;
  member->capacity = capacity;
  member->first = 0;
  return true;
}

/* Takes a frame out of the middle of the ring. */
static void take_at(jh_hub_member *member, uint32_t index) {
  uint32_t mask = member->capacity - 1;
  jh_hub_frame *frame = frame_at(member, index);
  for (uint32_t i = index; i + 1 < member->count; i++) {
    member->frames[(member->first + i) & mask] = frame_at(member, i + 1);
  }
  member->count--;
  member->backlog_bytes -= frame->len;
  jh_hub_frame_release(frame);
}

/* What waits behind the frame that is being sent, which may be of any size. */
static bool has_room(const jh_hub_member *member, const jh_hub_frame *frame) {
  if (member->count <= 1) return true;
  uint32_t waiting = member->backlog_bytes - frame_at(member, 0)->len;
  return waiting + (uint64_t)frame->len <= member->max_backlog_bytes;
}

static void replace_older(jh_hub *hub, jh_hub_member *member, const jh_hub_frame *frame) {
  for (uint32_t i = 1; i < member->count; i++) {
    if (frame_at(member, i)->topic != frame->topic) continue;
    take_at(member, i);
    hub->dropped++;
    return;
  }
}

/* Frames are on their way to the member already: what its policy says when it is too slow. False
 * when the frame is not for it any more. */
static bool make_way(jh_hub *hub, jh_hub_member *member, const jh_hub_frame *frame) {
  jh_conn *conn = member->conn;
  bool is_blocked = (conn->events & UV_WRITABLE) != 0;
  if (is_blocked && member->policy == JH_HUB_COALESCE) replace_older(hub, member, frame);
  if (has_room(member, frame)) return true;
  /* Much was published in one turn: that is not its fault. */
  if (!is_blocked) {
    jh_conn_flush(conn);
    if (conn->state == JH_CONN_CLOSED || conn->member != member) return false;
    if (has_room(member, frame)) return true;
  }
  if (member->policy == JH_HUB_DISCONNECT) {
    hub->disconnected++;
    jh_conn_close(conn);
    return false;
  }
  while (!has_room(member, frame)) {
    take_at(member, member->written > 0 ? 1 : 0);
    hub->dropped++;
  }
  return true;
}

static void push(jh_hub *hub, jh_hub_member *member, jh_hub_frame *frame) {
  if (member->count > 0 && !make_way(hub, member, frame)) return;
  if (member->count == member->capacity && !grow_ring(member)) {
    jh_conn_close(member->conn);
    return;
  }
  frame->references++;
  member->frames[(member->first + member->count) & (member->capacity - 1)] = frame;
  member->count++;
  member->backlog_bytes += frame->len;
  /* A connection that waits to be written is looked after when it can be. */
  if (!(member->conn->events & UV_WRITABLE)) jh_conn_mark_pending(member->conn);
}

/* For protocols that frame what they send themselves; their queue is the backlog, so it is the
 * newest message that is dropped. */
static void stream(const jh_hub_member *member, const jh_hub_frame *frame) {
  jh_conn *conn = member->conn;
  jh_ctx *ctx = conn->ctx;
  if (!ctx) return;
  if (jh_conn_queued_bytes(conn) > member->max_backlog_bytes) {
    if (member->policy == JH_HUB_DISCONNECT) jh_conn_close(conn);
    return;
  }
  /* Whoever waits to write goes on waiting. */
  jh_str piece = {frame->bytes, frame->len};
  conn->protocol->stream(conn, ctx, piece, ctx->write_wait_id);
}

uint32_t jh_hub_deliver(jh_hub *hub, const jh_hub_message *message, const jh_conn *except) {
  jh_hub_topic *topic = find(hub, message->topic, hash_of(hub, message->topic));
  if (!topic) return 0;
  jh_hub_frame *frames[JH_HUB_FORM_COUNT] = {NULL};
  uint32_t count = 0;
  topic->count++; /* it stays while its members may be closed */
  jh_list *node = topic->subscriptions.next;
  while (node != &topic->subscriptions) {
    jh_hub_member *member = JH_LIST_ENTRY(node, jh_hub_subscription, by_topic)->member;
    node = node->next;
    if (member->conn == except) continue;
    jh_hub_frame **frame = &frames[member->form];
    if (!*frame) *frame = jh_hub_frame_try_new(hub, message, (jh_hub_form)member->form, topic);
    if (!*frame) continue;
    count++;
    if (member->form == JH_HUB_EVENT_STREAMED) {
      stream(member, *frame);
    } else {
      push(hub, member, *frame);
    }
  }
  for (int i = 0; i < JH_HUB_FORM_COUNT; i++) {
    if (frames[i]) jh_hub_frame_release(frames[i]);
  }
  topic->count--;
  forget_when_empty(hub, topic);
  return count;
}

/* ---- writing ---- */

static void consume(jh_hub_member *member, size_t taken) {
  while (member->count > 0) {
    uint32_t left = frame_at(member, 0)->len - member->written;
    if (taken < left) {
      member->written += (uint32_t)taken;
      return;
    }
    taken -= left;
    take_first(member);
  }
  if (member->frames != member->few) drop_ring(member);
}

int jh_hub_write(jh_conn *conn) {
  jh_hub_member *member = conn->member;
  while (member->count > 0) {
    struct iovec parts[PARTS_MAX];
    size_t total = 0;
    int count = 0;
    for (uint32_t i = 0; i < member->count && count < PARTS_MAX; i++) {
      jh_hub_frame *frame = frame_at(member, i);
      uint32_t start = i == 0 ? member->written : 0;
      parts[count++] = (struct iovec){frame->bytes + start, frame->len - start};
      total += frame->len - start;
    }
    ssize_t taken = conn->transport->write(conn, parts, count);
    if (taken == -EAGAIN) return 0;
    if (taken < 0) {
      jh_conn_close(conn);
      return JH_ECLOSED;
    }
    consume(member, (size_t)taken);
    if ((size_t)taken < total) return 0;
  }
  return 0;
}

void jh_hub_spill(jh_conn *conn) {
  jh_hub_member *member = conn->member;
  uint32_t written = member->written, count = member->count;
  member->count = 0; /* or queueing would come here again */
  for (uint32_t i = 0; i < count; i++) {
    jh_hub_frame *frame = frame_at(member, i);
    uint32_t start = i == 0 ? written : 0;
    if (conn->state != JH_CONN_CLOSED) {
      jh_conn_append(conn, frame->bytes + start, frame->len - start);
    }
    jh_hub_frame_release(frame);
  }
  member->written = member->backlog_bytes = 0;
  drop_ring(member);
}
