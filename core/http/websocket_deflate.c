/* websocket_deflate.c: parameters of the extension, and zlib's raw deflate around messages.
 *
 * A sender flushes at the end of a message and leaves the last four bytes of the flush, 00 00 ff
 * ff, away; a receiver puts them back (RFC 7692 §7.2). A block marked as the last of its stream may
 * be followed by more: the stream is begun anew with the window it had. */
#include "http/websocket_deflate.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/str.h"
#include "http/token.h"

enum {
  WRITER_BITS_MIN = 9,
  MEMORY_LEVEL = 8,
  TAIL_BYTES = 4,
  FLUSH_BYTES = 16,     /* what a flush adds to deflateBound() */
  BETWEEN_BLOCKS = 128, /* of z_stream.data_type: a block has just ended */
  OFFERS_MAX = 16       /* of a client, that are looked at */
};

static const uint8_t tail[TAIL_BYTES] = {0x00, 0x00, 0xff, 0xff};

/* ---- parameters ---- */

/* One extension as it was sent. */
typedef struct parameters {
  int server_bits, client_bits; /* 0: not named; -1: named without a value */
  bool has_server_bits, has_client_bits;
  bool server_no_takeover, client_no_takeover;
} parameters;

/* Takes the text before the next separator off *rest; quoted text is passed over. */
static jh_str take_until(jh_str *rest, char separator) {
  bool is_quoted = false;
  size_t len = 0;
  while (len < rest->len && (is_quoted || rest->ptr[len] != separator)) {
    if (rest->ptr[len] == '"') is_quoted = !is_quoted;
    len++;
  }
  jh_str part = jh_str_trim((jh_str){rest->ptr, len});
  size_t used = len + (len < rest->len);
  *rest = (jh_str){rest->ptr + used, rest->len - used};
  return part;
}

/* 8 to 15 without a leading zero, perhaps in quotes; 0 for anything else. */
static int parse_bits(jh_str value) {
  uint64_t bits;
  if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
    value = (jh_str){value.ptr + 1, value.len - 2};
  }
  if (value.len == 0 || value.ptr[0] == '0' || jh_str_parse_u64(value, &bits) != 0) return 0;
  return bits >= JH_WEBSOCKET_BITS_MIN && bits <= JH_WEBSOCKET_BITS_MAX ? (int)bits : 0;
}

static bool set_flag(bool *flag, bool has_value) {
  if (*flag || has_value) return false;
  *flag = true;
  return true;
}

static bool set_bits(int *bits, bool *has_bits, bool has_value, jh_str value) {
  if (*has_bits) return false;
  *has_bits = true;
  *bits = has_value ? parse_bits(value) : -1;
  return *bits != 0;
}

/* False when a parameter is unknown, comes twice or has a value that it cannot have. */
static bool read_parameter(jh_str text, parameters *into) {
  jh_str value = text;
  bool has_value = memchr(text.ptr, '=', text.len) != NULL;
  jh_str name = take_until(&value, '=');
  value = jh_str_trim(value);
  if (jh_str_equal_nocase(name, JH_STR("server_no_context_takeover"))) {
    return set_flag(&into->server_no_takeover, has_value);
  }
  if (jh_str_equal_nocase(name, JH_STR("client_no_context_takeover"))) {
    return set_flag(&into->client_no_takeover, has_value);
  }
  if (jh_str_equal_nocase(name, JH_STR("server_max_window_bits"))) {
    return has_value && set_bits(&into->server_bits, &into->has_server_bits, true, value);
  }
  if (jh_str_equal_nocase(name, JH_STR("client_max_window_bits"))) {
    return set_bits(&into->client_bits, &into->has_client_bits, has_value, value);
  }
  return false;
}

/* True when the extension is permessage-deflate; *is_valid when its parameters can be. */
static bool read_extension(jh_str text, parameters *into, bool *is_valid) {
  *into = (parameters){0};
  *is_valid = true;
  if (!jh_str_equal_nocase(take_until(&text, ';'), JH_STR("permessage-deflate"))) return false;
  while (text.len > 0 && *is_valid) *is_valid = read_parameter(take_until(&text, ';'), into);
  return true;
}

static uint8_t lower_of(int a, int b) {
  return (uint8_t)(a < b ? a : b);
}

static bool meet(const parameters *offer, const jh_websocket_deflate *wish,
                 jh_websocket_deflate *chosen) {
  int server_bits = offer->server_bits > 0 ? offer->server_bits : JH_WEBSOCKET_BITS_MAX;
  /* A client that does not say that it knows the parameter uses the largest window. */
  int client_bits = offer->client_bits > 0 ? offer->client_bits : JH_WEBSOCKET_BITS_MAX;
  if (server_bits < WRITER_BITS_MIN) return false;
  *chosen = (jh_websocket_deflate){
      .server_bits = lower_of(server_bits, wish->server_bits),
      .client_bits =
          lower_of(client_bits, offer->has_client_bits ? wish->client_bits : client_bits),
      .server_takes_over = wish->server_takes_over && !offer->server_no_takeover,
      .client_takes_over = wish->client_takes_over && !offer->client_no_takeover};
  if (chosen->server_bits < WRITER_BITS_MIN) chosen->server_bits = WRITER_BITS_MIN;
  return true;
}

