/* The floor of the bench: the least work a server on epoll can do for a request.
 *
 * It parses nothing. It counts "\r\n\r\n" in what it reads and writes that many canned answers
 * with one write. Per request on a warm connection it makes one read and one write; a new
 * connection adds one accept4 and, unless it is answered and closed at once, one epoll_ctl.
 * spec/bench/run starts it beside justhttp, and every ratio in the bench's table is against it,
 * so its answers must have as many bytes as justhttp's: status line, Server, Date, Content-Type,
 * Content-Length and the same body.
 *
 * Usage: floor [--json] [--close] [--defer] [--port N]
 *   --json   the JSON answer instead of the text one
 *   --close  say "Connection: close" and close after the answer
 *   --defer  TCP_DEFER_ACCEPT: a connection is accepted when its request is there
 * Prints "listening on http://127.0.0.1:PORT" and runs until a signal ends it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  FD_MAX = 65536,      /* the last bytes of a connection's input are kept by descriptor */
  CARRY_BYTES = 3,     /* "\r\n\r\n" may begin at most this far before a read */
  READ_BYTES = 16384,  /* as much as justhttp reads at once */
  ANSWER_COUNT = 1024, /* canned answers side by side, more than one read can ask for */
  ANSWER_BYTES = 512
};

static char carried[FD_MAX][CARRY_BYTES];
static char input[CARRY_BYTES + READ_BYTES];
static char answers[ANSWER_COUNT * ANSWER_BYTES];
static size_t answer_bytes;
static bool closes;
static int poll_fd;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void prepare_answers(bool json) {
  const char *body = json ? "{\"message\":\"Hello, World!\"}" : "Hello, World!";
  const char *type = json ? "application/json" : "text/plain; charset=utf-8";
  time_t now = time(NULL);
  struct tm tm;
  char date[40];
  gmtime_r(&now, &tm);
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
  int len = snprintf(answers, ANSWER_BYTES,
                     "HTTP/1.1 200 OK\r\nServer: justhttp\r\nDate: %s\r\nContent-Type: %s\r\n"
                     "Content-Length: %zu\r\n%s\r\n%s",
                     date, type, strlen(body), closes ? "Connection: close\r\n" : "", body);
  answer_bytes = (size_t)len;
  for (size_t i = 1; i < ANSWER_COUNT; i++)
    memcpy(answers + i * answer_bytes, answers, answer_bytes);
}

/* A window of four bytes per byte read, the carried bytes in front: the compiler vectorises it. */
static size_t count_ends(const char *bytes, size_t windows) {
  size_t count = 0;
  while (windows > 0) {
    uint8_t part = 0; /* at most 255 / 4 ends in 255 windows, so it cannot overflow */
    size_t step = windows < 255 ? windows : 255;
    for (size_t i = 0; i < step; i++)
      part += (uint8_t)((bytes[i] == '\r') & (bytes[i + 1] == '\n') & (bytes[i + 2] == '\r') &
                        (bytes[i + 3] == '\n'));
    count += part;
    bytes += step;
    windows -= step;
  }
  return count;
}

/* Returns whether the connection is still open; false after closing it. `waits` tells the caller
 * that nothing was there to read. */
static bool serve(int fd, bool *waits) {
  memcpy(input, carried[fd], CARRY_BYTES);
  ssize_t got = read(fd, input + CARRY_BYTES, READ_BYTES);
  *waits = got < 0 && errno == EAGAIN;
  if (*waits) return true;
  if (got <= 0) {
    close(fd);
    return false;
  }
  memcpy(carried[fd], input + got, CARRY_BYTES);
  size_t count = count_ends(input, (size_t)got);
  if (count == 0) return true;
  size_t bytes = (closes ? 1 : count) * answer_bytes;
  if (write(fd, answers, bytes) == (ssize_t)bytes && !closes) return true;
  close(fd);
  return false;
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (fd >= FD_MAX) {
      close(fd);
      continue;
    }
    bool waits;
    memset(carried[fd], 0, CARRY_BYTES);
    if (!serve(fd, &waits)) continue;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event)) close(fd);
  }
}

static int listen_on(int port, bool defer) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  socklen_t address_bytes = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one)) fail("socket");
  /* Accepted sockets inherit this, which spares a call per connection. */
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)) fail("TCP_NODELAY");
  if (defer && setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one))
    fail("TCP_DEFER_ACCEPT");
  if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1024) ||
      getsockname(fd, (struct sockaddr *)&address, &address_bytes))
    fail("listen");
  printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char **argv) {
  bool json = false, defer = false;
  int port = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--json"))
      json = true;
    else if (!strcmp(argv[i], "--close"))
      closes = true;
    else if (!strcmp(argv[i], "--defer"))
      defer = true;
    else if (!strcmp(argv[i], "--port") && i + 1 < argc)
      port = (int)strtol(argv[++i], NULL, 10);
    else {
      fprintf(stderr, "usage: floor [--json] [--close] [--defer] [--port N]\n");
      return 2;
    }
  }
  prepare_answers(json);
  int listener = listen_on(port, defer);
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
  if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event)) fail("epoll");
  for (;;) {
    int count = epoll_wait(poll_fd, events, 256, -1);
    for (int i = 0; i < count; i++) {
      bool waits;
      if (events[i].data.fd == listener)
        accept_all(listener);
      else
        serve(events[i].data.fd, &waits);
    }
  }
}
