/* chunk_scanner.c: the chunked coding as a state machine, one byte per step.
 *
 * chunked-body = *chunk last-chunk trailer-section CRLF. Chunk data is skipped as a whole, so the
 * steps are spent on size lines and trailers only. Every limit is checked at the byte that breaks
 * it, and sizes at the byte that ends them: where the input is cut makes no difference. */
#include "http/chunk_scanner.h"

#include <string.h>

#include "base/str.h"
#include "http/token.h"

typedef enum chunk_state {
  SIZE_FIRST, /* a size begins */
  SIZE,
  EXTENSION_SPACE, /* white space that only ';' may follow */
  EXTENSION_NAME_FIRST,
  EXTENSION_NAME,
  EXTENSION_NAME_END, /* white space after a name */
  EXTENSION_VALUE_FIRST,
  EXTENSION_VALUE,
  EXTENSION_QUOTED,
  EXTENSION_ESCAPE,
  EXTENSION_QUOTED_END,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER_FIRST, /* a trailer line or the end begins */
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  END_LF,
  ENDED
} chunk_state;

enum { SIZE_DIGITS_MAX = 16 };

void jh_chunk_scanner_init(jh_chunk_scanner *scanner) {
  *scanner = (jh_chunk_scanner){0};
}

static int fail(jh_chunk_scanner *scanner, uint16_t status, const char *reason) {
  scanner->status = status;
  scanner->reason = reason;
  return JH_EPROTO;
}

static int bad(jh_chunk_scanner *scanner, const char *reason) {
  return fail(scanner, 400, reason);
}

static unsigned hex_value(char digit) {
  return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)((digit | 0x20) - 'a' + 10);
}

static bool is_space(char byte) {
  return byte == ' ' || byte == '\t';
}

/* ---- size and extensions ---- */

/* The size is complete: it has to fit into what the body may still grow. */
static int end_size(jh_chunk_scanner *scanner, const jh_chunk_limits *limits, chunk_state next) {
  uint64_t max = limits->max_body_bytes;
  if (scanner->body_bytes > max || scanner->size > max - scanner->body_bytes) {
    return fail(scanner, 413, "body too large");
  }
  scanner->body_bytes += scanner->size;
  scanner->state = next;
  return 0;
}

static int step_size(jh_chunk_scanner *scanner, const jh_chunk_limits *limits, char byte) {
  if (jh_token_byte_is(byte, JH_BYTE_HEX)) {
    /* Below 2^63 sizes cannot overflow here, nor in http-parser, which may not fail before this. */
    bool is_too_large = scanner->size >> 59 != 0;
    if (is_too_large || ++scanner->digits > SIZE_DIGITS_MAX) {
      return bad(scanner, "chunk size too large");
    }
    scanner->size = scanner->size << 4 | hex_value(byte);
    scanner->state = SIZE;
    return 0;
  }
  if (scanner->state == SIZE_FIRST) return bad(scanner, "bad chunk size");
  if (byte == '\r') return end_size(scanner, limits, SIZE_LF);
  if (byte == ';') return end_size(scanner, limits, EXTENSION_NAME_FIRST);
  if (is_space(byte)) return end_size(scanner, limits, EXTENSION_SPACE);
  return bad(scanner, "bad chunk size");
}

/* Where a byte leads that does not continue a name, a value or a quoted string, or -1. */
static int after_extension_part(chunk_state state, char byte) {
  if (byte == ';') return EXTENSION_NAME_FIRST;
  bool is_name = state == EXTENSION_NAME || state == EXTENSION_NAME_END;
  if (is_name && byte == '=') return EXTENSION_VALUE_FIRST;
  if (is_space(byte)) return is_name ? EXTENSION_NAME_END : EXTENSION_SPACE;
  bool may_end = state != EXTENSION_SPACE && state != EXTENSION_NAME_END;
  return may_end && byte == '\r' ? SIZE_LF : -1;
}

static int next_extension_state(chunk_state state, char byte) {
  bool is_token = jh_token_byte_is(byte, JH_BYTE_TOKEN);
  bool is_value = jh_token_byte_is(byte, JH_BYTE_VALUE);
  switch (state) {
  case EXTENSION_NAME_FIRST:
    if (is_space(byte)) return state;
    return is_token ? EXTENSION_NAME : -1;
  case EXTENSION_VALUE_FIRST:
    if (is_space(byte)) return state;
    if (byte == '"') return EXTENSION_QUOTED;
    return is_token ? EXTENSION_VALUE : -1;
  case EXTENSION_NAME:
  case EXTENSION_VALUE:
    return is_token ? (int)state : after_extension_part(state, byte);
  case EXTENSION_QUOTED:
    if (byte == '"') return EXTENSION_QUOTED_END;
    if (byte == '\\') return EXTENSION_ESCAPE;
    return is_value ? EXTENSION_QUOTED : -1;
  case EXTENSION_ESCAPE:
    return is_value ? EXTENSION_QUOTED : -1;
  default:
    return after_extension_part(state, byte);
  }
}

static int step_extension(jh_chunk_scanner *scanner, char byte) {
  if (++scanner->extension_bytes > JH_CHUNK_EXTENSION_BYTES_MAX) {
    return bad(scanner, "chunk extensions too long");
  }
  int next = next_extension_state((chunk_state)scanner->state, byte);
  if (next < 0) return bad(scanner, "bad chunk extension");
  scanner->state = (uint8_t)next;
  return 0;
}

/* ---- trailers ---- */

/* Fields that decide about framing, routing or the connection: in a trailer they come too late and
 * are there to make two readers disagree (RFC 9110 §6.5.1). */
