/* websocket_frame.h: WebSocket frames (RFC 6455 §5) as bytes in memory: written, read and judged.
 *
 * A reader is given what was received, from where it stopped, and hands out what lies there:
 * control frames whole, payload of messages in pieces, unmasked in place. It holds every rule of
 * the protocol, so that whoever uses it only has to move bytes: order of fragments, reserved bits,
 * opcodes, lengths in their shortest form, masks, limits, UTF-8, close codes. It keeps no bytes
 * itself; the same reader serves both sides.
 *
 * net/websocket.c is the user. websocket_deflate.h has what RFC 7692 adds. */
#ifndef JH_HTTP_WEBSOCKET_FRAME_H
#define JH_HTTP_WEBSOCKET_FRAME_H

#include "base/utf8.h"

/* ==== cdef: begin ==== */

typedef enum jh_websocket_opcode {
  JH_WEBSOCKET_CONTINUATION = 0,
  JH_WEBSOCKET_TEXT = 1,
  JH_WEBSOCKET_BINARY = 2,
  JH_WEBSOCKET_CLOSE = 8,
  JH_WEBSOCKET_PING = 9,
  JH_WEBSOCKET_PONG = 10
} jh_websocket_opcode;

/* Bits of a frame's first byte, beside the opcode. */
enum {
  JH_WEBSOCKET_FINAL = 0x80,
  JH_WEBSOCKET_COMPRESSED = 0x40, /* of a message's first frame */
  JH_WEBSOCKET_RESERVED = 0x30
};

/* Why a connection ends. */
typedef enum jh_websocket_code {
  JH_WEBSOCKET_NORMAL = 1000,
  JH_WEBSOCKET_GOING_AWAY = 1001,
  JH_WEBSOCKET_PROTOCOL_ERROR = 1002,
  JH_WEBSOCKET_NO_CODE = 1005,  /* never sent: the close frame had none */
  JH_WEBSOCKET_ABNORMAL = 1006, /* never sent: there was no close frame */
  JH_WEBSOCKET_INVALID_TEXT = 1007,
  JH_WEBSOCKET_POLICY = 1008,
  JH_WEBSOCKET_TOO_BIG = 1009,
  JH_WEBSOCKET_INTERNAL_ERROR = 1011,
  JH_WEBSOCKET_RESTART = 1012
} jh_websocket_code;

enum {
  JH_WEBSOCKET_HEAD_BYTES_MAX = 14,
  JH_WEBSOCKET_CONTROL_BYTES_MAX = 125, /* payload of a control frame */
  JH_WEBSOCKET_REASON_BYTES_MAX = 123   /* of a close frame, behind its code */
};

/* ---- writing ---- */

/* Writes the head of a frame; `first` is an opcode and the bits above. A client gives four random
 * bytes as its mask, a server NULL. Bytes written. */
size_t jh_websocket_write_head(char out[14], uint8_t first, uint64_t payload_bytes,
                               const uint8_t *mask);

/* Masks, or unmasks, in place. `mask` is its four bytes as they lie in memory; returned is the one
 * for what follows. */
uint32_t jh_websocket_mask(char *bytes, size_t len, uint32_t mask);

/* Writes the payload of a close frame: nothing for JH_WEBSOCKET_NO_CODE. The reason is cut to what
 * fits, between two characters. Bytes written. */
size_t jh_websocket_write_close(char out[125], int code, jh_str reason);

/* True for a code that a close frame may hold. */
bool jh_websocket_code_is_valid(int code);

/* ---- reading ---- */

typedef struct jh_websocket_reader {
  uint64_t frame_left;        /* payload of the frame begun that was not handed out */
  uint64_t message_bytes;     /* payload of the message begun that was announced */
  uint64_t max_message_bytes; /* 0: no limit */
  uint64_t max_frame_bytes;   /* 0: no limit */
  const char *reason;         /* after an error: what was wrong; static, NUL-terminated */
  uint32_t mask;              /* for the payload that follows */
  uint16_t close_code;        /* after an error: the close code for it */
  jh_utf8_state utf8;
  uint8_t opcode;     /* of the message begun; 0: none */
  bool is_compressed; /* the message begun */
  bool is_in_frame;   /* between head and last byte of a frame of it */
  bool is_final;      /* that frame is the last */
  bool is_inside;     /* some of the message was handed out */
  bool is_client;     /* frames must come without a mask */
  bool takes_compressed;
} jh_websocket_reader;

typedef struct jh_websocket_event {
  uint8_t opcode; /* of a control frame, or of the message that this is a piece of */
  bool is_first;  /* pieces: the first, the last of its message */
  bool is_last;
  bool is_compressed;
  uint16_t close_code; /* of a close frame */
  char *ptr;           /* the payload, where it was received; of a close frame its reason */
  size_t len;
} jh_websocket_event;

/* Zeroes it but for the limits that are given. */
void jh_websocket_reader_init(jh_websocket_reader *reader, uint64_t max_message_bytes,
                              uint64_t max_frame_bytes);

/* Takes the next event off the `len` bytes at `data`; *used is how many of them are done with. 1;
 * 0 when more bytes are needed, behind those that were not used (less than a control frame and its
 * head); JH_EPROTO or JH_ELIMIT, with close_code and reason set: nothing may be read any more. */
int jh_websocket_reader_next(jh_websocket_reader *reader, char *data, size_t len, size_t *used,
                             jh_websocket_event *event);

/* Judges text that was compressed, piece by piece; the reader does so for what was not. 0 or
 * JH_EPROTO as above. */
int jh_websocket_reader_check_text(jh_websocket_reader *reader, jh_str piece, bool is_last);

/* Notes an error, for whoever finds one in what the reader cannot see. Returns `error`. */
int jh_websocket_reader_fail(jh_websocket_reader *reader, int error, int close_code,
                             const char *reason);

/* ==== cdef: end ==== */

#endif