bool jh_websocket_deflate_choose(jh_str offers, const jh_websocket_deflate *wish,
                                 jh_websocket_deflate *chosen) {
  for (int i = 0; i < OFFERS_MAX && offers.len > 0; i++) {
    parameters offer;
    bool is_valid;
    bool is_ours = read_extension(take_until(&offers, ','), &offer, &is_valid);
    if (is_ours && is_valid && meet(&offer, wish, chosen)) return true;
  }
  return false;
}

static size_t write_bits(char *out, size_t room, const char *name, int bits) {
  if (bits >= JH_WEBSOCKET_BITS_MAX) return 0;
  return (size_t)snprintf(out, room, "; %s_max_window_bits=%d", name, bits);
}

static size_t write_common(const jh_websocket_deflate *deflate, char *out, size_t room) {
  size_t len = (size_t)snprintf(out, room, "permessage-deflate%s%s",
                                deflate->server_takes_over ? "" : "; server_no_context_takeover",
                                deflate->client_takes_over ? "" : "; client_no_context_takeover");
  return len + write_bits(out + len, room - len, "server", deflate->server_bits);
}

size_t jh_websocket_deflate_write_answer(const jh_websocket_deflate *chosen,
                                         char out[JH_WEBSOCKET_EXTENSION_BYTES]) {
  size_t len = write_common(chosen, out, JH_WEBSOCKET_EXTENSION_BYTES);
  size_t room = JH_WEBSOCKET_EXTENSION_BYTES - len;
  return len + write_bits(out + len, room, "client", chosen->client_bits);
}

size_t jh_websocket_deflate_write_offer(const jh_websocket_deflate *wish,
                                        char out[JH_WEBSOCKET_EXTENSION_BYTES]) {
  size_t len = write_common(wish, out, JH_WEBSOCKET_EXTENSION_BYTES);
  size_t room = JH_WEBSOCKET_EXTENSION_BYTES - len;
  if (wish->client_bits < JH_WEBSOCKET_BITS_MAX) {
    return len + write_bits(out + len, room, "client", wish->client_bits);
  }
  return len + (size_t)snprintf(out + len, room, "; client_max_window_bits");
}

int jh_websocket_deflate_read_answer(jh_str answer, const jh_websocket_deflate *wish,
                                     jh_websocket_deflate *chosen) {
  parameters agreed;
  bool is_valid;
  if (jh_str_trim(answer).len == 0) return 0;
  bool is_ours = read_extension(take_until(&answer, ','), &agreed, &is_valid);
  if (!is_ours || !is_valid || answer.len > 0 || agreed.client_bits < 0) return JH_EPROTO;
  if (!wish->server_takes_over && !agreed.server_no_takeover) return JH_EPROTO;
  int server_bits = agreed.server_bits > 0 ? agreed.server_bits : JH_WEBSOCKET_BITS_MAX;
  int client_bits = agreed.client_bits > 0 ? agreed.client_bits : JH_WEBSOCKET_BITS_MAX;
  if (server_bits > wish->server_bits) return JH_EPROTO;
  *chosen = (jh_websocket_deflate){.server_bits = (uint8_t)server_bits,
                                   .client_bits = lower_of(client_bits, wish->client_bits),
                                   .server_takes_over = !agreed.server_no_takeover,
                                   .client_takes_over =
                                       wish->client_takes_over && !agreed.client_no_takeover};
  /* zlib cannot write with the smallest window: its own messages are sent as they are then. */
  return 1;
}

/* ---- coders ---- */

struct jh_websocket_deflater {
  z_stream stream;
};

struct jh_websocket_inflater {
  z_stream stream;
};

static void *allocate(void *opaque, unsigned count, unsigned bytes) {
  (void)opaque;
  return jh_try_calloc(count, bytes);
}

static void release(void *opaque, void *memory) {
  (void)opaque;
  jh_free(memory);
}

static unsigned at_most(size_t bytes) {
  return bytes > UINT_MAX ? UINT_MAX : (unsigned)bytes;
}

jh_websocket_deflater *jh_websocket_deflater_try_new(int bits, int level) {
  jh_websocket_deflater *deflater = jh_try_calloc(1, sizeof(*deflater));
  if (deflater == NULL) return NULL;
  deflater->stream.zalloc = allocate;
  deflater->stream.zfree = release;
  int window_bits = bits < WRITER_BITS_MIN ? WRITER_BITS_MIN : bits;
  int result = deflateInit2(&deflater->stream, level, Z_DEFLATED, -window_bits, MEMORY_LEVEL,
                            Z_DEFAULT_STRATEGY);
  if (result == Z_OK) return deflater;
  jh_free(deflater);
  return NULL;
}

