/* fd_wait.c: an epoll set inside uv's.
 *
 * What watches is the duplicate, which nobody else can close; so it is always there to be taken out
 * of the set, and no event can come for memory that is used for something else. The objects are
 * used again and freed with the loop. */
#include "net/fd_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/loop.h"

struct jh_fd_wait {
  jh_waiter waiter;
  jh_list node; /* in running or unused */
  jh_fd_waits *waits;
  int fd;     /* the duplicate; -1 when it does not wait */
  int events; /* jh_fd_event that are waited for */
};

static void end(jh_fd_wait *wait) {
  jh_fd_waits *waits = wait->waits;
  if (wait->fd < 0) return;
  epoll_ctl(waits->epoll_fd, EPOLL_CTL_DEL, wait->fd, NULL);
  close(wait->fd);
  wait->fd = -1;
  jh_list_remove(&wait->node);
  jh_list_append(&waits->unused, &wait->node);
  if (--waits->count == 0) uv_unref((uv_handle_t *)&waits->poll);
}

static void on_timeout(jh_waiter *waiter) {
  end(JH_LIST_ENTRY(waiter, jh_fd_wait, waiter));
  jh_waiter_wake(waiter, JH_ETIMEDOUT);
}

/* At its end, or broken, it can be read and written: that is how its owner learns of it. */
static int ready_events(const jh_fd_wait *wait, uint32_t events) {
  int ready = 0;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ready |= JH_FD_READABLE;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) ready |= JH_FD_WRITABLE;
  return ready & wait->events;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  enum { EVENTS_MAX = 64 };
  jh_fd_waits *waits = poll->data;
  struct epoll_event found[EVENTS_MAX];
  (void)status;
  (void)events;
  int count = epoll_wait(waits->epoll_fd, found, EVENTS_MAX, 0);
  for (int i = 0; i < count; i++) {
    jh_fd_wait *wait = found[i].data.ptr;
    end(wait);
    jh_waiter_wake(&wait->waiter, ready_events(wait, found[i].events));
  }
}

static int open_set(jh_loop *loop) {
  jh_fd_waits *waits = &loop->fd_waits;
  if (waits->epoll_fd >= 0) return 0;
  int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return -errno;
  int error = uv_poll_init(&loop->uv, &waits->poll, fd);
  if (error) {
    close(fd);
    return error;
  }
  waits->epoll_fd = fd;
  waits->poll.data = waits;
  error = uv_poll_start(&waits->poll, UV_READABLE, on_poll);
  uv_unref((uv_handle_t *)&waits->poll);
  return error;
}

/* One whose last event was taken: pushing another onto it would lose that. */
static jh_fd_wait *take(jh_loop *loop, jh_event_queue *ready) {
  jh_fd_waits *waits = &loop->fd_waits;
  jh_fd_wait *wait = NULL;
  if (!jh_list_is_empty(&waits->unused)) {
    wait = JH_LIST_ENTRY(waits->unused.next, jh_fd_wait, node);
    if (wait->waiter.node.is_queued) wait = NULL;
  }
  if (wait) {
    jh_list_remove(&wait->node);
  } else {
    wait = jh_try_calloc(1, sizeof *wait);
    if (!wait) return NULL;
    jh_waiter_init(&wait->waiter, ready, &loop->alarms);
    wait->waiter.on_timeout = on_timeout;
    jh_list_init(&wait->node);
    wait->waits = waits;
  }
  wait->waiter.ready = ready;
  return wait;
}

static int watch(jh_fd_wait *wait, int fd, int events) {
  struct epoll_event wanted = {.events = EPOLLONESHOT, .data.ptr = wait};
  if (events & JH_FD_READABLE) wanted.events |= EPOLLIN | EPOLLRDHUP;
  if (events & JH_FD_WRITABLE) wanted.events |= EPOLLOUT;
  wait->events = events;
  wait->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (wait->fd < 0) return -errno;
  if (epoll_ctl(wait->waits->epoll_fd, EPOLL_CTL_ADD, wait->fd, &wanted) == 0) return 0;
  int error = -errno;
  close(wait->fd);
  wait->fd = -1;
  return error;
}

int jh_fd_waits_start(struct jh_loop *loop, jh_event_queue *ready, int fd, int events,
                      uint32_t wait_id, double timeout_ms, jh_fd_wait **out) {
  jh_fd_waits *waits = &loop->fd_waits;
  int error = open_set(loop);
  if (error) return error;
  jh_fd_wait *wait = take(loop, ready);
  if (!wait) return JH_ENOMEM;
  error = watch(wait, fd, events);
  if (!error) {
    jh_list_append(&waits->running, &wait->node);
    if (waits->count++ == 0) uv_ref((uv_handle_t *)&waits->poll);
    error = jh_waiter_start(&wait->waiter, wait_id, timeout_ms);
    if (error != JH_EWAIT) end(wait);
  } else {
    jh_list_append(&waits->unused, &wait->node);
  }
  *out = error == JH_EWAIT ? wait : NULL;
  /* epoll takes no regular files: they are always ready. */
  return error == -EPERM ? events : error;
}

void jh_fd_wait_stop(jh_fd_wait *wait, uint32_t wait_id) {
  if (jh_waiter_forget(&wait->waiter, wait_id)) end(wait);
}

void jh_fd_waits_stop_all(jh_fd_waits *waits, const jh_event_queue *ready) {
  jh_list *node = waits->running.next;
  while (node != &waits->running) {
    jh_fd_wait *wait = JH_LIST_ENTRY(node, jh_fd_wait, node);
    node = node->next;
    if (wait->waiter.ready == ready) jh_fd_wait_stop(wait, wait->waiter.id);
  }
}

void jh_fd_waits_init(jh_fd_waits *waits) {
  *waits = (jh_fd_waits){.epoll_fd = -1};
  jh_list_init(&waits->running);
  jh_list_init(&waits->unused);
}

void jh_fd_waits_close(jh_fd_waits *waits) {
  while (!jh_list_is_empty(&waits->running)) {
    end(JH_LIST_ENTRY(waits->running.next, jh_fd_wait, node));
  }
  if (waits->epoll_fd < 0) return;
  uv_close((uv_handle_t *)&waits->poll, NULL);
  close(waits->epoll_fd);
  waits->epoll_fd = -1;
}

void jh_fd_waits_deinit(jh_fd_waits *waits) {
  while (!jh_list_is_empty(&waits->unused)) {
    jh_fd_wait *wait = JH_LIST_ENTRY(waits->unused.next, jh_fd_wait, node);
    jh_list_remove(&wait->node);
    jh_free(wait);
  }
}
