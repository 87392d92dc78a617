/* Asks for what takes too long, on many connections at once, and measures how late after the
 * deadline the server's answer in its handler's place comes.
 *
 * spec/bench/run uses it for the timeout case. All connections ask at the same moment, so all
 * deadlines pass in the same turn of the server's loop, which is the worst case; the next round
 * begins when all are answered. The time counts from the write of each request.
 *
 * Usage: deadline PORT PATH CONNECTIONS ROUNDS DEADLINE_MS
 * Prints "late_us median=M worst=W", in microseconds after the deadline. Exits 1 with a line on
 * stderr when an answer is not 503, comes before its deadline, or does not come for 10 seconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, SILENCE_MS = 10000 };

static struct pollfd polls[CONNECTIONS_MAX];
static double asked_us[CONNECTIONS_MAX];

static void fail(const char *what) {
  fprintf(stderr, "deadline: %s: %s\n", what, errno ? strerror(errno) : "unexpected answer");
  exit(1);
}

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int connect_to(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
      connect(fd, (struct sockaddr *)&address, sizeof address))
    fail("connect");
  return fd;
}

/* The answers are small: each comes in one piece. */
static void check_answer(int fd) {
  char answer[4096];
  ssize_t bytes = read(fd, answer, sizeof answer - 1);
  if (bytes <= 0) fail("read");
  errno = 0;
  if (bytes < 12 || strncmp(answer, "HTTP/1.1 503", 12) != 0) fail("answer");
}

/* Asks on all connections and waits for all answers. */
static void run_round(int count, const char *request, size_t bytes, double deadline_us,
                      double *late_us) {
  for (int i = 0; i < count; i++) {
    asked_us[i] = now_us();
    if (write(polls[i].fd, request, bytes) != (ssize_t)bytes) fail("write");
  }
  for (int left = count; left > 0;) {
    if (poll(polls, (nfds_t)count, SILENCE_MS) <= 0) fail("no answer");
    double now = now_us();
    for (int i = 0; i < count; i++) {
      if (!(polls[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
      check_answer(polls[i].fd);
      late_us[i] = now - asked_us[i] - deadline_us;
      if (late_us[i] < 0) fail("before the deadline");
      left--;
    }
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: deadline PORT PATH CONNECTIONS ROUNDS DEADLINE_MS\n");
    return 2;
  }
  int port = (int)strtol(argv[1], NULL, 10), count = (int)strtol(argv[3], NULL, 10);
  int rounds = (int)strtol(argv[4], NULL, 10);
  double deadline_us = strtod(argv[5], NULL) * 1000;
  char request[1024];
  int bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                       argv[2], port);
  if (count < 1 || count > CONNECTIONS_MAX || rounds < 1 || bytes >= (int)sizeof request) return 2;
  size_t total = (size_t)count * (size_t)rounds;
  double *late_us = calloc(total, sizeof *late_us);
  if (!late_us) return 1;
  for (int i = 0; i < count; i++)
    polls[i] = (struct pollfd){.fd = connect_to(port), .events = POLLIN};
  for (int i = 0; i < rounds; i++)
    run_round(count, request, (size_t)bytes, deadline_us, late_us + (size_t)i * (size_t)count);
  qsort(late_us, total, sizeof *late_us, compare);
  printf("late_us median=%.0f worst=%.0f\n", late_us[total / 2], late_us[total - 1]);
  free(late_us);
  return 0;
}
