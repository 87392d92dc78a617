/* service_manager.c: socket activation and notification, see sd_listen_fds(3) and sd_notify(3).
 *
 * LISTEN_PID guards against a mistake that happens: a shell wrapper between the service manager and
 * us hands down variables that speak of another process's descriptors. */
#include "server/service_manager.h"

#include "justhttp.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FDS_MAX = 256, US_PER_MS = 1000, SIGNS_PER_PERIOD = 2 };

static uint64_t read_variable(const char *name, uint64_t otherwise) {
  uint64_t number = otherwise;
  if (jh_str_parse_u64(jh_str_of(getenv(name)), &number) != 0) return otherwise;
  return number;
}

static char *copy_of(const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = jh_alloc(bytes);
  memcpy(copy, text, bytes);
  return copy;
}

static void read_fds(jh_service_manager *manager) {
  uint64_t count = read_variable("LISTEN_FDS", 0);
  const char *names = getenv("LISTEN_FDNAMES");
  if (read_variable("LISTEN_PID", 0) != (uint64_t)getpid() || count == 0 || count > FDS_MAX) return;
  manager->fd_count = (int)count;
  if (names != NULL) {
    manager->fd_names = copy_of(names);
  }
  for (int i = 0; i < manager->fd_count; i++) fcntl(JH_SERVICE_FIRST_FD + i, F_SETFD, FD_CLOEXEC);
}

/* A path, or a name in the abstract namespace written with '@' in front. */
static int open_notify(const char *where) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (where == NULL || (where[0] != '/' && where[0] != '@')) return -1;
  size_t len = strlen(where);
  if (len >= sizeof address.sun_path) return -1;
  memcpy(address.sun_path, where, len);
  if (where[0] == '@') address.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
  if (connect(fd, (struct sockaddr *)&address, address_len) == 0) return fd;
  close(fd);
  return -1;
}

void jh_service_manager_init(jh_service_manager *manager) {
  static const char *const variables[] = {"LISTEN_PID",    "LISTEN_FDS",   "LISTEN_FDNAMES",
                                          "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"};
  memset(manager, 0, sizeof *manager);
  read_fds(manager);
  const char *notify = getenv("NOTIFY_SOCKET");
  manager->notify_fd = open_notify(notify);
  if (notify != NULL && manager->notify_fd >= 0) manager->notify_name = copy_of(notify);
  uint64_t pid = (uint64_t)getpid();
  if (manager->notify_fd >= 0 && read_variable("WATCHDOG_PID", pid) == pid) {
    uint64_t period_ms = read_variable("WATCHDOG_USEC", 0) / US_PER_MS / SIGNS_PER_PERIOD;
    manager->watchdog_ms = period_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)period_ms;
  }
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) unsetenv(variables[i]);
}

void jh_service_manager_deinit(jh_service_manager *manager) {
  if (manager->notify_fd >= 0) close(manager->notify_fd);
  jh_free(manager->fd_names);
  jh_free(manager->notify_name);
  manager->notify_name = NULL;
  manager->notify_fd = -1;
  manager->fd_names = NULL;
  manager->fd_count = 0;
}

void jh_service_manager_restore(const jh_service_manager *manager) {
  char period[32];
  if (manager->notify_name == NULL) return;
  setenv("NOTIFY_SOCKET", manager->notify_name, 1);
  if (manager->watchdog_ms == 0) return;
  snprintf(period, sizeof period, "%llu",
           (unsigned long long)manager->watchdog_ms * SIGNS_PER_PERIOD * US_PER_MS);
  setenv("WATCHDOG_USEC", period, 1);
}

/* The name of one passed socket; empty when the service manager gave none. */
static jh_str name_of(const jh_service_manager *manager, int index) {
  const char *at = manager->fd_names;
  if (at == NULL) return jh_str_make("", 0);
  for (; index > 0 && *at != '\0'; at++) {
    if (*at == ':') index--;
  }
  return jh_str_make(at, index == 0 ? strcspn(at, ":") : 0);
}

int jh_service_manager_find_fd(const jh_service_manager *manager, const char *name, int nth) {
  for (int i = 0; i < manager->fd_count; i++) {
    if (name[0] != '\0' && !jh_str_equal(name_of(manager, i), jh_str_of(name))) continue;
    if (nth-- == 0) return JH_SERVICE_FIRST_FD + i;
  }
  return -1;
}

void jh_service_manager_notify(const jh_service_manager *manager, const char *state) {
  if (manager->notify_fd < 0) return;
  /* A service manager that does not listen is no reason to stop serving. */
  while (send(manager->notify_fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
         errno == EINTR) {
  }
}
