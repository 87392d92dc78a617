/* socket.c: what a round trip over a connection costs at least: an echo server, and a client on
 * epoll that sends a line and waits for it, on so many connections at once.
 *
 *   socket server                            prints "listening on http://127.0.0.1:PORT"
 *   socket client PORT CONNECTIONS ROUNDS    prints "socket N", N being ns of CPU per round trip
 *
 * socket.lua is the same client on http.socket. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 100, EVENTS_MAX = 256, CONNECTIONS_MAX = 4096, WARM_ROUNDS = 1000 };

static char line[LINE_BYTES], input[65536];
static int left[CONNECTIONS_MAX * 2]; /* round trips, by descriptor */

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void watch(int poll_fd, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static void serve(void) {
  int one = 1, poll_fd = epoll_create1(0);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t bytes = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, bytes) || listen(listener, 1024) ||
      getsockname(listener, (struct sockaddr *)&address, &bytes))
    fail("listen");
  printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  watch(poll_fd, listener);
  for (;;) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(poll_fd, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (accepted >= 0) watch(poll_fd, accepted);
        continue;
      }
      ssize_t got = read(fd, input, sizeof input);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0 || write(fd, input, (size_t)got) != got) close(fd);
    }
  }
}

static void send_line(int fd) {
  if (send(fd, line, LINE_BYTES, MSG_NOSIGNAL) != LINE_BYTES) fail("send");
}

/* Every connection makes so many round trips. */
static void run(int poll_fd, const int *fds, int connections, int rounds) {
  int running = connections;
  for (int i = 0; i < connections; i++) {
    left[fds[i]] = rounds;
    send_line(fds[i]);
  }
  while (running > 0) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(poll_fd, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (recv(fd, input, sizeof input, 0) != LINE_BYTES) fail("recv");
      if (--left[fd] > 0) {
        send_line(fd);
      } else {
        running--;
      }
    }
  }
}

static void measure(int port, int connections, int rounds) {
  int fds[CONNECTIONS_MAX], one = 1, poll_fd = epoll_create1(0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  memset(line, 'x', sizeof line);
  line[LINE_BYTES - 1] = '\n';
  for (int i = 0; i < connections; i++) {
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fds[i], (struct sockaddr *)&address, sizeof address)) fail("connect");
    watch(poll_fd, fds[i]);
  }
  run(poll_fd, fds, connections, WARM_ROUNDS);
  clock_t before = clock();
  run(poll_fd, fds, connections, rounds);
  double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
  printf("socket %.0f\n", seconds * 1e9 / ((double)rounds * connections));
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "server") == 0) serve();
  int connections = argc == 5 ? (int)strtol(argv[3], NULL, 10) : 0;
  if (connections < 1 || connections > CONNECTIONS_MAX || strcmp(argv[1], "client") != 0) {
    fprintf(stderr, "usage: socket server | socket client PORT CONNECTIONS ROUNDS\n");
    return 2;
  }
  measure((int)strtol(argv[2], NULL, 10), connections, (int)strtol(argv[4], NULL, 10));
  return 0;
}
