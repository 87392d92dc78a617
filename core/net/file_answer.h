/* file_answer.h: what a request that a file answers gets: which status, which bytes, which fields.
 *
 * Decided when the handler names the file, so that middleware sees the status, and kept with the
 * ctx until the handler is done; then conn_file.c sends it. The file is held from the one to the
 * other, so what was decided and what is sent are the same state of the file. */
#ifndef JH_NET_FILE_ANSWER_H
#define JH_NET_FILE_ANSWER_H

#include "http/ctx.h"
#include "http/range.h"
#include "net/file_cache.h"

enum { JH_FILE_BOUNDARY_LEN = 32 };

typedef struct jh_file_answer {
  jh_cleanup cleanup;
  jh_ctx *ctx;
  jh_file *file;
  int status;       /* 200, 206 or 304 */
  jh_range_set set; /* 206: what is wanted */
  char boundary[JH_FILE_BOUNDARY_LEN];
} jh_file_answer;

/* Finds the file and decides. `status` is what the handler wants; anything but 200 gets the whole
 * file whatever the request says. Returns the status that the answer has: beside the three above
 * 412 and 416, for which there is no answer to send; or a negative code as jh_file_cache_find(). */
int jh_file_answer_prepare(jh_file_cache *cache, jh_ctx *ctx, jh_file_root *root, jh_str path,
                           int status, jh_file_info *info);

/* Forgets it; harmless when there is none. */
void jh_file_answer_drop(jh_ctx *ctx);

/* The field lines of the answer beside those that were set on the response, which win. ptr NULL
 * when out of memory; valid as long as the file and the ctx. */
jh_str jh_file_answer_fields(jh_ctx *ctx, const jh_file_answer *answer);

/* Length of its body; for 206 with several ranges with everything around them. */
uint64_t jh_file_answer_body_bytes(const jh_file_answer *answer);

/* What several ranges have in common. */
jh_range_parts jh_file_answer_parts(const jh_file_answer *answer);

#endif
