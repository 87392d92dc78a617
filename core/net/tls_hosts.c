/* tls_hosts.c: the table of names. */
#include "net/tls_hosts.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { NAME_BYTES = 256, STEP = 16 };

/* Calls `visit` with each DNS name of a certificate, or with its CN when it has none. Stops at a
 * result that is not 0, and returns it. */
typedef int (*visit_name)(void *data, const char *name);

static int visit_string(const ASN1_STRING *string, visit_name visit, void *data) {
  char name[NAME_BYTES];
  int len = ASN1_STRING_length(string);
  const unsigned char *bytes = ASN1_STRING_get0_data(string);
  if (len <= 0 || len >= NAME_BYTES || memchr(bytes, '\0', (size_t)len)) return 0;
  for (int i = 0; i < len; i++) {
    char c = (char)bytes[i];
    name[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
  }
  name[len] = '\0';
  return visit(data, name);
}

static int visit_names(X509 *cert, visit_name visit, void *data) {
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  int result = 0, found = 0;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && result == 0; i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    found++;
    result = visit_string(name->d.dNSName, visit, data);
  }
  GENERAL_NAMES_free(names);
  if (found) return result;
  X509_NAME *subject = X509_get_subject_name(cert);
  int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return 0;
  return visit_string(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), visit, data);
}

static int compare(const void *a, const void *b) {
  return strcmp(((const jh_tls_host *)a)->name, ((const jh_tls_host *)b)->name);
}

static SSL_CTX *find_exactly(const jh_tls_hosts *hosts, char *name) {
  jh_tls_host wanted = {name, NULL};
  if (hosts->count == 0) return NULL;
  const jh_tls_host *found = bsearch(&wanted, hosts->items, hosts->count, sizeof wanted, compare);
  return found ? found->ssl_ctx : NULL;
}

typedef struct addition {
  jh_tls_hosts *hosts;
  SSL_CTX *ssl_ctx;
} addition;

static int add_name(void *data, const char *name) {
  const addition *adding = data;
  jh_tls_hosts *hosts = adding->hosts;
  if (find_exactly(hosts, (char *)(uintptr_t)name)) return 0;
  if (hosts->count == hosts->capacity) {
    jh_tls_host *grown =
        jh_try_realloc(hosts->items, (hosts->capacity + STEP) * sizeof *hosts->items);
    if (!grown) return JH_ENOMEM;
    hosts->items = grown;
    hosts->capacity += STEP;
  }
  size_t bytes = strlen(name) + 1;
  char *copy = jh_try_alloc(bytes);
  if (!copy) return JH_ENOMEM;
  memcpy(copy, name, bytes);
  hosts->items[hosts->count++] = (jh_tls_host){copy, adding->ssl_ctx};
  qsort(hosts->items, hosts->count, sizeof *hosts->items, compare);
  return 0;
}

int jh_tls_hosts_add(jh_tls_hosts *hosts, X509 *cert, SSL_CTX *ssl_ctx) {
  addition adding = {hosts, ssl_ctx};
  return visit_names(cert, add_name, &adding);
}

typedef struct comparison {
  const jh_tls_hosts *hosts;
  SSL_CTX *ssl_ctx;
} comparison;

/* 1 as soon as a name is not of the context that all names before it were of. */
static int compare_name(void *data, const char *name) {
  comparison *comparing = data;
  SSL_CTX *found = find_exactly(comparing->hosts, (char *)(uintptr_t)name);
  if (!comparing->ssl_ctx) comparing->ssl_ctx = found;
  return !found || found != comparing->ssl_ctx;
}

SSL_CTX *jh_tls_hosts_same(const jh_tls_hosts *hosts, X509 *cert) {
  comparison comparing = {hosts, NULL};
  return visit_names(cert, compare_name, &comparing) == 0 ? comparing.ssl_ctx : NULL;
}

SSL_CTX *jh_tls_hosts_find(const jh_tls_hosts *hosts, const char *name) {
  char wanted[NAME_BYTES];
  size_t len = strlen(name);
  if (len > 0 && name[len - 1] == '.') len--;
  if (len == 0 || len >= sizeof wanted) return NULL;
  for (size_t i = 0; i < len; i++) {
    wanted[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + ('a' - 'A')) : name[i];
  }
  wanted[len] = '\0';
  SSL_CTX *found = find_exactly(hosts, wanted);
  char *dot = strchr(wanted, '.');
  if (found || !dot || dot == wanted) return found;
  dot[-1] = '*';
  return find_exactly(hosts, dot - 1);
}

void jh_tls_hosts_deinit(jh_tls_hosts *hosts) {
  for (size_t i = 0; i < hosts->count; i++) jh_free(hosts->items[i].name);
  jh_free(hosts->items);
  *hosts = (jh_tls_hosts){NULL, 0, 0};
}
