/* Opens many keep-alive connections, makes one request on each, and keeps them all open; then asks
 * on all of them in turn.
 *
 * spec/bench/run reads the server's resident memory before and after the first part, which gives
 * the bytes that an idle connection costs, and its CPU time around the second: what a request costs
 * on a connection that was idle for long. The connections come from several source addresses
 * (127.0.0.1, 127.0.0.2, …; 1,000 from each), so that a limit per address or the range of
 * ephemeral ports is not in the way. One request is in flight at a time: the growth is that of
 * idle connections, not that of buffers for requests in flight. In the second part there are 64.
 *
 * Usage: idle PORT COUNT PATH SWEEPS
 * Prints "ready COUNT" once every connection was answered, and waits for the end of its stdin; then
 * makes SWEEPS requests on each connection, prints "swept REQUESTS" and waits to be ended. Exits 1
 * with a line on stderr when a connection fails, or after 60 seconds of waiting. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PER_ADDRESS_COUNT = 1000, SILENCE_S = 10, STAY_MS = 60000, IN_FLIGHT_COUNT = 64 };

static int fail(const char *what, long number) {
  fprintf(stderr, "idle: connection %ld: %s: %s\n", number, what, strerror(errno));
  return 1;
}

static int connect_from(long number, int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  struct timeval silence = {.tv_sec = SILENCE_S};
  struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number / PER_ADDRESS_COUNT));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons((uint16_t)port);
  if (fd < 0) return -1;
  /* The port is chosen at connect, when the whole address pair is known. */
  if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) ||
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) ||
      bind(fd, (struct sockaddr *)&from, sizeof from) ||
      connect(fd, (struct sockaddr *)&to, sizeof to)) {
    close(fd);
    return -1;
  }
  return fd;
}

/* Reads until the body is there: the bench's answers are small and carry Content-Length. */
static int read_answer(int fd) {
  char input[4096];
  size_t have = 0;
  while (have < sizeof input - 1) {
    ssize_t got = read(fd, input + have, sizeof input - 1 - have);
    if (got <= 0) {
      errno = got == 0 ? ECONNRESET : errno;
      return -1;
    }
    have += (size_t)got;
    input[have] = 0;
    char *end = strstr(input, "\r\n\r\n");
    char *length = strcasestr(input, "\r\nContent-Length:");
    if (end && strncmp(input, "HTTP/1.1 200", 12) == 0 && length &&
        have >= (size_t)(end + 4 - input) + strtoul(length + 17, NULL, 10))
      return 0;
  }
  errno = EPROTO;
  return -1;
}

/* One request on each connection, with a window of them in flight. */
static int sweep(const int *fds, long count, const char *request, size_t bytes) {
  for (long i = 0; i < count + IN_FLIGHT_COUNT; i++) {
    long answered = i - IN_FLIGHT_COUNT;
    if (answered >= 0 && read_answer(fds[answered])) return fail("answer", answered);
    if (i < count && write(fds[i], request, bytes) != (ssize_t)bytes) return fail("write", i);
  }
  return 0;
}

static void stay(int fd) {
  struct pollfd input = {.fd = fd, .events = POLLIN};
  fflush(stdout);
  poll(&input, 1, STAY_MS);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: idle PORT COUNT PATH SWEEPS\n");
    return 2;
  }
  int port = (int)strtol(argv[1], NULL, 10);
  long count = strtol(argv[2], NULL, 10), sweeps = strtol(argv[4], NULL, 10);
  char request[1024];
  int bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                       argv[3], port);
  int *fds = count > 0 ? calloc((size_t)count, sizeof *fds) : NULL;
  if (!fds || bytes >= (int)sizeof request) return 2;
  for (long i = 0; i < count; i++) {
    fds[i] = connect_from(i, port);
    if (fds[i] < 0) return fail("connect", i);
    if (write(fds[i], request, (size_t)bytes) != bytes) return fail("write", i);
    if (read_answer(fds[i])) return fail("answer", i);
  }
  printf("ready %ld\n", count);
  stay(STDIN_FILENO);
  for (long i = 0; i < sweeps; i++) {
    if (sweep(fds, count, request, (size_t)bytes)) return 1;
  }
  printf("swept %ld\n", sweeps * count);
  stay(-1);
  free(fds);
  return 0;
}
