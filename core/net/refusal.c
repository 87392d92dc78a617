/* refusal.c: the texts of refusals. */
#include "net/refusal.h"

#include <string.h>
#include <sys/socket.h>

#define TEXT(status, length, message)           \
  "HTTP/1.1 " status "\r\n"                     \
  "Content-Type: text/plain; charset=utf-8\r\n" \
  "Content-Length: " length "\r\n"              \
  "Connection: close\r\n" message

#define END "\r\n"
#define RETRY "Retry-After: 1\r\n" END

static const char *const texts[] = {
    [JH_REFUSAL_MAX_CONNECTIONS] = TEXT("503 Service Unavailable", "46",
                                        RETRY "503 Service Unavailable: too many connections\n"),
    [JH_REFUSAL_MAX_CONNS_PER_IP] = TEXT("429 Too Many Requests", "62",
                                         RETRY "429 Too Many Requests: too many connections from "
                                               "your address\n"),
    [JH_REFUSAL_PLAIN_HTTP] = TEXT("400 Bad Request", "91",
                                   END "400 Bad Request: this port speaks TLS; write https:// "
                                       "in front of its address, not http://\n"),
};

const char *jh_refusal_text(jh_refusal refusal) {
  return texts[refusal];
}

void jh_refusal_send(int fd, jh_refusal refusal) {
  char scrap[4096];
  ssize_t sent = send(fd, texts[refusal], strlen(texts[refusal]), MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)sent;
  while (recv(fd, scrap, sizeof scrap, MSG_DONTWAIT) > 0) {
  }
}
