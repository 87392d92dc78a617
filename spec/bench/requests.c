/* A small deterministic client: one connection, a fixed number of requests, then it ends.
 *
 * spec/bench/run uses it where wrk's rate would be in the way: to see a server's answer once, to
 * warm a server up, and to count instructions, where two runs must differ in nothing but the
 * number of requests. DEPTH requests go out in one write, and the next ones only when every
 * answer of the batch has been read. Every answer must be as long as the first.
 *
 * Usage: requests PORT COUNT DEPTH PATH [HEADERS]
 *   HEADERS  more header lines for every request, each ending in \r\n; with "Connection: close"
 *            the server must close after the first answer
 * With COUNT 1 it prints the answer, of a large one the beginning; otherwise nothing. Exits 1 with
 * a line on stderr when something is wrong, or when nothing came for 30 seconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, REQUEST_BYTES = 4096, SILENCE_S = 30 };

static char output[DEPTH_MAX * REQUEST_BYTES];
static char input[65536];

static void fail(const char *what) {
  fprintf(stderr, "requests: %s: %s\n", what, errno ? strerror(errno) : "unexpected answer");
  exit(1);
}

static int connect_to(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  struct timeval silence = {.tv_sec = SILENCE_S};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) ||
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence) ||
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
      connect(fd, (struct sockaddr *)&address, sizeof address))
    fail("connect");
  return fd;
}

static size_t read_some(int fd, char *to, size_t bytes) {
  ssize_t got = read(fd, to, bytes);
  if (got < 0) fail("read");
  if (got == 0) {
    errno = ECONNRESET;
    fail("closed early");
  }
  return (size_t)got;
}

/* Reads what of an answer does not fit into the input buffer. */
static void skip(int fd, size_t bytes) {
  static char scrap[65536];
  while (bytes > 0) bytes -= read_some(fd, scrap, bytes < sizeof scrap ? bytes : sizeof scrap);
}

/* Reads the first answer and returns its length in bytes; *kept of them are in the buffer. */
static size_t read_first(int fd, size_t *kept) {
  size_t have = 0;
  for (;;) {
    have += read_some(fd, input + have, sizeof input - 1 - have);
    input[have] = 0;
    char *end = strstr(input, "\r\n\r\n");
    if (!end) continue;
    char *length = strcasestr(input, "\r\nContent-Length:");
    if (!length || length > end) fail("no Content-Length in the answer");
    size_t bytes = (size_t)(end + 4 - input) + strtoul(length + 17, NULL, 10);
    *kept = have;
    if (have == bytes) return bytes;
    if (have > bytes) fail("more bytes than one answer");
    if (have < sizeof input - 1) continue;
    skip(fd, bytes - have);
    return bytes;
  }
}

static void send_all(int fd, size_t bytes) {
  for (size_t sent = 0; sent < bytes;) {
    ssize_t now = write(fd, output + sent, bytes - sent);
    if (now < 0) fail("write");
    sent += (size_t)now;
  }
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: requests PORT COUNT DEPTH PATH [HEADERS]\n");
    return 2;
  }
  int port = (int)strtol(argv[1], NULL, 10);
  unsigned long count = strtoul(argv[2], NULL, 10), depth = strtoul(argv[3], NULL, 10);
  if (count < 1 || depth < 1 || depth > DEPTH_MAX) return 2;
  int request = snprintf(output, REQUEST_BYTES, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n",
                         argv[4], port, argc > 5 ? argv[5] : "");
  if (request >= REQUEST_BYTES) return 2;
  size_t request_bytes = (size_t)request;
  for (unsigned long i = 1; i < depth; i++)
    memcpy(output + i * request_bytes, output, request_bytes);

  int fd = connect_to(port);
  send_all(fd, request_bytes);
  size_t kept = 0, answer_bytes = read_first(fd, &kept);
  if (count == 1) fwrite(input, 1, kept, stdout);
  if (argc > 5 && strcasestr(argv[5], "Connection: close") && read(fd, input, 1) != 0)
    fail("the connection was not closed");
  for (unsigned long left = count - 1; left > 0;) {
    unsigned long batch = left < depth ? left : depth;
    send_all(fd, batch * request_bytes);
    for (size_t awaited = batch * answer_bytes; awaited > 0;) {
      size_t got = read_some(fd, input, sizeof input);
      errno = 0;
      if (got > awaited) fail("answers differ in length");
      awaited -= got;
    }
    left -= batch;
  }
  close(fd);
  return 0;
}
