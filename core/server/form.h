/* form.h: a multipart body as Lua pulls it: the parser of http/multipart.h, fed from a request.
 *
 * Declared in justhttp.h; here is what it is made of. The body is read into a buffer of its own,
 * 64 KiB at a time, and its content is shown where it lies there: nothing is copied but by whoever
 * keeps it. A body that is whole in memory is shown where it is. */
#ifndef JH_SERVER_FORM_H
#define JH_SERVER_FORM_H

#include "http/ctx.h"
#include "http/filename.h"
#include "http/multipart.h"

struct jh_form {
  jh_cleanup cleanup;
  jh_ctx *ctx;
  jh_form_limits limits;
  const char *at; /* input that the parser has not seen */
  size_t left;
  char *buffer;  /* what the body is read into; NULL when it is in memory */
  jh_str data;   /* content that was not asked for yet */
  bool is_open;  /* there is a part */
  bool is_file;  /* and it has a file name */
  bool is_last;  /* the final boundary was seen */
  bool is_ended; /* and the end of the body */
  int error;     /* sticky */
  const char *reason;
  uint32_t file_count;
  uint64_t part_bytes, total_bytes;
  jh_multipart_event part;
  size_t filename_len;
  char filename[JH_FILENAME_BYTES_MAX];
  jh_multipart multipart;
};

#endif
