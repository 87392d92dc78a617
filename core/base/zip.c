/* zip.c: the reader of ZIP archives.
 *
 * Only the directory at the end says what there is; the header before each entry must agree with it
 * in name, method and place, so that other programs see the same files. All numbers are little
 * endian and are read byte by byte: an archive behind an executable is not aligned. */
#include "base/zip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/zip_format.h"

enum { ENCRYPTED_BIT = 1, INFLATE_RATIO_MAX = 1032 /* what deflate can reach */ };

typedef struct failure {
  char *text;
  size_t bytes;
} failure;

__attribute__((format(printf, 3, 4))) static int fail(failure failure, int code, const char *format,
                                                      ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure.text, failure.bytes, format, arguments);
  va_end(arguments);
  return code;
}

static uint32_t u16(const char *at) {
  const unsigned char *p = (const unsigned char *)at;
  return (uint32_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const char *at) {
  return u16(at) | u16(at + 2) << 16;
}

bool jh_zip_name_is_allowed(jh_str name) {
  if (name.len == 0 || name.len > JH_ZIP_NAME_MAX_BYTES) return false;
  size_t part = 0;
  for (size_t i = 0; i <= name.len; i++) {
    unsigned char c = i < name.len ? (unsigned char)name.ptr[i] : '/';
    if (c < 0x20 || c == 0x7f || c == '\\') return false;
    if (c != '/') continue;
    size_t len = i - part;
    if (len == 0 || (len == 1 && name.ptr[part] == '.')) return false;
    if (len == 2 && name.ptr[part] == '.' && name.ptr[part + 1] == '.') return false;
    part = i + 1;
  }
  return true;
}

/* ---- the end record ---- */

typedef struct end_record {
  size_t at;
  size_t directory_at; /* in the file, whatever stands before the archive */
  size_t directory_bytes;
  size_t count;
  size_t shift; /* bytes before the archive that its offsets do not count */
} end_record;

/* The record reaches exactly to the end of the file: anything else is no archive of ours, and
 * whoever appends to a file cannot make an older one count. */
static bool find_end(const char *data, size_t len, size_t *out) {
  if (len < JH_ZIP_END_BYTES) return false;
  size_t lowest = len - JH_ZIP_END_BYTES;
  lowest = lowest > UINT16_MAX ? lowest - UINT16_MAX : 0;
  for (size_t at = len - JH_ZIP_END_BYTES + 1; at-- > lowest;) {
    if (data[at] != 'P' || u32(data + at) != JH_ZIP_END_MARK) continue;
    if (at + JH_ZIP_END_BYTES + u16(data + at + 20) != len) continue;
    *out = at;
    return true;
  }
  return false;
}

static int read_end(const char *data, size_t len, end_record *end, failure failure) {
  if (!find_end(data, len, &end->at)) return fail(failure, JH_ENOTFOUND, "no ZIP archive");
  const char *record = data + end->at;
  uint32_t count = u16(record + 10), bytes = u32(record + 12), offset = u32(record + 16);
  if (count == UINT16_MAX || bytes == UINT32_MAX || offset == UINT32_MAX)
    return fail(failure, JH_EUNSUPPORTED, "zip64 archives are not supported");
  if (end->at >= 20 && u32(record - 20) == JH_ZIP_END64_LOCATOR_MARK)
    return fail(failure, JH_EUNSUPPORTED, "zip64 archives are not supported");
  if (u16(record + 4) != 0 || u16(record + 6) != 0 || u16(record + 8) != count)
    return fail(failure, JH_EUNSUPPORTED, "archives of several parts are not supported");
  if (bytes > end->at || offset > end->at - bytes)
    return fail(failure, JH_EINVAL, "the archive's directory is not within the file");
  end->directory_bytes = bytes;
  end->directory_at = end->at - bytes;
  end->shift = end->directory_at - offset;
  end->count = count;
  return 0;
}

/* ---- entries ---- */

/* A time of DOS, taken for UTC, since 1970. */
static int64_t dos_time(uint32_t date, uint32_t time) {
  static const uint16_t days_before[] = {0,   31,  59,  90,  120, 151, 181, 212,
                                         243, 273, 304, 334, 334, 334, 334, 334};
  int64_t year = 1980 + (date >> 9), month = ((date >> 5 & 15) + 15) % 16;
  int64_t days = (year - 1970) * 365 + (year - 1969) / 4 - (year > 2100) + days_before[month];
  if (month > 1 && year % 4 == 0 && year != 2100) days++;
  days += (date & 31) > 0 ? (date & 31) - 1 : 0;
  return days * 86400 + (int64_t)(time >> 11) * 3600 + (int64_t)(time >> 5 & 63) * 60 +
         (int64_t)(time & 31) * 2;
}

/* The field of extra data that has the time in seconds, when it is there. */
static int64_t modified_of(const char *record, const char *extra, size_t extra_bytes) {
  for (size_t at = 0; extra_bytes - at >= 4;) {
    uint32_t id = u16(extra + at), bytes = u16(extra + at + 2);
    if (bytes > extra_bytes - at - 4) break;
    if (id == JH_ZIP_EXTRA_TIME && bytes >= 5 && (extra[at + 4] & 1))
      return (int32_t)u32(extra + at + 5);
    at += 4 + bytes;
  }
  return dos_time(u16(record + 14), u16(record + 12));
}

/* Reads the header before the entry's bytes. `record` is its record in the directory, whose name is
 * known to be good. */
static int read_local(const char *data, const end_record *end, const char *record,
                      jh_zip_entry *entry, failure failure) {
  int name_len = (int)entry->name.len;
  uint64_t at = (uint64_t)u32(record + 42) + end->shift;
  if (at > end->directory_at || end->directory_at - at < JH_ZIP_LOCAL_BYTES ||
      u32(data + at) != JH_ZIP_LOCAL_MARK)
    return fail(failure, JH_EINVAL, "%.*s: is not within the archive", name_len, entry->name.ptr);
  uint64_t room = end->directory_at - at - JH_ZIP_LOCAL_BYTES;
  uint64_t head = (uint64_t)u16(data + at + 26) + u16(data + at + 28);
  if (head > room || entry->bytes.len > room - head)
    return fail(failure, JH_EINVAL, "%.*s: is not within the archive", name_len, entry->name.ptr);
  jh_str name = {data + at + JH_ZIP_LOCAL_BYTES, u16(data + at + 26)};
  if (!jh_str_equal(name, entry->name) || u16(data + at + 8) != u16(record + 10))
    return fail(failure, JH_EINVAL, "%.*s: differs from its header", name_len, entry->name.ptr);
  entry->file_offset = at + JH_ZIP_LOCAL_BYTES + head;
  entry->bytes.ptr = data + entry->file_offset;
  return 0;
}

static int check_entry(const char *record, const jh_zip_entry *entry, failure failure) {
  int len = (int)entry->name.len;
  const char *name = entry->name.ptr;
  uint32_t method = u16(record + 10);
  if (entry->size == UINT32_MAX || entry->bytes.len == UINT32_MAX || u32(record + 42) == UINT32_MAX)
    return fail(failure, JH_EUNSUPPORTED, "%.*s: zip64 entries are not supported", len, name);
  if (u16(record + 8) & ENCRYPTED_BIT)
    return fail(failure, JH_EUNSUPPORTED, "%.*s: is encrypted", len, name);
  if (method != JH_ZIP_STORED && method != JH_ZIP_DEFLATED)
    return fail(failure, JH_EUNSUPPORTED, "%.*s: compressed by method %u; use stored or deflated",
                len, name, method);
  if (method == JH_ZIP_STORED && entry->size != entry->bytes.len)
    return fail(failure, JH_EINVAL, "%.*s: has two sizes", len, name);
  if (entry->is_deflated && entry->size / INFLATE_RATIO_MAX > entry->bytes.len)
    return fail(failure, JH_ELIMIT, "%.*s: cannot be that large", len, name);
  return 0;
}

/* One record of the directory. Returns its length, 0 through *is_file for a directory, or a
 * negative code. */
static int64_t read_record(const char *data, const end_record *end, size_t at, jh_zip_entry *entry,
                           bool *is_file, failure failure) {
  const char *record = data + at;
  size_t room = end->at - at;
  if (room < JH_ZIP_RECORD_BYTES || u32(record) != JH_ZIP_RECORD_MARK)
    return fail(failure, JH_EINVAL, "the archive's directory is damaged");
  size_t name_len = u16(record + 28), extra_bytes = u16(record + 30), bytes = JH_ZIP_RECORD_BYTES;
  bytes += name_len + extra_bytes + u16(record + 32);
  if (bytes > room) return fail(failure, JH_EINVAL, "the archive's directory is damaged");
  const char *name = record + JH_ZIP_RECORD_BYTES;
  *is_file = name_len == 0 || name[name_len - 1] != '/';
  *entry = (jh_zip_entry){.name = {name, name_len},
                          .bytes = {NULL, u32(record + 20)},
                          .size = u32(record + 24),
                          .crc32 = u32(record + 16),
                          .is_deflated = u16(record + 10) == JH_ZIP_DEFLATED};
  jh_str path = {name, *is_file ? name_len : name_len - 1};
  if (!jh_zip_name_is_allowed(path)) {
    return fail(failure, JH_EINVAL, "an entry has a name that is not allowed");
  }
  if (!*is_file) {
    if (entry->size != 0) return fail(failure, JH_EINVAL, "a directory has contents");
    return (int64_t)bytes;
  }
  entry->modified_s = modified_of(record, name + name_len, extra_bytes);
  int result = check_entry(record, entry, failure);
  if (result == 0) result = read_local(data, end, record, entry, failure);
  return result < 0 ? result : (int64_t)bytes;
}

static int compare_str(jh_str a, jh_str b) {
  size_t len = a.len < b.len ? a.len : b.len;
  int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name(const void *a, const void *b) {
  return compare_str(((const jh_zip_entry *)a)->name, ((const jh_zip_entry *)b)->name);
}

static int by_offset(const void *a, const void *b) {
  uint64_t left = ((const jh_zip_entry *)a)->file_offset;
  uint64_t right = ((const jh_zip_entry *)b)->file_offset;
  return (left > right) - (left < right);
}

/* Entries that share bytes are how a small archive becomes a huge one. */
static int check_together(jh_zip *zip, failure failure) {
  uint64_t inflated = 0, end = 0;
  if (zip->count == 0) return 0;
  qsort(zip->entries, zip->count, sizeof *zip->entries, by_offset);
  for (size_t i = 0; i < zip->count; i++) {
    const jh_zip_entry *entry = &zip->entries[i];
    if (entry->file_offset < end + JH_ZIP_LOCAL_BYTES + entry->name.len)
      return fail(failure, JH_EINVAL, "%.*s: overlaps another entry", (int)entry->name.len,
                  entry->name.ptr);
    end = entry->file_offset + entry->bytes.len;
    if (entry->is_deflated) inflated += entry->size;
  }
  if (inflated > JH_ZIP_MAX_INFLATED_BYTES)
    return fail(failure, JH_ELIMIT, "the archive inflates to more than %d MiB",
                JH_ZIP_MAX_INFLATED_BYTES >> 20);
  qsort(zip->entries, zip->count, sizeof *zip->entries, by_name);
  for (size_t i = 1; i < zip->count; i++) {
    jh_str name = zip->entries[i].name;
    if (jh_str_equal(name, zip->entries[i - 1].name))
      return fail(failure, JH_EINVAL, "%.*s: is there twice", (int)name.len, name.ptr);
  }
  return 0;
}

int jh_zip_open(jh_zip *zip, const char *data, size_t len, char *error, size_t error_bytes) {
  failure failure = {error, error_bytes};
  end_record end = {0};
  *zip = (jh_zip){0};
  int result = read_end(data, len, &end, failure);
  if (result < 0) return result;
  zip->comment = jh_str_make(data + end.at + JH_ZIP_END_BYTES, len - end.at - JH_ZIP_END_BYTES);
  zip->entries = jh_try_calloc(end.count + 1, sizeof *zip->entries);
  if (!zip->entries) return fail(failure, JH_ENOMEM, "out of memory");
  size_t at = end.directory_at;
  for (size_t i = 0; i < end.count; i++) {
    bool is_file = false;
    int64_t used = read_record(data, &end, at, &zip->entries[zip->count], &is_file, failure);
    if (used < 0) {
      jh_zip_close(zip);
      return (int)used;
    }
    if (is_file) zip->deflated_count += zip->entries[zip->count++].is_deflated;
    at += (size_t)used;
  }
  result = at == end.at ? check_together(zip, failure)
                        : fail(failure, JH_EINVAL, "the archive's directory is damaged");
  if (result < 0) {
    jh_zip_close(zip);
    return result;
  }
  zip->start = end.directory_at;
  for (size_t i = 0; i < zip->count; i++) {
    const jh_zip_entry *entry = &zip->entries[i];
    uint64_t start = entry->file_offset - JH_ZIP_LOCAL_BYTES - entry->name.len;
    if (start < zip->start) zip->start = start;
  }
  return 0;
}

void jh_zip_close(jh_zip *zip) {
  jh_free(zip->entries);
  *zip = (jh_zip){0};
}

const jh_zip_entry *jh_zip_find(const jh_zip *zip, jh_str name) {
  size_t low = 0, high = zip->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare_str(name, zip->entries[middle].name);
    if (order == 0) return &zip->entries[middle];
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

size_t jh_zip_first(const jh_zip *zip, jh_str name) {
  size_t low = 0, high = zip->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare_str(zip->entries[middle].name, name) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool jh_zip_has_directory(const jh_zip *zip, jh_str name) {
  char prefix[JH_ZIP_NAME_MAX_BYTES + 1];
  if (name.len == 0) return true;
  if (name.len >= JH_ZIP_NAME_MAX_BYTES) return false;
  memcpy(prefix, name.ptr, name.len);
  prefix[name.len] = '/';
  size_t i = jh_zip_first(zip, (jh_str){prefix, name.len + 1});
  return i < zip->count && zip->entries[i].name.len > name.len + 1 &&
         memcmp(zip->entries[i].name.ptr, prefix, name.len + 1) == 0;
}

/* ---- contents ---- */

static int inflate_entry(const jh_zip_entry *entry, char *out) {
  z_stream stream = {0};
  char none;
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return JH_ENOMEM;
  stream.next_in = (Bytef *)(uintptr_t)entry->bytes.ptr;
  stream.avail_in = (uInt)entry->bytes.len;
  stream.next_out = (Bytef *)(entry->size ? out : &none);
  stream.avail_out = (uInt)(entry->size ? entry->size : 1);
  int result = inflate(&stream, Z_FINISH);
  bool is_whole = result == Z_STREAM_END && stream.total_out == entry->size && stream.avail_in == 0;
  inflateEnd(&stream);
  return is_whole ? 0 : JH_EINVAL;
}

int jh_zip_extract(const jh_zip_entry *entry, char *out) {
  if (entry->is_deflated) {
    int result = inflate_entry(entry, out);
    if (result < 0) return result;
  } else if (entry->size) {
    memcpy(out, entry->bytes.ptr, entry->size);
  }
  uint32_t sum = (uint32_t)crc32(0, (const Bytef *)out, entry->size ? (uInt)entry->size : 0);
  if (entry->size == 0) sum = 0;
  return sum == entry->crc32 ? 0 : JH_EINVAL;
}
