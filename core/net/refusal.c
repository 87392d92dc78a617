/* refusal.c: the texts of refusals. */
#include "net/refusal.h"

#include <string.h>
#include <sys/socket.h>

#define TEXT(status, length, message)           \
  "HTTP/1.1 " status "\r\n"                     \
  "Content-Type: text/plain; charset=utf-8\r\n" \
  "Content-Length: " length "\r\n"              \
  "Retry-After: 1\r\n"                          \
  "Connection: close\r\n\r\n" message

static const char *const texts[] = {
    [JH_REFUSAL_MAX_CONNECTIONS] =
        TEXT("503 Service Unavailable", "46", "503 Service Unavailable: too many connections\n"),
    [JH_REFUSAL_MAX_CONNS_PER_IP] = TEXT("429 Too Many Requests", "62",
                                         "429 Too Many Requests: too many connections from your "
                                         "address\n"),
};

void jh_refusal_send(int fd, jh_refusal refusal) {
  char scrap[4096];
  ssize_t sent = send(fd, texts[refusal], strlen(texts[refusal]), MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)sent;
  while (recv(fd, scrap, sizeof scrap, MSG_DONTWAIT) > 0) {
  }
}
