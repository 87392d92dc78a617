/* tls_self_signed.c: P-256, 90 days, an end entity and no authority: whoever trusts it trusts
 * nothing else. */
#include "net/tls_self_signed.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { SECONDS_BACK = 3600, SECONDS_VALID = 90 * 86400, SERIAL_BITS = 127 };

static int add_extension(X509 *cert, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  if (!extension) return 0;
  int ok = X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
  return ok;
}

static int set_serial(X509 *cert) {
  BIGNUM *number = BN_new();
  int ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
  BN_free(number);
  return ok;
}

static int fill_in(X509 *cert, EVP_PKEY *key, const char *names) {
  const unsigned char title[] = "justhttp development";
  X509_NAME *name = X509_get_subject_name(cert);
  return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
         X509_gmtime_adj(X509_getm_notBefore(cert), -SECONDS_BACK) &&
         X509_gmtime_adj(X509_getm_notAfter(cert), SECONDS_VALID) && X509_set_pubkey(cert, key) &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, title, -1, -1, 0) &&
         X509_set_issuer_name(cert, name) &&
         add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
         add_extension(cert, NID_ext_key_usage, "serverAuth") &&
         add_extension(cert, NID_subject_key_identifier, "hash") &&
         add_extension(cert, NID_subject_alt_name, names) && X509_sign(cert, key, EVP_sha256());
}

static char *write_pem(X509 *cert, EVP_PKEY *key) {
  BIO *bio = BIO_new(BIO_s_mem());
  char *text = NULL, *bytes;
  if (bio && PEM_write_bio_X509(bio, cert) &&
      PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
    long len = BIO_get_mem_data(bio, &bytes);
    text = jh_try_alloc((size_t)len + 1);
    if (text) {
      memcpy(text, bytes, (size_t)len);
      text[len] = '\0';
    }
  }
  BIO_free(bio);
  return text;
}

static void write_fingerprint(const X509 *cert, char *out) {
  unsigned char digest[32];
  unsigned bytes = sizeof digest;
  out[0] = '\0';
  if (!X509_digest(cert, EVP_sha256(), digest, &bytes)) return;
  for (unsigned i = 0; i < bytes; i++) {
    out += snprintf(out, 4, "%s%02X", i ? ":" : "", digest[i]);
  }
}

char *jh_tls_make_self_signed(const char *names, char *fingerprint) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *cert = X509_new();
  char *text = NULL;
  if (key && cert && fill_in(cert, key, names)) {
    text = write_pem(cert, key);
    write_fingerprint(cert, fingerprint);
  }
  X509_free(cert);
  EVP_PKEY_free(key);
  ERR_clear_error();
  return text;
}
