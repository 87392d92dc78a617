/* hub_sockets.c: messages between the hubs of one machine.
 *
 * A piece is a datagram: a head, and a part of topic and data, which stand one behind the other.
 * Pieces of one sender come in their order, those of several are told apart by the slot in the
 * head. A piece is made once and shared by the queues of all that cannot take it yet. */
#include "server/hub_sockets.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"

enum {
  PIECE_BYTES = 60000,
  SOCKET_BYTES = 1 << 20,
  QUEUE_BYTES_MAX = 16 << 20,   /* that wait for one worker */
  MESSAGE_BYTES_MAX = 64 << 20, /* longer ones stay in their worker */
  READS_PER_WAKE = 64
};

typedef struct piece_head {
  uint32_t slot;        /* of the sender */
  uint32_t topic_bytes; /* at the beginning of the message */
  uint32_t total_bytes; /* of topic and data */
  uint32_t offset;      /* of this piece */
  uint32_t number;      /* of the message */
  uint32_t kind;
} piece_head;

typedef struct piece {
  uint32_t references;
  uint32_t len;
  char bytes[]; /* head first */
} piece;

typedef struct waiting {
  struct waiting *next;
  piece *piece;
} waiting;

/* The worker of another slot. */
typedef struct peer {
  uv_poll_t poll;
  int fd;
  bool has_handle;
  waiting *first, *last; /* what it cannot take yet */
  size_t queued_bytes;
  char *message; /* what of a message in pieces has come from it */
  uint32_t have, number;
} peer;

struct jh_hub_peers {
  jh_hub_bridge bridge;
  jh_loop *loop;
  uv_poll_t reader;
  int read_fd;
  uint32_t slot, count;
  uint32_t number; /* of the last message sent */
  jh_log_gate gate;
  char input[sizeof(piece_head) + PIECE_BYTES];
  peer peers[];
};

/* ---- the supervisor's ---- */

int jh_hub_sockets_open(jh_hub_sockets *sockets, uint32_t worker_count) {
  *sockets = (jh_hub_sockets){.count = 0};
  if (worker_count < 2) return 0;
  sockets->ends = jh_alloc(2 * sizeof *sockets->ends * worker_count);
  for (uint32_t i = 0; i < worker_count; i++) {
    int *ends = &sockets->ends[(size_t)2 * i], bytes = SOCKET_BYTES;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
      int error = -errno;
      jh_hub_sockets_close(sockets);
      return error;
    }
    sockets->count = i + 1;
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
  return 0;
}

void jh_hub_sockets_close(jh_hub_sockets *sockets) {
  for (uint32_t i = 0; i < 2 * sockets->count; i++) close(sockets->ends[i]);
  jh_free(sockets->ends);
  *sockets = (jh_hub_sockets){.count = 0};
}

/* ---- sending ---- */

static void release(piece *piece) {
  if (--piece->references == 0) jh_free(piece);
}

