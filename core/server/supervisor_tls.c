/* supervisor_tls.c: the certificates as the supervisor looks after them: read at the start, again
 * on SIGHUP, and named in the log before they end. */
#include "server/supervisor_state.h"

#include "justhttp.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ERROR_BYTES = 512, DAYS_TO_WARN = 14 };

#define HOST_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

static void warn_of_end(jh_supervisor *sup) {
  char name[128];
  if (!jh_tls_context_has_certificate(sup->tls.context)) return;
  int days = jh_tls_context_days_left(sup->tls.context, name, sizeof name);
  if (days >= DAYS_TO_WARN) return;
  jh_log_printf(&sup->files.log, JH_LOG_WARN, "a certificate expires in %d day%s (%s)", days,
                days == 1 ? "" : "s", name);
}

/* What workers that are forked from now on begin with. */
static void give_tls(jh_supervisor *sup) {
  sup->start.config.tls_shared = sup->tls.shared;
  sup->start.config.tls_context = sup->tls.context;
  sup->start.config.tls_version = sup->tls.shared->version;
}

void jh_supervisor_refresh_certificates(jh_supervisor *sup) {
  char error[ERROR_BYTES];
  if (jh_tls_setup_reload(&sup->tls, error, sizeof error) != 0) {
    jh_log_printf(&sup->files.log, JH_LOG_ERROR,
                  "certificates not read again, the present ones stay: %s", error);
    return;
  }
  give_tls(sup);
  jh_supervisor_signal_workers(sup, SIGHUP);
  jh_log_printf(&sup->files.log, JH_LOG_INFO, "certificates read again");
  warn_of_end(sup);
}

/* Names for a certificate of our own: this machine, and the addresses of listeners. */
static void list_names(const jh_supervisor *sup, char *out, size_t out_bytes) {
  char host[256] = "";
  size_t used = (size_t)snprintf(out, out_bytes,
                                 "DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1");
  if (gethostname(host, sizeof host - 1) == 0 && host[0] &&
      strspn(host, HOST_LETTERS) == strlen(host))
    used += (size_t)snprintf(out + used, out_bytes - used, ",DNS:%s", host);
  for (size_t i = 0; i < sup->listeners.count; i++) {
    const jh_address *address = &sup->listeners.listeners[i].address;
    const uint8_t *ip = address->bytes;
    if (address->kind != JH_ADDRESS_IPV4 || ip[0] == 0 || ip[0] == 127) continue;
    if (out_bytes - used < sizeof ",IP:255.255.255.255") return;
    used += (size_t)snprintf(out + used, out_bytes - used, ",IP:%u.%u.%u.%u", ip[0], ip[1], ip[2],
                             ip[3]);
  }
}

int jh_supervisor_prepare_tls(jh_supervisor *sup, char *error, size_t error_bytes) {
  char names[1024], fingerprint[96];
  const jh_options *options = sup->options;
  if (!jh_listener_set_has_tls(&sup->listeners)) {
    if (!jh_tls_setup_has_certificates(options)) return 0;
    snprintf(error, error_bytes,
             "TLS: there are certificates, but no listener for them; write "
             "https:// in front of an address");
    return JH_EINVAL;
  }
  list_names(sup, names, sizeof names);
  int rc = jh_tls_setup_open(&sup->tls, options, names, fingerprint, error, error_bytes);
  if (rc != 0) return rc;
  give_tls(sup);
  warn_of_end(sup);
  jh_log_printf(&sup->files.log, JH_LOG_DEBUG, "TLS: the kernel %s",
                jh_tls_setup_has_ktls() ? "encrypts (kTLS)"
                                        : "has no kTLS (module tls); the workers encrypt");
  if (sup->tls.self_signed)
    jh_log_printf(&sup->files.log, JH_LOG_WARN,
                  "self-signed certificate, for development only: SHA-256 %s", fingerprint);
  return 0;
}
