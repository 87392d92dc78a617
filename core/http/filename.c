/* filename.c: the last path part, character by character, then its ends, its length, its meaning.
 *
 * What cannot be in a name is replaced by '_', what cannot be seen is left out: a name that reads
 * "invoice.pdf" must not be "invoice<right-to-left mark>fdp.exe". Both separators end a path
 * because browsers on Windows sent paths, whatever system this runs on. */
#include "http/filename.h"

#include <string.h>

#include "base/str.h"
#include "base/utf8.h"

/* Longest end of a name, from its last dot on, that survives when the name is cut. */
enum { EXTENSION_BYTES_MAX = 32 };

static jh_str last_part(jh_str path) {
  size_t from = path.len;
  while (from > 0 && path.ptr[from - 1] != '/' && path.ptr[from - 1] != '\\') from--;
  return (jh_str){path.ptr + from, path.len - from};
}

/* Control characters, marks that change the direction of text, and invisible separators. */
static bool is_invisible(uint32_t point) {
  static const struct {
    uint32_t first, last;
  } ranges[] = {{0x00, 0x1f},     {0x7f, 0x9f},      {0xad, 0xad},     {0x61c, 0x61c},
                {0x200b, 0x200f}, {0x2028, 0x202e},  {0x2060, 0x206f}, {0xfeff, 0xfeff},
                {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};
  for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
    if (point >= ranges[i].first && point <= ranges[i].last) return true;
  }
  return false;
}

static bool is_reserved_byte(char byte) {
  return byte != '\0' && strchr("<>:\"|?*/\\", byte) != NULL;
}

static bool is_end_byte(char byte) {
  return byte == '.' || byte == ' ';
}

typedef struct safe_name {
  char *text;
  size_t len;
} safe_name;

static void trim_end(safe_name *name) {
  while (name->len > 0 && is_end_byte(name->text[name->len - 1])) name->len--;
}

/* Copies what may stay of the text, at most `max` bytes of it; returns how much it read. Leading
 * dots and spaces go. */
static size_t clean(jh_str text, size_t max, safe_name *out) {
  size_t at = 0;
  out->len = 0;
  while (at < text.len) {
    uint32_t point = 0;
    size_t count = jh_utf8_decode(text.ptr + at, text.len - at, &point);
    bool is_replaced = count == 0 || (count == 1 && is_reserved_byte(text.ptr[at]));
    size_t write = is_replaced ? 1 : count;
    bool is_leading = out->len == 0 && is_end_byte(text.ptr[at]);
    if (is_leading || (count > 0 && is_invisible(point))) write = 0;
    if (out->len + write > max) break;
    if (write > 0) memcpy(out->text + out->len, is_replaced ? "_" : text.ptr + at, write);
    out->len += write;
    at += count == 0 ? 1 : count;
  }
  return at;
}

/* The text from its last dot on, cleaned, when it is short enough to be worth keeping. */
static void clean_extension(jh_str text, safe_name *out) {
  const char *dot = text.len == 0 ? NULL : memrchr(text.ptr, '.', text.len);
  out->len = 0;
  if (dot == NULL) return;
  safe_name tail = {out->text + 1, 0};
  jh_str rest = {dot + 1, text.len - (size_t)(dot + 1 - text.ptr)};
  bool is_whole = clean(rest, EXTENSION_BYTES_MAX - 1, &tail) == rest.len;
  trim_end(&tail);
  if (!is_whole || tail.len == 0) return;
  out->text[0] = '.';
  out->len = tail.len + 1;
}

/* Cleans the text into at most `max` bytes; a name that is too long keeps its extension. */
static void fit(jh_str text, size_t max, safe_name *out) {
  bool is_whole = clean(text, max, out) == text.len;
  if (!is_whole) {
    char room[EXTENSION_BYTES_MAX];
    safe_name extension = {room, 0};
    clean_extension(text, &extension);
    clean(text, max - extension.len, out);
    trim_end(out);
    memcpy(out->text + out->len, extension.text, extension.len);
    out->len += extension.len;
  }
  trim_end(out);
}

/* Windows opens a device for these, with any extension and in any directory. */
static bool is_device(const safe_name *name) {
  static const char *const devices[] = {"con", "prn", "aux", "nul", "conin$", "conout$"};
  const char *dot = memchr(name->text, '.', name->len);
  jh_str stem = {name->text, dot == NULL ? name->len : (size_t)(dot - name->text)};
  while (stem.len > 0 && stem.ptr[stem.len - 1] == ' ') stem.len--;
  for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
    if (jh_str_equal_nocase(stem, jh_str_of(devices[i]))) return true;
  }
  jh_str port = {stem.ptr, 3};
  if (stem.len < 4) return false;
  if (!jh_str_equal_nocase(port, JH_STR("com")) && !jh_str_equal_nocase(port, JH_STR("lpt"))) {
    return false;
  }
  jh_str number = {stem.ptr + 3, stem.len - 3};
  bool is_digit = number.len == 1 && number.ptr[0] >= '0' && number.ptr[0] <= '9';
  return is_digit || jh_str_equal(number, JH_STR("\xc2\xb9")) ||
         jh_str_equal(number, JH_STR("\xc2\xb2")) || jh_str_equal(number, JH_STR("\xc2\xb3"));
}

size_t jh_filename_sanitise(jh_str raw, char *out) {
  jh_str text = last_part(raw);
  safe_name name = {out, 0};
  fit(text, JH_FILENAME_BYTES_MAX, &name);
  if (is_device(&name)) {
    fit(text, JH_FILENAME_BYTES_MAX - 1, &name);
    memmove(out + 1, out, name.len);
    out[0] = '_';
    name.len++;
  }
  if (name.len == 0) {
    memcpy(out, "file", 4);
    name.len = 4;
  }
  return name.len;
}
