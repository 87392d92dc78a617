/* WebSockets for the bench: a floor, a load of echoes, and connections that stay silent.
 *
 * Usage: websocket floor [COUNT]                   answers frames; says which port it listens on
 *        websocket echo PORT CONNECTIONS SECONDS PATH
 *        websocket idle PORT CONNECTIONS PATH      waits for the end of its stdin
 *
 * A message has 125 bytes, which is 131 as a client's frame and 127 as a server's. Every connection
 * of the load has one message on its way. The floor is what any server that echoes has to do: one
 * read and one write per wake-up, and nothing is parsed: it writes as many canned frames as it read
 * whole ones. With COUNT it takes that many connections and then, for every further one, writes one
 * frame to each of them and answers it as HTTP: the floor of publishing.
 * The echo prints a line as load.c's; the idle load prints "ready". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
  FD_MAX = 65536,
  PER_ADDRESS_COUNT = 1000,
  PAYLOAD_BYTES = 125,
  CLIENT_BYTES = PAYLOAD_BYTES + 6,
  SERVER_BYTES = PAYLOAD_BYTES + 2,
  ANSWER_COUNT = 256,
  STAY_MS = 120000
};

static uint16_t pending[FD_MAX]; /* bytes of a frame that came, or are still to come */
static char input[32768], frames[ANSWER_COUNT * SERVER_BYTES], message[CLIENT_BYTES];
static int poll_fd;

static void fail(const char *what) {
  fprintf(stderr, "websocket: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

/* ---- the floor ---- */

static int listen_on(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t address_bytes = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
      bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1024) ||
      getsockname(fd, (struct sockaddr *)&address, &address_bytes))
    fail("listen");
  printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static void shake_hands(int fd) {
  static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  if (write(fd, answer, sizeof answer - 1) != sizeof answer - 1) fail("write");
}

static void serve(int fd) {
  ssize_t got = read(fd, input, sizeof input);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    pending[fd] = 0;
    close(fd);
    return;
  }
  if (input[0] == 'G') {
    shake_hands(fd);
    return;
  }
  size_t bytes = pending[fd] + (size_t)got, count = bytes / CLIENT_BYTES;
  pending[fd] = (uint16_t)(bytes % CLIENT_BYTES);
  if (count > ANSWER_COUNT) count = ANSWER_COUNT;
  if (count > 0 && write(fd, frames, count * SERVER_BYTES) < 0) fail("write");
}

/* One write(2) to everybody, for whoever asks. */
static void publish(const int *fds, long count, int asker) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
  for (long i = 0; i < count; i++) {
    if (write(fds[i], frames, SERVER_BYTES) != SERVER_BYTES) fail("write");
  }
  struct pollfd request = {.fd = asker, .events = POLLIN};
  poll(&request, 1, 1000);
  if (read(asker, input, sizeof input) < 0) fail("read");
  if (write(asker, answer, sizeof answer - 1) < 0) fail("write");
  close(asker);
}

static int run_floor(long audience) {
  int listener = listen_on();
  long count = 0;
  int *fds = calloc(FD_MAX, sizeof *fds);
  for (int i = 0; i < ANSWER_COUNT; i++) {
    char *frame = frames + i * SERVER_BYTES;
    frame[0] = (char)0x81;
    frame[1] = PAYLOAD_BYTES;
    memset(frame + 2, 'x', PAYLOAD_BYTES);
  }
  watch(listener);
  for (;;) {
    struct epoll_event events[256];
    int ready = epoll_wait(poll_fd, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd != listener) {
        serve(fd);
        continue;
      }
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= FD_MAX) return 1;
        if (audience > 0 && count == audience) {
          publish(fds, count, fd);
          continue;
        }
        watch(fd);
        fds[count++] = fd;
      }
    }
  }
}

/* ---- the load ---- */

static int connect_from(long number, int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct timeval silence = {.tv_sec = 10};
  struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number / PER_ADDRESS_COUNT));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons((uint16_t)port);
  if (fd < 0 || fd >= FD_MAX || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
      setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) ||
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) ||
      bind(fd, (struct sockaddr *)&from, sizeof from) ||
      connect(fd, (struct sockaddr *)&to, sizeof to))
    fail("connect");
  return fd;
}

static int open_websocket(long number, int port, const char *path) {
  char request[1024];
  int fd = connect_from(number, port);
  int len = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                     path, port);
  if (write(fd, request, (size_t)len) != len) fail("write");
  size_t have = 0;
  for (;;) {
    ssize_t got = read(fd, input + have, sizeof input - 1 - have);
    if (got <= 0) fail("handshake");
    have += (size_t)got;
    input[have] = 0;
    if (strstr(input, "\r\n\r\n")) break;
  }
  if (strncmp(input, "HTTP/1.1 101", 12) != 0) fail("not 101");
  return fd;
}

static unsigned long message_count;

static void send_message(int fd) {
  pending[fd] = SERVER_BYTES;
  if (write(fd, message, CLIENT_BYTES) != CLIENT_BYTES) fail("write");
}

static void receive(int fd) {
  ssize_t got = read(fd, input, sizeof input);
  if (got <= 0 || got > pending[fd]) fail("echo");
  pending[fd] = (uint16_t)(pending[fd] - got);
  if (pending[fd] > 0) return;
  message_count++;
  send_message(fd);
}

static void make_message(void) {
  static const char mask[4] = {0x37, 0x7a, 0x21, 0x3d};
  message[0] = (char)0x81;
  message[1] = (char)(0x80 | PAYLOAD_BYTES);
  memcpy(message + 2, mask, 4);
  for (int i = 0; i < PAYLOAD_BYTES; i++) message[6 + i] = (char)('x' ^ mask[i % 4]);
}

static int run_echo(int port, long count, long seconds, const char *path) {
  int *fds = calloc((size_t)count, sizeof *fds);
  make_message();
  for (long i = 0; i < count; i++) {
    fds[i] = open_websocket(i, port, path);
    watch(fds[i]);
  }
  uint64_t started = now_us(), ended = started;
  for (long i = 0; i < count; i++) send_message(fds[i]);
  while (ended < started + (uint64_t)seconds * 1000000) {
    struct epoll_event events[256];
    int ready = epoll_wait(poll_fd, events, 256, 1000);
    if (ready <= 0) fail("no echo");
    for (int i = 0; i < ready; i++) receive(events[i].data.fd);
    ended = now_us();
  }
  printf("bench requests=%lu duration_us=%llu errors=0\n", message_count,
         (unsigned long long)(ended - started));
  return 0;
}

static int run_idle(int port, long count, const char *path) {
  for (long i = 0; i < count; i++) open_websocket(i, port, path);
  printf("ready %ld\n", count);
  fflush(stdout);
  struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
  poll(&end, 1, STAY_MS);
  return 0;
}

int main(int argc, char **argv) {
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (argc >= 2 && !strcmp(argv[1], "floor")) {
    return run_floor(argc > 2 ? strtol(argv[2], NULL, 10) : 0);
  }
  if (argc == 6 && !strcmp(argv[1], "echo")) {
    return run_echo((int)strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10),
                    strtol(argv[4], NULL, 10), argv[5]);
  }
  if (argc == 5 && !strcmp(argv[1], "idle")) {
    return run_idle((int)strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10), argv[4]);
  }
  fprintf(stderr, "usage: websocket floor [COUNT] | echo PORT CONNECTIONS SECONDS PATH | "
                  "idle PORT CONNECTIONS PATH\n");
  return 2;
}