static bool is_forbidden_trailer(jh_str name) {
  static const char *const forbidden[] = {"connection", "content-length",    "expect", "host", "te",
                                          "trailer",    "transfer-encoding", "upgrade"};
  for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
    if (jh_str_equal(name, jh_str_of(forbidden[i]))) return true;
  }
  return false;
}

static int step_trailer_name(jh_chunk_scanner *scanner, char byte) {
  if (jh_token_byte_is(byte, JH_BYTE_TOKEN)) {
    bool is_upper = byte >= 'A' && byte <= 'Z';
    if (scanner->name_len < JH_CHUNK_TRAILER_NAME_MAX) {
      scanner->name[scanner->name_len++] = (char)(is_upper ? byte | 0x20 : byte);
    }
    return 0;
  }
  if (byte != ':') return bad(scanner, "bad trailer name");
  if (is_forbidden_trailer(jh_str_make(scanner->name, scanner->name_len))) {
    return bad(scanner, "forbidden trailer field");
  }
  scanner->state = TRAILER_VALUE;
  return 0;
}

static int step_trailer(jh_chunk_scanner *scanner, const jh_chunk_limits *limits, char byte) {
  if (++scanner->trailer_bytes > limits->max_trailer_bytes) {
    return fail(scanner, 431, "trailers too large");
  }
  switch ((chunk_state)scanner->state) {
  case TRAILER_FIRST:
    if (!jh_token_byte_is(byte, JH_BYTE_TOKEN)) return bad(scanner, "bad trailer name");
    if (++scanner->trailer_count > limits->max_trailer_count) {
      return fail(scanner, 431, "too many trailers");
    }
    scanner->name_len = 0;
    scanner->state = TRAILER_NAME;
    return step_trailer_name(scanner, byte);
  case TRAILER_NAME:
    return step_trailer_name(scanner, byte);
  case TRAILER_VALUE:
    if (byte == '\r') {
      scanner->state = TRAILER_LF;
    } else if (!jh_token_byte_is(byte, JH_BYTE_VALUE)) {
      return bad(scanner, "bad byte in a trailer");
    }
    return 0;
  default:
    if (byte != '\n') return bad(scanner, "bare CR in a trailer");
    scanner->state = TRAILER_FIRST;
    return 0;
  }
}

/* ---- the coding ---- */

static int expect_byte(jh_chunk_scanner *scanner, char byte, char wanted, chunk_state next,
                       const char *reason) {
  if (byte != wanted) return bad(scanner, reason);
  scanner->state = (uint8_t)next;
  return 0;
}

static int end_size_line(jh_chunk_scanner *scanner, char byte) {
  if (byte != '\n') return bad(scanner, "bare CR after a chunk size");
  scanner->digits = 0;
  scanner->state = scanner->size > 0 ? DATA : TRAILER_FIRST;
  return 0;
}

static int step(jh_chunk_scanner *scanner, const jh_chunk_limits *limits, char byte) {
  switch ((chunk_state)scanner->state) {
  case SIZE_FIRST:
  case SIZE:
    return step_size(scanner, limits, byte);
  case SIZE_LF:
    return end_size_line(scanner, byte);
  case DATA_CR:
    return expect_byte(scanner, byte, '\r', DATA_LF, "no CRLF after chunk data");
  case DATA_LF:
    return expect_byte(scanner, byte, '\n', SIZE_FIRST, "no CRLF after chunk data");
  case END_LF:
    return expect_byte(scanner, byte, '\n', ENDED, "bare CR at the end of a chunked body");
  case TRAILER_FIRST:
    if (byte == '\r') {
      scanner->state = END_LF;
      return 0;
    }
    return step_trailer(scanner, limits, byte);
  case TRAILER_NAME:
  case TRAILER_VALUE:
  case TRAILER_LF:
    return step_trailer(scanner, limits, byte);
  case DATA:
  case ENDED:
    return bad(scanner, "bytes after the end of a chunked body");
  default:
    return step_extension(scanner, byte);
  }
}

/* What the run is that this byte belongs to. The CR that ends an extension is the coding's. */
static jh_chunk_run kind_of(const jh_chunk_scanner *scanner, char byte) {
  chunk_state state = (chunk_state)scanner->state;
  if (state == SIZE) return byte == ';' || is_space(byte) ? JH_CHUNK_DROP : JH_CHUNK_PASS;
  if (state >= EXTENSION_SPACE && state <= EXTENSION_QUOTED_END) {
    return byte == '\r' ? JH_CHUNK_PASS : JH_CHUNK_DROP;
  }
  if (state == TRAILER_FIRST) return byte == '\r' ? JH_CHUNK_PASS : JH_CHUNK_TRAILER;
  if (state >= TRAILER_NAME && state <= TRAILER_LF) return JH_CHUNK_TRAILER;
  return JH_CHUNK_PASS;
}

jh_chunk_run jh_chunk_scanner_next(jh_chunk_scanner *scanner, const jh_chunk_limits *limits,
                                   const char *data, size_t len, size_t *run_len) {
  jh_chunk_run kind = kind_of(scanner, data[0]);
  size_t at = 0;
  while (at < len && kind_of(scanner, data[at]) == kind) {
    if (scanner->state == DATA) {
      size_t take = len - at < scanner->size ? len - at : (size_t)scanner->size;
      scanner->size -= take;
      at += take;
      if (scanner->size == 0) scanner->state = DATA_CR;
      continue;
    }
    if (step(scanner, limits, data[at]) != 0) {
      *run_len = 0;
      return JH_CHUNK_ERROR;
    }
    at++;
    if (scanner->state == ENDED) {
      kind = JH_CHUNK_END;
      break;
    }
  }
  *run_len = at;
  return kind;
}

uint64_t jh_chunk_scanner_data_left(const jh_chunk_scanner *scanner) {
  return scanner->state == DATA ? scanner->size : 0;
}
