/* tls_info.h: what there is to know of a session, for ctx.tls. */
#ifndef JH_NET_TLS_INFO_H
#define JH_NET_TLS_INFO_H

#include "base/arena.h"
#include "net/tls.h"

/* Fills in everything; text that OpenSSL does not keep itself goes into the arena. 0 or
 * JH_ENOMEM. */
int jh_tls_describe(const jh_tls *tls, jh_arena *arena, jh_tls_info *info);

#endif
