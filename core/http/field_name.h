/* field_name.h: telling the names of header fields and the members of lists apart, a word at a
 * time.
 *
 * framing.c and forwarding.c switch on the length of a name first, so the many that are of no
 * interest cost one switch, and compare what is left with these. They are for bytes that passed the
 * scanners: names are tokens and values have no control bytes, so setting bit 5 of every byte
 * lowers letters and cannot turn another byte into one of the bytes compared with. */
#ifndef JH_HTTP_FIELD_NAME_H
#define JH_HTTP_FIELD_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

/* Compares a name whose length is that of the lower-case literal, at least 4 bytes. */
#define JH_NAME_IS(name, lower) jh_field_name_is(name, lower, sizeof(lower) - 1)

/* The same for a member of a list. */
#define JH_MEMBER_IS(member, lower) \
  ((member).len == sizeof(lower) - 1 && JH_NAME_IS((member).ptr, lower))

static inline uint64_t jh_field_load_64(const char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

static inline uint32_t jh_field_load_32(const char *bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

/* `len` is a constant where this is called, so that it becomes two or three compares of words that
 * may overlap. */
static inline __attribute__((always_inline)) bool jh_field_name_is(const char *name,
                                                                   const char *lower, size_t len) {
  const uint64_t bit_5 = UINT64_C(0x2020202020202020);
  if (len < 8) {
    uint32_t first = (jh_field_load_32(name) | (uint32_t)bit_5) ^ jh_field_load_32(lower);
    uint32_t last =
        (jh_field_load_32(name + len - 4) | (uint32_t)bit_5) ^ jh_field_load_32(lower + len - 4);
    return (first | last) == 0;
  }
  uint64_t difference =
      (jh_field_load_64(name + len - 8) | bit_5) ^ jh_field_load_64(lower + len - 8);
  for (size_t at = 0; at + 8 <= len; at += 8) {
    difference |= (jh_field_load_64(name + at) | bit_5) ^ jh_field_load_64(lower + at);
  }
  return difference == 0;
}

/* Takes the next member off a comma-separated list; empty members are skipped (RFC 9110 §5.6.1).
 * False at the end. */
static inline bool jh_field_next_member(jh_str *list, jh_str *member) {
  while (list->len > 0) {
    const char *comma = memchr(list->ptr, ',', list->len);
    size_t len = comma != NULL ? (size_t)(comma - list->ptr) : list->len;
    size_t taken = comma != NULL ? len + 1 : len;
    *member = jh_str_trim(jh_str_make(list->ptr, len));
    list->ptr += taken;
    list->len -= taken;
    if (member->len > 0) return true;
  }
  return false;
}

#endif
