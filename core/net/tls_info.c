/* tls_info.c: a session and its client's certificate, as text. */
#include "net/tls_info.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "net/tls_session.h"

static int keep(jh_arena *arena, const char *text, size_t len, jh_str *out) {
  out->ptr = jh_arena_try_dup(arena, text, len);
  out->len = len;
  return out->ptr ? 0 : JH_ENOMEM;
}

/* As RFC 2253 writes a name, but in its own order. */
static int keep_name(jh_arena *arena, const X509_NAME *name, jh_str *out) {
  char *text;
  BIO *bio = BIO_new(BIO_s_mem());
  unsigned long flags = (XN_FLAG_RFC2253 & ~XN_FLAG_DN_REV) & ~ASN1_STRFLGS_ESC_MSB;
  int error = JH_ENOMEM;
  if (bio && X509_NAME_print_ex(bio, name, 0, flags) >= 0) {
    long len = BIO_get_mem_data(bio, &text);
    error = keep(arena, text, (size_t)len, out);
  }
  BIO_free(bio);
  return error;
}

static int keep_serial(jh_arena *arena, X509 *cert, jh_str *out) {
  BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
  char *text = number ? BN_bn2hex(number) : NULL;
  int error = text ? keep(arena, text, strlen(text), out) : JH_ENOMEM;
  OPENSSL_free(text);
  BN_free(number);
  return error;
}

static int keep_fingerprint(jh_arena *arena, const X509 *cert, jh_str *out) {
  unsigned char digest[32];
  char text[2 * sizeof digest + 1];
  unsigned bytes = sizeof digest;
  if (!X509_digest(cert, EVP_sha256(), digest, &bytes)) return JH_ENOMEM;
  for (unsigned i = 0; i < bytes; i++) snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
  return keep(arena, text, 2 * (size_t)bytes, out);
}

static int describe_client(X509 *cert, jh_arena *arena, jh_tls_info *info) {
  struct tm end;
  info->has_client_certificate = true;
  if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end)) {
    info->client_not_after_s = (double)timegm(&end);
  }
  int error = keep_name(arena, X509_get_subject_name(cert), &info->client_subject);
  if (!error) error = keep_name(arena, X509_get_issuer_name(cert), &info->client_issuer);
  if (!error) error = keep_serial(arena, cert, &info->client_serial);
  if (!error) error = keep_fingerprint(arena, cert, &info->client_fingerprint);
  ERR_clear_error();
  return error;
}

int jh_tls_describe(const jh_tls *tls, jh_arena *arena, jh_tls_info *info) {
  const SSL *ssl = tls->ssl;
  *info = (jh_tls_info){.is_resumed = jh_tls_is_resumed(tls)};
  info->version = jh_str_of(SSL_get_version(ssl));
  info->cipher = jh_str_of(SSL_get_cipher_name(ssl));
  info->server_name = jh_str_of(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  jh_tls_alpn(tls, &info->protocol);
  X509 *cert = SSL_get0_peer_certificate(ssl);
  return cert ? describe_client(cert, arena, info) : 0;
}