/* True when the peer has it, or never will. */
static bool try_send(const peer *peer, const piece *piece) {
  ssize_t sent = send(peer->fd, piece->bytes, piece->len, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent >= 0 || (errno != EAGAIN && errno != ENOBUFS && errno != EINTR);
}

static void on_writable(uv_poll_t *poll, int status, int events) {
  peer *peer = poll->data;
  (void)events;
  while (peer->first && (status < 0 || try_send(peer, peer->first->piece))) {
    waiting *done = peer->first;
    peer->first = done->next;
    peer->queued_bytes -= done->piece->len;
    release(done->piece);
    jh_free(done);
  }
  if (peer->first) return;
  peer->last = NULL;
  uv_poll_stop(poll);
}

static bool enqueue(jh_hub_peers *peers, peer *peer, piece *piece) {
  if (peer->queued_bytes + piece->len > QUEUE_BYTES_MAX) return false;
  if (!peer->has_handle) {
    if (uv_poll_init(&peers->loop->uv, &peer->poll, peer->fd)) return false;
    peer->poll.data = peer;
    peer->has_handle = true;
  }
  waiting *node = jh_try_alloc(sizeof *node);
  if (!node) return false;
  *node = (waiting){.piece = piece};
  piece->references++;
  peer->queued_bytes += piece->len;
  if (peer->last) {
    peer->last->next = node;
  } else {
    peer->first = node;
    uv_poll_start(&peer->poll, UV_WRITABLE, on_writable);
  }
  peer->last = node;
  return true;
}

static void send_piece(jh_hub_peers *peers, piece *piece) {
  for (uint32_t i = 0; i < peers->count; i++) {
    peer *peer = &peers->peers[i];
    if (i == peers->slot || (!peer->first && try_send(peer, piece))) continue;
    if (enqueue(peers, peer, piece)) continue;
    jh_log_limited(peers->loop->log, &peers->gate, JH_LOG_WARN,
                   "a published message is lost to worker %u: it does not read", i);
  }
}

/* Bytes of topic and data from an offset on. */
static void copy_part(const jh_hub_message *message, uint32_t offset, char *out, size_t bytes) {
  size_t topic = message->topic.len;
  size_t of_topic = offset < topic ? topic - offset : 0;
  if (of_topic > bytes) of_topic = bytes;
  if (of_topic) memcpy(out, message->topic.ptr + offset, of_topic);
  if (bytes == of_topic) return;
  memcpy(out + of_topic, message->data.ptr + (offset + of_topic - topic), bytes - of_topic);
}

static void publish(jh_hub_bridge *bridge, const jh_hub_message *message) {
  jh_hub_peers *peers = (jh_hub_peers *)bridge;
  size_t total = message->topic.len + message->data.len;
  if (total > MESSAGE_BYTES_MAX) {
    jh_log_limited(peers->loop->log, &peers->gate, JH_LOG_WARN,
                   "a published message of %zu bytes is too long for other workers", total);
    return;
  }
  piece_head head = {.slot = peers->slot,
                     .topic_bytes = (uint32_t)message->topic.len,
                     .total_bytes = (uint32_t)total,
                     .number = ++peers->number,
                     .kind = message->kind};
  for (; head.offset < total; head.offset += PIECE_BYTES) {
    size_t bytes = total - head.offset < PIECE_BYTES ? total - head.offset : PIECE_BYTES;
    piece *piece = jh_try_alloc(sizeof *piece + sizeof head + bytes);
    if (!piece) return;
    piece->references = 1;
    piece->len = (uint32_t)(sizeof head + bytes);
    memcpy(piece->bytes, &head, sizeof head);
    copy_part(message, head.offset, piece->bytes + sizeof head, bytes);
    send_piece(peers, piece);
    release(piece);
  }
}

/* ---- receiving ---- */

static void deliver(jh_hub_peers *peers, const piece_head *head, const char *bytes) {
  jh_hub_message message = {
      .topic = {bytes, head->topic_bytes},
      .data = {bytes + head->topic_bytes, head->total_bytes - head->topic_bytes},
      .kind = (uint8_t)head->kind};
  jh_hub_deliver(peers->loop->hub, &message, NULL);
}

static void forget_message(peer *peer) {
  jh_free(peer->message);
  peer->message = NULL;
}

/* A part of a message that is longer than a piece. Pieces that were lost take the message along. */
static void gather(jh_hub_peers *peers, const piece_head *head, const char *bytes, size_t len) {
  peer *from = &peers->peers[head->slot];
  if (head->offset == 0) {
    forget_message(from);
    from->message = jh_try_alloc(head->total_bytes);
    from->have = 0;
    from->number = head->number;
  }
  bool is_next = from->message && from->number == head->number && from->have == head->offset &&
                 len <= head->total_bytes - from->have;
  if (!is_next) return;
  memcpy(from->message + from->have, bytes, len);
  from->have += (uint32_t)len;
  if (from->have < head->total_bytes) return;
  deliver(peers, head, from->message);
  forget_message(from);
}

static void receive(jh_hub_peers *peers, size_t count) {
  piece_head head;
  if (count < sizeof head) return;
  memcpy(&head, peers->input, sizeof head);
  size_t len = count - sizeof head;
  const char *bytes = peers->input + sizeof head;
  if (head.slot >= peers->count || head.topic_bytes > head.total_bytes) return;
  if (len == head.total_bytes) {
    deliver(peers, &head, bytes);
  } else {
    gather(peers, &head, bytes, len);
  }
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  jh_hub_peers *peers = poll->data;
  (void)events;
  for (int i = 0; i < READS_PER_WAKE && status == 0; i++) {
    ssize_t count = recv(peers->read_fd, peers->input, sizeof peers->input, MSG_DONTWAIT);
    if (count < 0) return;
    receive(peers, (size_t)count);
  }
}

/* ---- life ---- */

jh_hub_peers *jh_hub_peers_try_open(jh_loop *loop, const jh_hub_sockets *sockets, uint32_t slot) {
  if (sockets->count < 2) return NULL;
  jh_hub_peers *peers = jh_try_calloc(1, sizeof *peers + sockets->count * sizeof(peer));
  if (!peers) return NULL;
  peers->loop = loop;
  peers->slot = slot;
  peers->count = sockets->count;
  for (uint32_t i = 0; i < sockets->count; i++) {
    const int *ends = &sockets->ends[(size_t)2 * i];
    peers->peers[i].fd = ends[1];
    if (i == slot) {
      peers->read_fd = ends[0];
    } else {
      close(ends[0]);
    }
  }
  peers->bridge.publish = publish;
  if (uv_poll_init(&loop->uv, &peers->reader, peers->read_fd)) {
    jh_free(peers);
    return NULL;
  }
  peers->reader.data = peers;
  uv_poll_start(&peers->reader, UV_READABLE, on_readable);
  loop->hub->bridge = &peers->bridge;
  return peers;
}

void jh_hub_peers_close(jh_hub_peers *peers) {
  if (!peers) return;
  peers->loop->hub->bridge = NULL;
  uv_close((uv_handle_t *)&peers->reader, NULL);
  for (uint32_t i = 0; i < peers->count; i++) {
    peer *peer = &peers->peers[i];
    if (peer->has_handle) uv_close((uv_handle_t *)&peer->poll, NULL);
  }
}

void jh_hub_peers_free(jh_hub_peers *peers) {
  if (!peers) return;
  for (uint32_t i = 0; i < peers->count; i++) {
    peer *peer = &peers->peers[i];
    while (peer->first) {
      waiting *node = peer->first;
      peer->first = node->next;
      release(node->piece);
      jh_free(node);
    }
    forget_message(peer);
    close(peer->fd);
  }
  close(peers->read_fd);
  jh_free(peers);
}
