/* zip_fuzz.c: reads ZIP archives.
 *
 * The input is a file. What must hold:
 *  - No byte outside the file is read (it is a block of its own under ASan).
 *  - Every entry's name may be used, stands after the one before it, and is found by it.
 *  - Every entry's bytes lie within the file; what they inflate to is bounded. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/zip.h"

enum { EXTRACT_MAX_BYTES = 1 << 20 };

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "zip_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static void check_entry(const jh_zip *zip, size_t i, const char *data, size_t bytes) {
  const jh_zip_entry *entry = &zip->entries[i];
  MUST(jh_zip_name_is_allowed(entry->name));
  MUST(jh_zip_find(zip, entry->name) == entry);
  MUST(entry->file_offset <= bytes && entry->bytes.len <= bytes - entry->file_offset);
  MUST(entry->bytes.ptr == data + entry->file_offset);
  MUST(entry->is_deflated || entry->size == entry->bytes.len);
  if (entry->size > EXTRACT_MAX_BYTES) return;
  char *out = malloc(entry->size > 0 ? entry->size : 1);
  MUST(out != NULL);
  int result = jh_zip_extract(entry, out);
  MUST(result == 0 || result == JH_EINVAL || result == JH_ENOMEM);
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  char error[256] = "";
  jh_zip zip;
  int result = jh_zip_open(&zip, (const char *)data, bytes, error, sizeof error);
  if (result < 0) {
    MUST(strlen(error) > 0);
    return 0;
  }
  uint64_t inflated = 0;
  for (size_t i = 0; i < zip.count; i++) {
    check_entry(&zip, i, (const char *)data, bytes);
    if (zip.entries[i].is_deflated) inflated += zip.entries[i].size;
  }
  MUST(inflated <= JH_ZIP_MAX_INFLATED_BYTES);
  MUST(zip.start <= bytes);
  jh_zip_close(&zip);
  return 0;
}
