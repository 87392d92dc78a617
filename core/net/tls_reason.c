/* tls_reason.c: failures of TLS as sentences for the people who have to mend them.
 *
 * OpenSSL has a number for each failure; most of them mean little without the certificate, so
 * certificates are judged in the verify callback, where they are at hand. Names that come from a
 * peer are cleaned of control bytes. Sentences speak of "the server" or "the client": the other
 * side. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/error.h"
#include "net/tls_session.h"

enum { TEXT_BYTES = 256, NAMES_MAX = 3 };

static const char *peer_word(const jh_tls *tls) {
  return tls->is_server ? "client" : "server";
}

static void clean(char *text) {
  for (; *text; text++) {
    if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = '?';
  }
}

void jh_tls_complain(jh_tls *tls, const char *format, ...) {
  char text[JH_TLS_REASON_BYTES];
  va_list args;
  if (tls->reason) return;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  clean(text);
  size_t bytes = strlen(text) + 1;
  tls->reason = jh_try_alloc(bytes);
  if (tls->reason) memcpy(tls->reason, text, bytes);
}

/* ---- certificates ---- */

static void append(char *text, const char *separator, const char *bytes, int len) {
  size_t have = strlen(text);
  snprintf(text + have, TEXT_BYTES - have, "%s%.*s", have ? separator : "", len, bytes);
}

void jh_tls_write_subject(X509_NAME *name, char *out, size_t out_bytes) {
  int at = name ? X509_NAME_get_index_by_NID(name, NID_commonName, -1) : -1;
  out[0] = '\0';
  if (at >= 0) {
    const ASN1_STRING *cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    snprintf(out, out_bytes, "CN=%.*s", ASN1_STRING_length(cn),
             (const char *)ASN1_STRING_get0_data(cn));
  } else if (name) {
    X509_NAME_oneline(name, out, (int)out_bytes);
  }
  if (!out[0]) snprintf(out, out_bytes, "without a name");
}

static void write_subject(X509_NAME *name, char *out) {
  jh_tls_write_subject(name, out, TEXT_BYTES);
}

static void append_address(char *out, const ASN1_OCTET_STRING *address) {
  char text[64];
  const unsigned char *bytes = ASN1_STRING_get0_data(address);
  int len = ASN1_STRING_length(address);
  if (len != 4 && len != 16) return;
  if (uv_inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text) < 0) return;
  append(out, ", ", text, (int)strlen(text));
}

/* The names a certificate is for: "example.org, www.example.org and 3 more". */
static void write_names(X509 *cert, char *out) {
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  int count = names ? sk_GENERAL_NAME_num(names) : 0;
  out[0] = '\0';
  for (int i = 0; i < count && i < NAMES_MAX; i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) {
      append(out, ", ", (const char *)ASN1_STRING_get0_data(name->d.dNSName),
             ASN1_STRING_length(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      append_address(out, name->d.iPAddress);
    }
  }
  if (count > NAMES_MAX) {
    char more[32];
    snprintf(more, sizeof more, " and %d more", count - NAMES_MAX);
    append(out, "", more, (int)strlen(more));
  }
  GENERAL_NAMES_free(names);
  if (!out[0]) write_subject(X509_get_subject_name(cert), out);
}

/* "3 days", from now to `time` or the other way round. */
static void write_distance(const ASN1_TIME *time, char *out) {
  int days = 0, seconds = 0;
  ASN1_TIME_diff(&days, &seconds, NULL, time);
  if (days < 0) days = -days;
  if (seconds < 0) seconds = -seconds;
  int amount = days ? days : seconds >= 3600 ? seconds / 3600 : seconds / 60;
  const char *unit = days ? "day" : seconds >= 3600 ? "hour" : "minute";
  snprintf(out, TEXT_BYTES, "%d %s%s", amount, unit, amount == 1 ? "" : "s");
}

static bool is_unknown_authority(int error) {
  return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
         error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
         error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || error == X509_V_ERR_CERT_UNTRUSTED;
}

static void complain_of_certificate(jh_tls *tls, X509_STORE_CTX *store) {
  int error = X509_STORE_CTX_get_error(store);
  X509 *cert = X509_STORE_CTX_get_current_cert(store);
  char subject[TEXT_BYTES] = "", text[TEXT_BYTES] = "";
  const char *what = X509_STORE_CTX_get_error_depth(store) > 0 ? "authority's certificate"
                     : tls->is_server                          ? "client certificate"
                                                               : "certificate";
  if (!cert) {
    jh_tls_complain(tls, "certificate is not accepted: %s", X509_verify_cert_error_string(error));
    return;
  }
  write_subject(X509_get_subject_name(cert), subject);
  if (error == X509_V_ERR_CERT_HAS_EXPIRED) {
    write_distance(X509_get0_notAfter(cert), text);
    jh_tls_complain(tls, "%s expired %s ago (%s)", what, text, subject);
  } else if (error == X509_V_ERR_CERT_NOT_YET_VALID) {
    write_distance(X509_get0_notBefore(cert), text);
    jh_tls_complain(tls, "%s is not valid yet, only in %s (%s)", what, text, subject);
  } else if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    write_names(cert, text);
    jh_tls_complain(tls, "certificate is for %s, not for %.*s", text, tls->name_len, tls->peer);
  } else if (error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT) {
    jh_tls_complain(tls, "%s is signed by an unknown authority (self-signed, %s)", what, subject);
  } else if (error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN) {
    jh_tls_complain(tls, "certificate is signed by an unknown authority (%s)", subject);
  } else if (is_unknown_authority(error)) {
    write_subject(X509_get_issuer_name(cert), text);
    jh_tls_complain(tls, "certificate is signed by an unknown authority (%s)", text);
  } else {
    jh_tls_complain(tls, "%s is not accepted: %s (%s)", what, X509_verify_cert_error_string(error),
                    subject);
  }
}

