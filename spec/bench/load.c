/* A load generator that costs its core less than the servers cost theirs.
 *
 * wrk parses every answer, which makes it slower than the floor: the floor then waits for wrk and
 * its cost per request grows by the waiting. This one counts bytes: it learns the length of an
 * answer from the first one and takes every further one to be as long. spec/bench/run uses it with
 * --client load; what it prints at the end has the form of load.lua's line.
 *
 * Usage: load PORT CONNECTIONS DEPTH SECONDS PATH [HEADERS]
 * Each connection sends DEPTH requests in one write, and the next ones when all are answered.
 * A connection that fails counts as an error and stays closed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, DEPTH_MAX = 64, REQUEST_BYTES = 4096, SECONDS_MAX = 600 };

typedef struct connection {
  int fd;
  size_t awaited; /* bytes of answers still to come */
} connection;

static connection connections[CONNECTIONS_MAX];
static char output[DEPTH_MAX * REQUEST_BYTES];
static char input[262144];
static size_t batch_bytes, answers_bytes; /* of DEPTH requests, of their answers */
static unsigned long request_count, error_count, depth;

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static int connect_to(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  struct timeval silence = {.tv_sec = 5};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) ||
      connect(fd, (struct sockaddr *)&address, sizeof address))
    fail("connect");
  return fd;
}

/* One request on a connection of its own tells how long an answer is. */
static size_t learn_answer_bytes(int port, size_t request_bytes) {
  int fd = connect_to(port);
  size_t have = 0;
  if (write(fd, output, request_bytes) != (ssize_t)request_bytes) fail("write");
  for (;;) {
    ssize_t got = read(fd, input + have, sizeof input - 1 - have);
    if (got <= 0) fail("no answer");
    have += (size_t)got;
    input[have] = 0;
    char *end = strstr(input, "\r\n\r\n");
    char *length = strcasestr(input, "\r\nContent-Length:");
    if (!end) continue;
    if (!length || length > end) fail("no Content-Length");
    close(fd);
    return (size_t)(end + 4 - input) + strtoul(length + 17, NULL, 10);
  }
}

static void send_batch(connection *conn) {
  conn->awaited = answers_bytes;
  if (write(conn->fd, output, batch_bytes) == (ssize_t)batch_bytes) return;
  close(conn->fd);
  error_count++;
}

static void receive(connection *conn) {
  ssize_t got = read(conn->fd, input, sizeof input);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 || (size_t)got > conn->awaited) {
    close(conn->fd);
    error_count++;
    return;
  }
  conn->awaited -= (size_t)got;
  if (conn->awaited > 0) return;
  request_count += depth;
  send_batch(conn);
}

int main(int argc, char **argv) {
  if (argc < 6) {
    fprintf(stderr, "usage: load PORT CONNECTIONS DEPTH SECONDS PATH [HEADERS]\n");
    return 2;
  }
  int port = (int)strtol(argv[1], NULL, 10);
  unsigned long count = strtoul(argv[2], NULL, 10), seconds = strtoul(argv[4], NULL, 10);
  depth = strtoul(argv[3], NULL, 10);
  int len = snprintf(output, REQUEST_BYTES, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n",
                     argv[5], port, argc > 6 ? argv[6] : "");
  if (count < 1 || count > CONNECTIONS_MAX || depth < 1 || depth > DEPTH_MAX || seconds < 1 ||
      seconds > SECONDS_MAX || len >= REQUEST_BYTES)
    return 2;
  for (unsigned long i = 1; i < depth; i++) memcpy(output + i * (size_t)len, output, (size_t)len);
  batch_bytes = depth * (size_t)len;
  answers_bytes = depth * learn_answer_bytes(port, (size_t)len);

  int poll_fd = epoll_create1(EPOLL_CLOEXEC);
  for (unsigned long i = 0; i < count; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
    connections[i].fd = connect_to(port);
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, connections[i].fd, &event)) fail("epoll_ctl");
  }
  uint64_t started = now_us(), ended = started, deadline = started + seconds * 1000000;
  for (unsigned long i = 0; i < count; i++) send_batch(&connections[i]);
  while (ended < deadline && error_count < count) {
    struct epoll_event events[256];
    int ready = epoll_wait(poll_fd, events, 256, 100);
    for (int i = 0; i < ready; i++) receive(events[i].data.ptr);
    ended = now_us();
  }
  printf("bench requests=%lu duration_us=%llu errors=%lu\n", request_count,
         (unsigned long long)(ended - started), error_count);
  return 0;
}
