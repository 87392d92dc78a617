/* upload.c: uploads a file of any size in a form, and waits for the answer.
 *
 *   upload PORT PATH MEGABYTES known|chunked
 *
 * The content is random and the same 256 KiB over and over, so that this side costs little. Prints
 * the answer. Exit code 1 when something went wrong on the way. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE_BYTES = 262144 };

#define BOUNDARY "----bench7MA4YWxkTrZu0gW"

static const char part_head[] =
    "--" BOUNDARY "\r\n"
    "Content-Disposition: form-data; name=\"file\"; filename=\"large.bin\"\r\n"
    "Content-Type: application/octet-stream\r\n\r\n";
static const char part_tail[] = "\r\n--" BOUNDARY "--\r\n";

static int server;
static bool is_chunked;

static void send_all(const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t count = send(server, bytes, len, MSG_NOSIGNAL);
    if (count <= 0) {
      perror("send");
      exit(1);
    }
    bytes += count;
    len -= (size_t)count;
  }
}

static void send_body(const char *bytes, size_t len) {
  char size[24];
  if (is_chunked) send_all(size, (size_t)snprintf(size, sizeof size, "%zx\r\n", len));
  send_all(bytes, len);
  if (is_chunked) send_all("\r\n", 2);
}

static void connect_to(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server = socket(AF_INET, SOCK_STREAM, 0);
  if (server < 0 || connect(server, (struct sockaddr *)&address, sizeof address) < 0) {
    perror("connect");
    exit(1);
  }
}

static void send_head(const char *path, unsigned long long body_bytes) {
  char head[1024], framing[64];
  snprintf(framing, sizeof framing, "Content-Length: %llu", body_bytes);
  int len = snprintf(head, sizeof head,
                     "POST %s HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n"
                     "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n%s\r\n\r\n",
                     path, is_chunked ? "Transfer-Encoding: chunked" : framing);
  send_all(head, (size_t)len);
}

int main(int argc, char **argv) {
  static char piece[PIECE_BYTES];
  if (argc != 5) {
    fprintf(stderr, "usage: upload PORT PATH MEGABYTES known|chunked\n");
    return 2;
  }
  unsigned long long left = strtoull(argv[3], NULL, 10) * 1000000;
  is_chunked = strcmp(argv[4], "chunked") == 0;
  for (size_t i = 0; i < sizeof piece; i++) piece[i] = (char)rand();
  connect_to(atoi(argv[1]));
  send_head(argv[2], left + sizeof part_head - 1 + sizeof part_tail - 1);
  send_body(part_head, sizeof part_head - 1);
  while (left > 0) {
    size_t len = left < sizeof piece ? (size_t)left : sizeof piece;
    send_body(piece, len);
    left -= len;
  }
  send_body(part_tail, sizeof part_tail - 1);
  if (is_chunked) send_all("0\r\n\r\n", 5);
  ssize_t count;
  while ((count = recv(server, piece, sizeof piece, 0)) > 0)
    fwrite(piece, 1, (size_t)count, stdout);
  close(server);
  return count < 0;
}