int jh_tls_on_verify(int is_ok, X509_STORE_CTX *store) {
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  if (!is_ok && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
    complain_of_certificate(SSL_get_app_data(ssl), store);
  }
  return is_ok;
}

/* ---- everything else ---- */

/* What the other side said with an alert. NULL: nothing better than OpenSSL's own text. */
static const char *alert_text(const jh_tls *tls, int reason) {
  switch (reason) {
  case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    return "no protocol version in common";
  case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    return "the server demands a client certificate";
  case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    return tls->is_server ? "the client does not know the authority that signed our certificate"
                          : "the server does not know the authority that signed our certificate";
  case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    return tls->is_server
               ? "the client refused the handshake"
               : "the server refused the handshake: no cipher in common, or it demands a client "
                 "certificate";
  case SSL_R_TLSV1_UNRECOGNIZED_NAME:
    return "the server has no certificate for that name";
  case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    return tls->is_server ? "the client says that our certificate has expired"
                          : "the server says that our certificate has expired";
  case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
  case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
  case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    return tls->is_server ? "the client does not accept our certificate"
                          : "the server does not accept our certificate";
  case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    return "our certificate is revoked";
  default:
    return NULL;
  }
}

/* What we found wrong. */
static const char *local_text(const jh_tls *tls, int reason) {
  switch (reason) {
  case SSL_R_WRONG_VERSION_NUMBER:
    if (tls->has_shaken) return NULL;
    return tls->is_server ? "the client does not speak TLS" : "the server does not speak TLS";
  case SSL_R_HTTP_REQUEST:
  case SSL_R_HTTPS_PROXY_REQUEST:
    return "the client speaks plain HTTP";
  case SSL_R_UNSUPPORTED_PROTOCOL:
  case SSL_R_VERSION_TOO_LOW:
  case SSL_R_VERSION_TOO_HIGH:
  case SSL_R_NO_PROTOCOLS_AVAILABLE:
    return "no protocol version in common";
  case SSL_R_NO_SHARED_CIPHER:
  case SSL_R_NO_CIPHERS_AVAILABLE:
  case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
  case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    return "no cipher in common";
  case SSL_R_NO_SUITABLE_KEY_SHARE:
  case SSL_R_NO_SUITABLE_GROUPS:
    return "no key exchange in common";
  case SSL_R_NO_APPLICATION_PROTOCOL:
    return "no application protocol in common (ALPN)";
  case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    return "the client sent no certificate";
  case SSL_R_DH_KEY_TOO_SMALL:
  case SSL_R_EE_KEY_TOO_SMALL:
    return "the key of the other side is too short to be safe";
  case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    return "a record was damaged on its way";
  case SSL_R_CERTIFICATE_VERIFY_FAILED:
    return "certificate is not accepted";
  default:
    return NULL;
  }
}

static int fail_by_protocol(jh_tls *tls) {
  unsigned long code = ERR_peek_error();
  int reason = ERR_GET_REASON(code);
  if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    jh_tls_complain(tls, "the %s closed the connection %s", peer_word(tls),
                    tls->has_shaken ? "without a close_notify: what it sent may be cut short"
                                    : "during the TLS handshake");
    return JH_ECLOSED;
  }
  const char *text = alert_text(tls, reason);
  if (!text) text = local_text(tls, reason);
  if (text) {
    jh_tls_complain(tls, "%s", text);
  } else {
    const char *own = ERR_reason_error_string(code);
    jh_tls_complain(tls, "TLS failed: %s", own ? own : "for an unknown reason");
  }
  return JH_EPROTO;
}

int jh_tls_fail(jh_tls *tls, int result) {
  int system_error = errno;
  int kind = SSL_get_error(tls->ssl, result);
  switch (kind) {
  case SSL_ERROR_WANT_READ:
    tls->wants = UV_READABLE;
    return JH_EWAIT;
  case SSL_ERROR_WANT_WRITE:
    tls->wants = UV_WRITABLE;
    return JH_EWAIT;
  case SSL_ERROR_WANT_X509_LOOKUP:
    tls->wants = 0;
    return JH_EWAIT;
  case SSL_ERROR_ZERO_RETURN:
    return 0;
  default:
    break;
  }
  tls->has_failed = true;
  int error = JH_ECLOSED;
  if (kind == SSL_ERROR_SSL) {
    error = fail_by_protocol(tls);
  } else if (kind == SSL_ERROR_SYSCALL && system_error) {
    error = -system_error;
    jh_tls_complain(tls, "%s%s", jh_strerror(error),
                    tls->has_shaken ? "" : " during the TLS handshake");
  } else {
    jh_tls_complain(tls, "the %s closed the connection", peer_word(tls));
  }
  ERR_clear_error();
  return error;
}
