/* fd_wait.h: waiting for a descriptor that somebody else owns: http.fd_wait.
 *
 * The descriptor is duplicated and the duplicate watched in an epoll set of its own, whose
 * descriptor is what uv sees: so uv's rule of one handle per descriptor does not matter, the
 * descriptor stays blocking when it was, two tasks may wait for the same one, and its owner may
 * close it at any time. Declared in justhttp.h. */
#ifndef JH_NET_FD_WAIT_H
#define JH_NET_FD_WAIT_H

#include "base/list.h"
#include "net/waiter.h"

struct jh_loop;

/* Of one loop; made when somebody waits first. */
typedef struct jh_fd_waits {
  uv_poll_t poll;
  int epoll_fd; /* -1: not made yet */
  uint32_t count;
  jh_list running;
  jh_list unused;
} jh_fd_waits;

void jh_fd_waits_init(jh_fd_waits *waits);

/* Nobody waits any more; the loop must run once more before jh_fd_waits_deinit(). */
void jh_fd_waits_close(jh_fd_waits *waits);
void jh_fd_waits_deinit(jh_fd_waits *waits);

/* As jh_fd_wait_start() in justhttp.h. */
int jh_fd_waits_start(struct jh_loop *loop, jh_event_queue *ready, int fd, int events,
                      uint32_t wait_id, double timeout_ms, jh_fd_wait **out);

/* Ends the waits of a generation whose Lua is gone. */
void jh_fd_waits_stop_all(jh_fd_waits *waits, const jh_event_queue *ready);

#endif