jh_websocket_inflater *jh_websocket_inflater_try_new(int bits) {
  jh_websocket_inflater *inflater = jh_try_calloc(1, sizeof(*inflater));
  if (inflater == NULL) return NULL;
  inflater->stream.zalloc = allocate;
  inflater->stream.zfree = release;
  if (inflateInit2(&inflater->stream, -bits) == Z_OK) return inflater;
  jh_free(inflater);
  return NULL;
}

void jh_websocket_deflater_free(jh_websocket_deflater *deflater) {
  if (deflater == NULL) return;
  deflateEnd(&deflater->stream);
  jh_free(deflater);
}

void jh_websocket_inflater_free(jh_websocket_inflater *inflater) {
  if (inflater == NULL) return;
  inflateEnd(&inflater->stream);
  jh_free(inflater);
}

void jh_websocket_deflater_reset(jh_websocket_deflater *deflater) {
  deflateReset(&deflater->stream);
}

void jh_websocket_inflater_reset(jh_websocket_inflater *inflater) {
  inflateReset(&inflater->stream);
}

size_t jh_websocket_deflate_bound(jh_websocket_deflater *deflater, size_t len) {
  return deflateBound(&deflater->stream, (uLong)len) + FLUSH_BYTES;
}

ssize_t jh_websocket_deflate_piece(jh_websocket_deflater *deflater, jh_str piece, char *out,
                                   size_t room, bool is_last) {
  z_stream *stream = &deflater->stream;
  if (piece.len > UINT_MAX || room < jh_websocket_deflate_bound(deflater, piece.len)) {
    return JH_ENOMEM;
  }
  stream->next_in = (Bytef *)(uintptr_t)piece.ptr; /* not const, and not written */
  stream->avail_in = (unsigned)piece.len;
  stream->next_out = (Bytef *)out;
  stream->avail_out = at_most(room);
  int result = deflate(stream, Z_SYNC_FLUSH);
  if ((result != Z_OK && result != Z_BUF_ERROR) || stream->avail_out == 0) return JH_ENOMEM;
  size_t written = at_most(room) - stream->avail_out;
  if (!is_last) return (ssize_t)written;
  /* Nothing new since the last flush: an empty block, as much of it as is sent. */
  if (written < TAIL_BYTES) {
    out[0] = 0;
    return 1;
  }
  return (ssize_t)(written - TAIL_BYTES);
}

/* Moves on as far as input and room go. Z_OK, or what stopped it. */
static int inflate_some(z_stream *stream, jh_coding_io *io) {
  for (;;) {
    stream->next_in = (Bytef *)(uintptr_t)io->input;
    stream->avail_in = at_most(io->input_bytes);
    stream->next_out = (Bytef *)io->output;
    stream->avail_out = at_most(io->output_bytes);
    int result = inflate(stream, Z_SYNC_FLUSH);
    io->input_bytes -= (size_t)((const char *)stream->next_in - io->input);
    io->input = (const char *)stream->next_in;
    io->output_bytes -= (size_t)((char *)stream->next_out - io->output);
    io->output = (char *)stream->next_out;
    if (result == Z_STREAM_END) result = inflateResetKeep(stream);
    if (result == Z_BUF_ERROR) return Z_OK;
    if (result != Z_OK || io->input_bytes == 0 || io->output_bytes == 0) return result;
  }
}

int jh_websocket_inflate_piece(jh_websocket_inflater *inflater, jh_coding_io *io, bool is_last) {
  z_stream *stream = &inflater->stream;
  /* Without input too: output of what came before may still be waiting for room. */
  int result = inflate_some(stream, io);
  if (result == Z_MEM_ERROR) return JH_ENOMEM;
  if (result != Z_OK) return JH_EPROTO;
  if (io->output_bytes == 0) return JH_CODING_FULL;
  if (io->input_bytes > 0) return JH_EPROTO;
  if (!is_last) return JH_CODING_DONE;
  /* With room left all output is out, so the tail, which is an empty block, makes none. */
  jh_coding_io end = {
      .input = (const char *)tail,
      .input_bytes = TAIL_BYTES,
      .output = io->output,
      .output_bytes = io->output_bytes,
  };
  result = inflate_some(stream, &end);
  if (result == Z_MEM_ERROR) return JH_ENOMEM;
  bool is_whole = result == Z_OK && end.input_bytes == 0 && end.output_bytes == io->output_bytes &&
                  (stream->data_type & BETWEEN_BLOCKS);
  return is_whole ? JH_CODING_DONE : JH_EPROTO;
}
