/* service_manager.h: what passes between systemd (or whatever speaks its protocol) and the
 * supervisor: listening sockets on the way in, states on the way out. Both protocols are a few
 * environment variables and a datagram, so no library is needed. */
#ifndef JH_SERVER_SERVICE_MANAGER_H
#define JH_SERVER_SERVICE_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JH_SERVICE_FIRST_FD = 3 };

typedef struct jh_service_manager {
  int notify_fd;        /* connected to NOTIFY_SOCKET; -1 when nobody wants to know */
  uint32_t watchdog_ms; /* send a sign of life at least this often; 0 when not asked for */
  int fd_count;         /* sockets passed, from JH_SERVICE_FIRST_FD upwards */
  char *notify_name;    /* NOTIFY_SOCKET; NULL when there is none */
  char *fd_names;       /* their names with ':' between; NULL when there are none */
} jh_service_manager;

/* Reads LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES, NOTIFY_SOCKET, WATCHDOG_PID and WATCHDOG_USEC, and
 * removes them from the environment so that no program a handler starts takes them for its own. */
void jh_service_manager_init(jh_service_manager *manager);
void jh_service_manager_deinit(jh_service_manager *manager);

/* Puts NOTIFY_SOCKET and WATCHDOG_USEC back into the environment, for a server that takes the place
 * of this one. */
void jh_service_manager_restore(const jh_service_manager *manager);

/* The nth passed socket whose name is `name` ("" is any), or -1 past the last. */
int jh_service_manager_find_fd(const jh_service_manager *manager, const char *name, int nth);

/* Sends one state, such as "READY=1\nSTATUS=serving". Nothing happens without a service manager. */
void jh_service_manager_notify(const jh_service_manager *manager, const char *state);

#endif
