/* file_path.c: parts of paths, and how a hash differs from a word.
 *
 * Bundlers write hashes as 8 or more hexadecimal digits or as base62 with capitals, small letters
 * and digits mixed. In words and numbers letters stand beside letters of their kind and digits
 * beside digits; in a hash the kind changes more often than not. */
#include "http/file_path.h"

#include <string.h>

#include "base/str.h"

static bool is_part_allowed(jh_str part, bool allows_dotfiles) {
  if (part.len == 0) return false;
  if (part.ptr[0] != '.') return true;
  if (part.len == 1 || (part.len == 2 && part.ptr[1] == '.')) return false;
  return allows_dotfiles || jh_str_equal(part, JH_STR(".well-known"));
}

bool jh_file_path_is_allowed(jh_str path, bool allows_dotfiles) {
  if (path.len > JH_FILE_PATH_MAX_BYTES) return false;
  if (path.len == 0) return true;
  if (memchr(path.ptr, '\0', path.len)) return false;
  size_t from = 0;
  while (from < path.len) {
    const char *slash = memchr(path.ptr + from, '/', path.len - from);
    size_t end = slash ? (size_t)(slash - path.ptr) : path.len;
    if (!is_part_allowed((jh_str){path.ptr + from, end - from}, allows_dotfiles)) return false;
    from = end + 1;
  }
  return true;
}

/* ---- fingerprints ---- */

enum { HASH_BYTES_MIN = 8, HASH_BYTES_MAX = 64 };

typedef enum byte_kind { OTHER = 0, DIGIT, SMALL, CAPITAL } byte_kind;

static byte_kind kind_of(char byte) {
  if (byte >= '0' && byte <= '9') return DIGIT;
  if (byte >= 'a' && byte <= 'z') return SMALL;
  if (byte >= 'A' && byte <= 'Z') return CAPITAL;
  return OTHER;
}

static bool is_hash(jh_str part) {
  if (part.len < HASH_BYTES_MIN || part.len > HASH_BYTES_MAX) return false;
  uint32_t counts[4] = {0};
  size_t changes = 0;
  bool is_hex = true;
  for (size_t i = 0; i < part.len; i++) {
    byte_kind kind = kind_of(part.ptr[i]);
    counts[kind]++;
    if (i > 0 && kind != kind_of(part.ptr[i - 1])) changes++;
    if (kind == CAPITAL || (kind == SMALL && part.ptr[i] > 'f')) is_hex = false;
  }
  if (counts[OTHER] || !counts[DIGIT] || !counts[SMALL]) return false;
  if (is_hex) return changes > 1;
  return counts[CAPITAL] && 2 * changes > part.len - 1;
}

static bool is_asset_extension(jh_str extension) {
  static const char *const known[] = {"js",  "mjs", "css",  "map",  "wasm", "woff", "woff2", "ttf",
                                      "otf", "eot", "svg",  "png",  "jpg",  "jpeg", "gif",   "webp",
                                      "ico", "mp4", "webm", "avif", "mp3",  "jxl"};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (jh_str_equal(extension, jh_str_of(known[i]))) return true;
  }
  return false;
}

static bool is_separator(char byte) {
  return byte == '.' || byte == '-' || byte == '_';
}

/* True when the name holds a UUID: that names a thing, not what is in it. */
static bool has_uuid(jh_str name) {
  static const uint8_t dashes[] = {8, 13, 18, 23};
  for (size_t from = 0; from + 36 <= name.len; from++) {
    size_t found = 0;
    for (size_t i = 0; i < sizeof dashes; i++) found += name.ptr[from + dashes[i]] == '-';
    if (found == sizeof dashes) return true;
  }
  return false;
}

bool jh_file_path_is_fingerprinted(jh_str path) {
  const char *slash = path.len ? memrchr(path.ptr, '/', path.len) : NULL;
  size_t name_off = slash ? (size_t)(slash - path.ptr) + 1 : 0;
  jh_str name = {path.ptr + name_off, path.len - name_off};
  const char *dot = name.len ? memrchr(name.ptr, '.', name.len) : NULL;
  if (!dot || !is_asset_extension((jh_str){dot + 1, (size_t)(name.ptr + name.len - dot) - 1})) {
    return false;
  }
  jh_str stem = {name.ptr, (size_t)(dot - name.ptr)};
  if (has_uuid(stem)) return false;
  size_t from = 0;
  for (size_t i = 0; i <= stem.len; i++) {
    if (i < stem.len && !is_separator(stem.ptr[i])) continue;
    /* The first part is the name. */
    if (from > 1 && is_hash((jh_str){stem.ptr + from, i - from})) return true;
    from = i + 1;
  }
  return false;
}
