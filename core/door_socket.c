/* door_socket.c: what Lua opens on behalf of its generation: sockets, lookups, waits for
 * descriptors. The rest of their calls are in net/. */
#include "net/fd_wait.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "server/generation.h"

static uint32_t whole_ms(double ms) {
  return ms > 0 && ms < INT32_MAX ? (uint32_t)(ms + 0.999) : 0;
}

jh_socket *jh_socket_open(jh_generation *generation, const jh_socket_target *target,
                          uint32_t wait_id, int *error) {
  jh_link_address to = {.host = target->host,
                        .local = target->local,
                        .server_name = target->server_name,
                        .tls = target->tls,
                        .port = (uint16_t)target->port,
                        .keepalive_s = (uint16_t)target->keepalive_s,
                        .connect_timeout_ms = whole_ms(target->connect_timeout_ms)};
  jh_socket *socket = jh_socket_new(jh_generation_loop(generation), &generation->ready);
  *error = socket ? jh_socket_dial(socket, &to, wait_id) : JH_ENOMEM;
  return *error == JH_EWAIT ? socket : NULL;
}

jh_socket *jh_socket_open_datagram(jh_generation *generation, const char *host, size_t host_len,
                                   int *error) {
  int family = *error = jh_socket_family(host, host_len);
  if (family < 0) return NULL;
  return jh_socket_new_datagram(jh_generation_loop(generation), &generation->ready, family, error);
}

jh_resolve *jh_resolve_open(jh_generation *generation, const char *host, size_t host_len,
                            uint32_t wait_id, double timeout_ms, int *error) {
  return jh_resolve_new(jh_generation_loop(generation), &generation->ready,
                        (jh_str){host, host_len}, wait_id, timeout_ms, error);
}

int jh_fd_wait_start(jh_generation *generation, int fd, int events, uint32_t wait_id,
                     double timeout_ms, jh_fd_wait **out) {
  return jh_fd_waits_start(jh_generation_loop(generation), &generation->ready, fd, events, wait_id,
                           timeout_ms, out);
}
