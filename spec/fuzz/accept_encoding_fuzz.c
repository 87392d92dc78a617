/* accept_encoding_fuzz.c: chooses a content coding.
 *
 * The input is the field value. What must hold, whatever is available:
 *  - No byte outside the field is read (it is a block of its own under ASan).
 *  - The choice is available, and it stays when others that were not chosen are taken away.
 *  - The case of letters makes no difference.
 *  - A coding is never chosen once the field refuses it, and always when it asks for nothing else.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/accept_encoding.h"

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "accept_encoding_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static char *copy_of(const void *bytes, size_t len, size_t room) {
  char *copy = malloc(len + room > 0 ? len + room : 1);
  MUST(copy != NULL);
  if (len > 0) memcpy(copy, bytes, len);
  return copy;
}

static void check_choices(jh_str field, jh_str upper) {
  for (uint32_t available = 0; available < 1U << JH_CODING_COUNT; available++) {
    int choice = jh_accept_encoding_choose(field, available);
    MUST(choice == jh_accept_encoding_choose(upper, available));
    if (choice == JH_ENOTFOUND) continue;
    MUST(choice >= 0 && choice < JH_CODING_COUNT && (available & 1U << choice) != 0);
    for (int other = 0; other < JH_CODING_COUNT; other++) {
      uint32_t fewer = available & ~(1U << other);
      if (other != choice) MUST(jh_accept_encoding_choose(field, fewer) == choice);
    }
  }
}

static void check_refusal(jh_str field, int coding) {
  char tail[32];
  const char *name =
      coding == JH_CODING_IDENTITY ? "identity" : jh_accept_encoding_name(coding).ptr;
  int tail_len = snprintf(tail, sizeof(tail), ",%s;q=0", name);
  char *text = copy_of(field.ptr, field.len, (size_t)tail_len);
  memcpy(text + field.len, tail, (size_t)tail_len);
  jh_str refusing = {text, field.len + (size_t)tail_len};
  for (uint32_t available = 0; available < 1U << JH_CODING_COUNT; available++) {
    MUST(jh_accept_encoding_choose(refusing, available) != coding);
  }
  free(text);
  jh_str alone = {tail + 1, strlen(name)};
  MUST(jh_accept_encoding_choose(alone, (1U << JH_CODING_COUNT) - 1) == coding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  char *copy = copy_of(data, bytes, 0);
  char *upper = copy_of(data, bytes, 0);
  for (size_t i = 0; i < bytes; i++) {
    if (upper[i] >= 'a' && upper[i] <= 'z') upper[i] = (char)(upper[i] - 32);
  }
  jh_str field = {copy, bytes};
  check_choices(field, (jh_str){upper, bytes});
  for (int coding = 0; coding < JH_CODING_COUNT; coding++) check_refusal(field, coding);
  free(upper);
  free(copy);
  return 0;
}
