/* conn_file.h: what a connection needs while it sends a file: see conn_file.c. */
#ifndef JH_NET_CONN_FILE_H
#define JH_NET_CONN_FILE_H

#include "net/conn.h"
#include "net/file_answer.h"

/* A file on its way: what is left of the current range, and the ranges after it. It stands behind
 * everything in the connection's queue; nothing may be queued behind it. */
typedef struct jh_file_send {
  jh_file *file;
  uint64_t offset;           /* of the next byte */
  uint64_t left;             /* bytes of the current range */
  jh_file_answer *multipart; /* a copy, when there are several ranges; otherwise NULL */
  uint32_t next_range;       /* multipart: the range after the current one */
  bool has_ended;            /* multipart: what stands behind the last range is queued */
} jh_file_send;

/* See jh_ctx_send_file(). Releases the ctx when it returns 0. */
int jh_conn_respond_file(jh_conn *conn, jh_ctx *ctx, int status);

/* Writes the queue and as much of the file behind it as the kernel takes. True when all is written,
 * or the connection closed. */
bool jh_conn_write_file(jh_conn *conn);

/* The bytes to send when they are in memory and in one piece; ptr NULL otherwise. */
jh_str jh_conn_file_in_memory(const jh_file_answer *answer);

/* Puts the file of the answer behind the queue. False when memory is out. */
bool jh_conn_begin_file(jh_conn *conn, const jh_file_answer *answer);

/* The range before is sent: queues what stands between two ranges, and in memory the range itself.
 * 0 or JH_ENOMEM. */
int jh_conn_queue_next_range(jh_conn *conn, jh_file_send *send);

/* Lets go of the file. */
void jh_conn_drop_file(jh_conn *conn);

#endif
