/* Opens many TLS connections, makes one request on each, and keeps them all open: idle.c over TLS,
 * without its second part.
 *
 * Usage: idle_tls PORT COUNT PATH
 * Prints "ready COUNT" once every connection was answered, and waits for the end of its stdin.
 * Exits 1 with a line on stderr when a connection fails, or after 60 seconds of waiting. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PER_ADDRESS_COUNT = 1000, STAY_MS = 60000 };

static int connect_from(long number, int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number / PER_ADDRESS_COUNT));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons((uint16_t)port);
  if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) ||
      connect(fd, (struct sockaddr *)&to, sizeof to))
    return -1;
  return fd;
}

/* The bench's answers fit into one record. */
static int ask(SSL *ssl, const char *path) {
  char request[512], answer[4096];
  int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
  if (SSL_connect(ssl) != 1 || SSL_write(ssl, request, len) != len) return -1;
  int have = SSL_read(ssl, answer, sizeof answer - 1);
  return have > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0 ? 0 : -1;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int port = atoi(argv[1]);
  long count = atol(argv[2]);
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  for (long i = 0; i < count; i++) {
    SSL *ssl = SSL_new(context);
    int fd = connect_from(i, port);
    if (fd < 0 || !ssl || !SSL_set_fd(ssl, fd) || ask(ssl, argv[3])) {
      fprintf(stderr, "idle_tls: connection %ld failed\n", i);
      return 1;
    }
  }
  printf("ready %ld\n", count);
  fflush(stdout);
  struct pollfd end = {.fd = 0, .events = POLLIN};
  return poll(&end, 1, STAY_MS) == 1 ? 0 : 1;
}
