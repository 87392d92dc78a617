/* tls_credentials.c: reads PEM.
 *
 * Files are read whole before OpenSSL sees them, so that a missing file and a file without a
 * certificate in it are told apart. Keys are never asked a password for on the terminal. */
#include "net/tls_credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

enum { PATH_BYTES = 4096, PEM_BYTES_MAX = 16 << 20, PEM_STEP_BYTES = 65536 };

typedef struct pem_source {
  const char *what; /* "certificate" */
  char name[256];   /* of the file, for sentences; "" for text */
  char *bytes;      /* read from the file; NULL for text */
  jh_str text;
  BIO *bio;
} pem_source;

static bool is_pem(jh_str value) {
  return memmem(value.ptr, value.len, "-----BEGIN", 10) != NULL;
}

static bool holds(const pem_source *source, const char *words) {
  return memmem(source->text.ptr, source->text.len, words, strlen(words)) != NULL;
}

/* The whole file, or a negated errno. */
static ssize_t read_file(jh_str path, char **text) {
  char name[PATH_BYTES];
  if (path.len >= sizeof name) return -ENAMETOOLONG;
  memcpy(name, path.ptr, path.len);
  name[path.len] = '\0';
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  char *all = NULL;
  ssize_t total = 0, count = 1;
  while (count > 0 && total < PEM_BYTES_MAX) {
    char *grown = jh_try_realloc(all, (size_t)total + PEM_STEP_BYTES);
    if (!grown) {
      count = JH_ENOMEM;
      break;
    }
    all = grown;
    count = read(fd, all + total, PEM_STEP_BYTES);
    if (count > 0) total += count;
    if (count < 0) count = -errno;
  }
  close(fd);
  if (count < 0) {
    jh_free(all);
    return count;
  }
  *text = all;
  return total;
}

static const char *space_before(const pem_source *source) {
  return source->name[0] ? " " : "";
}

static int complain(const pem_source *source, const char *why, char *reason, size_t reason_bytes) {
  ERR_clear_error();
  snprintf(reason, reason_bytes, "%s%s%s: %s", source->what, space_before(source), source->name,
           why);
  return JH_EINVAL;
}

static void close_source(pem_source *source) {
  if (source->bio) BIO_free(source->bio);
  jh_free(source->bytes);
}

static int open_source(pem_source *source, const char *what, jh_str value, char *reason,
                       size_t reason_bytes) {
  *source = (pem_source){.what = what};
  source->text = value;
  if (!is_pem(value)) {
    snprintf(source->name, sizeof source->name, "%.*s", (int)value.len, value.ptr);
    ssize_t count = read_file(value, &source->bytes);
    if (count < 0) return complain(source, jh_strerror((int)count), reason, reason_bytes);
    source->text = (jh_str){source->bytes, (size_t)count};
  }
  source->bio = BIO_new_mem_buf(source->text.ptr, (int)source->text.len);
  if (!source->bio) return complain(source, "out of memory", reason, reason_bytes);
  return 0;
}

/* No password is known, and a server must not stop to ask for one. */
static int no_password(char *out, int bytes, int is_writing, void *data) {
  (void)out, (void)bytes, (void)is_writing, (void)data;
  return -1;
}

static int use_chain(SSL_CTX *ssl_ctx, pem_source *source, char *reason, size_t reason_bytes) {
  X509 *cert = PEM_read_bio_X509_AUX(source->bio, NULL, no_password, NULL);
  if (!cert) return complain(source, "holds no certificate (PEM)", reason, reason_bytes);
  int ok = SSL_CTX_use_certificate(ssl_ctx, cert);
  X509_free(cert);
  if (!ok) {
    bool is_weak = ERR_GET_REASON(ERR_peek_error()) == SSL_R_EE_KEY_TOO_SMALL;
    return complain(source, is_weak ? "its key is too short to be safe" : "is not usable", reason,
                    reason_bytes);
  }
  SSL_CTX_clear_chain_certs(ssl_ctx);
  while ((cert = PEM_read_bio_X509(source->bio, NULL, no_password, NULL))) {
    if (SSL_CTX_add0_chain_cert(ssl_ctx, cert)) continue;
    X509_free(cert);
    return complain(source, "its chain is not usable", reason, reason_bytes);
  }
  ERR_clear_error(); /* the end of the file is reported as an error */
  return 0;
}

static int use_key(SSL_CTX *ssl_ctx, pem_source *source, char *reason, size_t reason_bytes) {
  EVP_PKEY *key = PEM_read_bio_PrivateKey(source->bio, NULL, no_password, NULL);
  if (!key) {
    bool is_locked = holds(source, "ENCRYPTED");
    const char *why = !holds(source, "PRIVATE KEY-----") ? "holds no private key (PEM)"
                      : is_locked ? "is protected by a password; store it without one"
                                  : "is damaged";
    return complain(source, why, reason, reason_bytes);
  }
  int ok = SSL_CTX_use_PrivateKey(ssl_ctx, key);
  EVP_PKEY_free(key);
  if (ok && SSL_CTX_check_private_key(ssl_ctx)) return 0;
  return complain(source, "does not belong to the certificate", reason, reason_bytes);
}

int jh_tls_use_certificate(SSL_CTX *ssl_ctx, jh_str cert, jh_str key, char *reason,
                           size_t reason_bytes) {
  pem_source source;
  int error = open_source(&source, "certificate", cert, reason, reason_bytes);
  if (!error) error = use_chain(ssl_ctx, &source, reason, reason_bytes);
  close_source(&source);
  if (error) return error;
  error = open_source(&source, "key", key.len ? key : cert, reason, reason_bytes);
  if (!error) error = use_key(ssl_ctx, &source, reason, reason_bytes);
  close_source(&source);
  return error;
}

int jh_tls_trust(SSL_CTX *ssl_ctx, jh_str ca, char *reason, size_t reason_bytes) {
  pem_source source;
  int error = open_source(&source, "CA", ca, reason, reason_bytes);
  int count = 0;
  X509 *cert;
  X509_STORE *store = SSL_CTX_get_cert_store(ssl_ctx);
  while (!error && (cert = PEM_read_bio_X509_AUX(source.bio, NULL, no_password, NULL))) {
    if (!X509_STORE_add_cert(store, cert)) {
      error = complain(&source, "is not usable", reason, reason_bytes);
    }
    X509_free(cert);
    count++;
  }
  ERR_clear_error();
  if (!error && count == 0) {
    error = complain(&source, "holds no certificate (PEM)", reason, reason_bytes);
  }
  close_source(&source);
  return error;
}

int jh_tls_name_authorities(SSL_CTX *ssl_ctx) {
  X509_STORE *store = SSL_CTX_get_cert_store(ssl_ctx);
  STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
    X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    if (cert && !SSL_CTX_add_client_CA(ssl_ctx, cert)) return JH_ENOMEM;
  }
  return 0;
}

void jh_tls_digest_authorities(SSL_CTX *ssl_ctx, uint8_t *digest) {
  uint8_t one[EVP_MAX_MD_SIZE];
  unsigned bytes;
  STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ssl_ctx));
  memset(digest, 0, JH_TLS_DIGEST_BYTES);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
    const X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    if (!cert || !X509_digest(cert, EVP_sha256(), one, &bytes)) continue;
    for (unsigned j = 0; j < JH_TLS_DIGEST_BYTES; j++) digest[j] ^= one[j];
  }
}
