/* tls_setup.c: files and options into contexts, and through shared memory into workers.
 *
 * A worker copies the text before it uses it and looks at the version again afterwards: when the
 * supervisor wrote meanwhile it will signal once more, so there is nothing to wait for. */
#include "server/tls_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "net/tls_self_signed.h"

enum { PAIRS_MAX = 256, MS_PER_S = 1000 };

bool jh_tls_setup_has_certificates(const jh_options *options) {
  return options->tls != 0 || options->tls_cert.count > 0;
}

/* ---- options ---- */

bool jh_tls_setup_has_ktls(void) {
  char text[256];
  int fd = open("/proc/sys/net/ipv4/tcp_available_ulp", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t count = read(fd, text, sizeof text - 1);
  close(fd);
  text[count > 0 ? count : 0] = '\0';
  return strstr(text, "tls") != NULL;
}

static jh_tls_server_options server_options(const jh_options *options, const jh_tls_shared *shared,
                                            const jh_tls_pair *pairs, size_t pair_count) {
  return (jh_tls_server_options){
      .pairs = pairs,
      .pair_count = pair_count,
      .client_ca = jh_str_of(options->tls_client_ca),
      .requires_client_cert = options->tls_client_cert == 0,
      .min_version = options->tls_min_version == 1 ? JH_STR("1.3") : JH_STR("1.2"),
      .ciphers = jh_str_of(options->tls_ciphers),
      .alpn = options->http2 ? JH_STR("h2,http/1.1") : JH_STR("http/1.1"),
      .uses_ktls = jh_tls_setup_has_ktls(),
      .tickets = &shared->tickets,
  };
}

/* The certificates of the options, self-signed first; their number. */
static size_t list_pairs(const jh_tls_setup *setup, jh_tls_pair *pairs) {
  const jh_options *options = setup->options;
  size_t count = 0;
  if (setup->self_signed) pairs[count++] = (jh_tls_pair){.cert = jh_str_of(setup->self_signed)};
  for (size_t i = 0; i < options->tls_cert.count && count < PAIRS_MAX; i++) {
    bool has_key = i < options->tls_key.count;
    pairs[count++] = (jh_tls_pair){
        .cert = jh_str_of(options->tls_cert.items[i]),
        .key = has_key ? jh_str_of(options->tls_key.items[i]) : JH_STR(""),
    };
  }
  return count;
}

static jh_tls_context *make_context(const jh_tls_setup *setup, char *error, size_t error_bytes) {
  jh_tls_pair pairs[PAIRS_MAX + 1];
  size_t count = list_pairs(setup, pairs);
  jh_tls_server_options options = server_options(setup->options, setup->shared, pairs, count);
  char reason[JH_TLS_REASON_BYTES];
  jh_tls_context *context = jh_tls_context_new_server(&options, reason, sizeof reason);
  if (!context) snprintf(error, error_bytes, "TLS: %s", reason);
  return context;
}

/* ---- the supervisor's part ---- */

int jh_tls_setup_open(jh_tls_setup *setup, const jh_options *options, const char *names,
                      char *fingerprint, char *error, size_t error_bytes) {
  *setup = (jh_tls_setup){.options = options};
  void *memory = mmap(NULL, sizeof *setup->shared, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    snprintf(error, error_bytes, "TLS: no memory for certificates: %s", strerror(errno));
    return JH_ENOMEM;
  }
  setup->shared = memory;
  int rc = jh_tls_tickets_rotate(&setup->shared->tickets);
  setup->rotate_at_ms = jh_clock_monotonic_ms() + JH_TLS_TICKET_LIFETIME_S * (uint64_t)MS_PER_S;
  if (rc != 0) {
    snprintf(error, error_bytes, "TLS: the system gives no random numbers");
    return rc;
  }
  if (options->tls != 0) {
    setup->self_signed = jh_tls_make_self_signed(names, fingerprint);
    if (!setup->self_signed) {
      snprintf(error, error_bytes, "TLS: cannot make a self-signed certificate");
      return JH_EUNSUPPORTED;
    }
  }
  setup->context = make_context(setup, error, error_bytes);
  return setup->context ? 0 : JH_EINVAL;
}

void jh_tls_setup_close(jh_tls_setup *setup) {
  jh_tls_context_release(setup->context);
  jh_free(setup->self_signed);
  if (setup->shared) munmap(setup->shared, sizeof *setup->shared);
  *setup = (jh_tls_setup){.options = NULL};
}

void jh_tls_setup_rotate(jh_tls_setup *setup, uint64_t now_ms) {
  if (!setup->shared || now_ms < setup->rotate_at_ms) return;
  setup->rotate_at_ms = now_ms + JH_TLS_TICKET_LIFETIME_S * (uint64_t)MS_PER_S;
  jh_tls_tickets_rotate(&setup->shared->tickets);
}

/* Appends length and text. False when there is no room. */
static bool put(jh_tls_shared *shared, const char *bytes, size_t len) {
  if (sizeof shared->text - shared->text_bytes < len + sizeof len) return false;
  memcpy(shared->text + shared->text_bytes, &len, sizeof len);
  memcpy(shared->text + shared->text_bytes + sizeof len, bytes, len);
  shared->text_bytes += len + sizeof len;
  return true;
}

/* PEM text as it is, a file's content for its name. */
static bool put_source(jh_tls_shared *shared, jh_str value) {
  size_t at = shared->text_bytes;
  if (value.len == 0 || memmem(value.ptr, value.len, "-----BEGIN", 10)) {
    return put(shared, value.ptr, value.len);
  }
  if (sizeof shared->text - at < sizeof(size_t)) return false;
  /* The value is an option's text or a part of one, NUL-terminated. */
  int fd = open(value.ptr, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char *out = shared->text + at + sizeof(size_t);
  size_t room = sizeof shared->text - at - sizeof(size_t), len = 0;
  ssize_t count;
  while (len < room && (count = read(fd, out + len, room - len)) > 0) len += (size_t)count;
  close(fd);
  if (len == room) return false;
  memcpy(shared->text + at, &len, sizeof len);
  shared->text_bytes = at + sizeof len + len;
  return true;
}

static bool put_all(const jh_tls_setup *setup) {
  jh_tls_shared *shared = setup->shared;
  jh_tls_pair pairs[PAIRS_MAX + 1];
  size_t count = list_pairs(setup, pairs);
  shared->text_bytes = 0;
  shared->pair_count = (uint32_t)count;
  for (size_t i = 0; i < count; i++) {
    if (!put_source(shared, pairs[i].cert) || !put_source(shared, pairs[i].key)) return false;
  }
  return put_source(shared, jh_str_of(setup->options->tls_client_ca));
}

int jh_tls_setup_reload(jh_tls_setup *setup, char *error, size_t error_bytes) {
  jh_tls_context *context = make_context(setup, error, error_bytes);
  if (!context) return JH_EINVAL;
  uint32_t *version = &setup->shared->version;
  /* Odd until everything is there. When it never gets there, running workers keep what they have
   * until an attempt that succeeds. */
  uint32_t odd = *version | 1;
  __atomic_store_n(version, odd, __ATOMIC_SEQ_CST);
  if (!put_all(setup)) {
    snprintf(error, error_bytes, "TLS: the certificates are too large, or a file went away");
    jh_tls_context_release(context);
    return JH_ELIMIT;
  }
  __atomic_store_n(version, odd + 1, __ATOMIC_SEQ_CST);
  jh_tls_context_release(setup->context);
  setup->context = context;
  return 0;
}

/* ---- a worker's part ---- */

static jh_str take(const char *text, size_t *at) {
  size_t len;
  memcpy(&len, text + *at, sizeof len);
  jh_str value = {text + *at + sizeof len, len};
  *at += sizeof len + len;
  return value;
}

static jh_tls_context *make_from_text(const jh_tls_shared *shared, const jh_options *options,
                                      const char *text, uint32_t pair_count, char *error,
                                      size_t error_bytes) {
  jh_tls_pair pairs[PAIRS_MAX + 1];
  size_t at = 0;
  for (uint32_t i = 0; i < pair_count; i++) {
    pairs[i].cert = take(text, &at);
    pairs[i].key = take(text, &at);
  }
  jh_tls_server_options settings = server_options(options, shared, pairs, pair_count);
  settings.client_ca = take(text, &at);
  return jh_tls_context_new_server(&settings, error, error_bytes);
}

jh_tls_context *jh_tls_setup_refresh(const jh_tls_shared *shared, const jh_options *options,
                                     uint32_t *version, char *error, size_t error_bytes) {
  jh_tls_context *context = NULL;
  error[0] = '\0';
  uint32_t before = __atomic_load_n(&shared->version, __ATOMIC_SEQ_CST);
  if (before % 2 == 1 || before == *version) return NULL;
  size_t bytes = shared->text_bytes;
  uint32_t pair_count = shared->pair_count;
  char *text = bytes <= sizeof shared->text ? jh_try_alloc(bytes + 1) : NULL;
  if (!text) return NULL;
  memcpy(text, shared->text, bytes);
  if (__atomic_load_n(&shared->version, __ATOMIC_SEQ_CST) == before) {
    context = make_from_text(shared, options, text, pair_count, error, error_bytes);
    *version = before;
  }
  jh_free(text);
  return context;
}
