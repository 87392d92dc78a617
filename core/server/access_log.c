/* access_log.c: a buffer in front of a descriptor.
 *
 * A full buffer is written at once; lines the kernel does not take are lost rather than waited for,
 * because a stuck log reader must not stop a server. */
#include "server/access_log.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

void jh_access_log_init(jh_access_log_buffer *log, int fd) {
  *log = (jh_access_log_buffer){.fd = fd};
}

void jh_access_log_deinit(jh_access_log_buffer *log) {
  jh_access_log_flush(log);
  jh_free(log->data);
  log->data = NULL;
}

void jh_access_log_append(jh_access_log_buffer *log, const char *line, size_t len) {
  if (log->fd < 0) return;
  if (!log->data) log->data = jh_try_alloc(JH_ACCESS_LOG_BYTES);
  if (!log->data) return;
  if (len > JH_ACCESS_LOG_BYTES - 1) len = JH_ACCESS_LOG_BYTES - 1;
  if (log->len + len + 1 > JH_ACCESS_LOG_BYTES) jh_access_log_flush(log);
  char *out = log->data + log->len;
  for (size_t i = 0; i < len; i++) {
    unsigned char byte = (unsigned char)line[i];
    /* ESC stays for the coloured format of a terminal; a client's bytes are escaped before. */
    out[i] = byte < 0x20 && byte != 0x1b ? '?' : line[i];
  }
  out[len] = '\n';
  log->len += len + 1;
}

void jh_access_log_flush(jh_access_log_buffer *log) {
  size_t done = 0;
  while (done < log->len) {
    ssize_t written = write(log->fd, log->data + done, log->len - done);
    if (written <= 0) break;
    done += (size_t)written;
  }
  log->len = 0;
}
