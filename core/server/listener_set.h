/* listener_set.h: every listening socket of the server, opened once by the supervisor and kept
 * until it ends. A worker that dies leaves its socket, and the connections queued in it, to the
 * next one in its slot.
 *
 * A TCP listener has one SO_REUSEPORT socket per worker slot, so that the kernel spreads the
 * connections; unix sockets, sockets of the service manager, and everything with reuse_port off are
 * one socket that all workers share. */
#ifndef JH_SERVER_LISTENER_SET_H
#define JH_SERVER_LISTENER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "server/address.h"
#include "server/handover.h"
#include "server/identity.h"
#include "server/options.h"
#include "server/service_manager.h"
#include "server/worker_config.h"

/* All sockets of one address. */
typedef struct jh_listener_group {
  jh_address address; /* with the real port */
  char url[JH_ADDRESS_TEXT_BYTES];
  const char *text; /* as the option said it; borrowed from there */
  int *fds;         /* one per slot, or one in all */
  size_t fd_count;
  bool is_tls;
  bool is_extra; /* of an address with more sockets than slots, as another server had left it */
  bool has_file; /* a unix socket whose file we made */
  dev_t file_device;
  ino_t file_number;
} jh_listener_group;

typedef struct jh_listener_set {
  jh_listener_group *listeners;
  size_t count;
  size_t capacity;
  size_t slot_count;
} jh_listener_set;

/* Opens everything options->listen names; sockets of the service manager are used when they are
 * asked for, or when there are some and nobody said where to listen. Those of a server before this
 * one are taken before new ones are opened. 0 or a negative code and one
 * line in `error`; then nothing stays open. */
int jh_listener_set_open(jh_listener_set *set, const jh_options *options, size_t slot_count,
                         const jh_service_manager *manager, jh_handover *handover,
                         const jh_identity *identity, char *error, size_t error_bytes);

/* True when any of them speaks TLS. */
bool jh_listener_set_has_tls(const jh_listener_set *set);

/* The sockets of one slot, set->count of them, written to `out`; urls are borrowed from the set. */
void jh_listener_set_slot(const jh_listener_set *set, size_t slot, jh_listener_socket *out);

/* In a worker, right after the fork: closes the sockets of all other slots. */
void jh_listener_set_keep_slot(jh_listener_set *set, size_t slot);

/* Closes every socket of this process; those of the workers stay open. The urls stay. */
void jh_listener_set_close(jh_listener_set *set);

/* Another server has them now: jh_listener_set_deinit() will not remove the socket files. */
void jh_listener_set_leave_files(jh_listener_set *set);

/* Removes the socket files that are still ours, and frees the set. In the supervisor only. */
void jh_listener_set_deinit(jh_listener_set *set);

#endif
