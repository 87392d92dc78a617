/* worker_config.h: what a worker process is told when it starts. The supervisor fills it in, the
 * worker (server/worker.h) only reads it. Everything it points to lives as long as the process. */
#ifndef JH_SERVER_WORKER_CONFIG_H
#define JH_SERVER_WORKER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "server/heartbeat.h"
#include "server/options.h"

/* A listening socket, bound and ready for accept: non-blocking, close-on-exec. */
typedef struct jh_listener_socket {
  int fd;
  bool is_tls;
  const char *url; /* "http://127.0.0.1:8080" with the real port, or "unix:/run/app.sock" */
} jh_listener_socket;

typedef struct jh_worker_config {
  const jh_options *options;
  int slot;         /* 0 … slot_count - 1; a restarted worker has the slot of the dead one */
  int slot_count;   /* number of workers, "auto" resolved */
  bool pin_to_core; /* this process already runs on one CPU only */
  const jh_listener_socket *listeners;
  size_t listener_count;
  const char *app_path;               /* file or directory; NULL when app_code is set */
  const char *app_code;               /* text of -e; NULL when app_path is set */
  const struct jh_bundle *bundle;     /* that the app is loaded from; NULL with app_code */
  struct jh_ip_table *ip_table;       /* shared by all workers; NULL without max_conns_per_ip */
  const struct jh_hub_sockets *hub;   /* between all workers */
  struct jh_tls_shared *tls_shared;   /* NULL: no listener speaks TLS */
  struct jh_tls_context *tls_context; /* what it begins with then */
  uint32_t tls_version;               /* of that */
  jh_heartbeat *heartbeat;            /* of the slot; NULL without supervisor */
  const char *command;                /* "run", "check", "routes" or "test" */
  const char *const *arguments;       /* what `test` passes on */
  size_t argument_count;
  int ready_fd; /* the worker writes "ready <route count>\n" once it serves, then closes it; -1 none
                 */
} jh_worker_config;

#endif
