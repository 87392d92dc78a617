/* zip_writer.c: writes ZIP archives whose entries are stored, not compressed.
 *
 * Every entry has its time twice: as DOS counts, for programs that know nothing else, and in
 * seconds, because validators are made of it. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/zip.h"
#include "base/zip_format.h"

enum {
  EXTRA_BYTES = 9,
  UTF8_BIT = 0x800,
  MADE_BY_UNIX = 3 << 8 | 20,
  VERSION_NEEDED = 20,
  FIRST_DIRECTORY_BYTES = 4096
};

static char *put16(char *at, uint32_t value) {
  at[0] = (char)(value & 255);
  at[1] = (char)(value >> 8 & 255);
  return at + 2;
}

static char *put32(char *at, uint32_t value) {
  return put16(put16(at, value & 0xffff), value >> 16);
}

static char *put_bytes(char *at, const char *bytes, size_t len) {
  if (len) memcpy(at, bytes, len);
  return at + len;
}

void jh_zip_writer_init(jh_zip_writer *writer, int fd, uint64_t at) {
  *writer = (jh_zip_writer){.fd = fd, .at = at};
}

void jh_zip_writer_deinit(jh_zip_writer *writer) {
  jh_free(writer->directory);
  writer->directory = NULL;
}

static int write_all(jh_zip_writer *writer, const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t count = pwrite(writer->fd, bytes, len, (off_t)writer->at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return writer->result = count < 0 ? -errno : -EIO;
    bytes += count;
    len -= (size_t)count;
    writer->at += (uint64_t)count;
  }
  return 0;
}

static int reserve(jh_zip_writer *writer, size_t bytes) {
  size_t wanted = writer->directory_bytes + bytes;
  if (wanted <= writer->directory_capacity) return 0;
  size_t capacity = writer->directory_capacity * 2;
  if (capacity < FIRST_DIRECTORY_BYTES) capacity = FIRST_DIRECTORY_BYTES;
  if (capacity < wanted) capacity = wanted;
  char *directory = jh_try_realloc(writer->directory, capacity);
  if (!directory) return writer->result = JH_ENOMEM;
  writer->directory = directory;
  writer->directory_capacity = capacity;
  return 0;
}

/* Date in the upper half, as both records have them in this order. DOS counts from 1980 on. */
static uint32_t dos_time(int64_t modified_s) {
  time_t time = (time_t)modified_s;
  struct tm tm;
  if (!gmtime_r(&time, &tm) || tm.tm_year < 80) return 1u << 21 | 1u << 16;
  if (tm.tm_year > 207) tm.tm_year = 207;
  uint32_t date =
      (uint32_t)((tm.tm_year - 80) << 9) | (uint32_t)((tm.tm_mon + 1) << 5) | (uint32_t)tm.tm_mday;
  uint32_t clock =
      (uint32_t)(tm.tm_hour << 11) | (uint32_t)(tm.tm_min << 5) | (uint32_t)(tm.tm_sec / 2);
  return date << 16 | clock;
}

static char *put_time_extra(char *at, int64_t modified_s) {
  at = put16(at, JH_ZIP_EXTRA_TIME);
  at = put16(at, EXTRA_BYTES - 4);
  *at++ = 1;
  return put32(at, (uint32_t)modified_s);
}

/* What both records of an entry have in the same order, from the needed version on. */
static char *put_common(char *at, jh_str name, jh_str bytes, uint32_t sum, int64_t modified_s) {
  at = put16(at, VERSION_NEEDED);
  at = put16(at, UTF8_BIT);
  at = put16(at, JH_ZIP_STORED);
  at = put32(at, dos_time(modified_s));
  at = put32(at, sum);
  at = put32(at, (uint32_t)bytes.len);
  at = put32(at, (uint32_t)bytes.len);
  at = put16(at, (uint32_t)name.len);
  return put16(at, EXTRA_BYTES);
}

int jh_zip_writer_add(jh_zip_writer *writer, jh_str name, jh_str bytes, int64_t modified_s) {
  if (writer->result < 0) return writer->result;
  if (!jh_zip_name_is_allowed(name)) return writer->result = JH_EINVAL;
  if (writer->count >= JH_ZIP_MAX_ENTRIES || bytes.len >= UINT32_MAX ||
      writer->at + bytes.len + JH_ZIP_LOCAL_BYTES + name.len + EXTRA_BYTES >= UINT32_MAX)
    return writer->result = JH_ELIMIT;
  size_t record_bytes = JH_ZIP_RECORD_BYTES + name.len + EXTRA_BYTES;
  if (reserve(writer, record_bytes) < 0) return writer->result;
  uint32_t sum = bytes.len ? (uint32_t)crc32(0, (const Bytef *)bytes.ptr, (uInt)bytes.len) : 0;
  char *at = writer->directory + writer->directory_bytes;
  at = put32(at, JH_ZIP_RECORD_MARK);
  at = put16(at, MADE_BY_UNIX);
  at = put_common(at, name, bytes, sum, modified_s);
  at = put16(at, 0); /* comment */
  at = put16(at, 0); /* disk */
  at = put16(at, 0); /* internal attributes */
  at = put32(at, 0100644u << 16);
  at = put32(at, (uint32_t)writer->at);
  put_time_extra(put_bytes(at, name.ptr, name.len), modified_s);
  writer->directory_bytes += record_bytes;
  writer->count++;

  char head[JH_ZIP_LOCAL_BYTES + JH_ZIP_NAME_MAX_BYTES + EXTRA_BYTES];
  at = put_common(put32(head, JH_ZIP_LOCAL_MARK), name, bytes, sum, modified_s);
  at = put_time_extra(put_bytes(at, name.ptr, name.len), modified_s);
  if (write_all(writer, head, (size_t)(at - head)) < 0) return writer->result;
  return write_all(writer, bytes.ptr, bytes.len);
}

int jh_zip_writer_finish(jh_zip_writer *writer, jh_str comment) {
  if (writer->result < 0) return writer->result;
  if (comment.len > JH_ZIP_COMMENT_MAX_BYTES) return writer->result = JH_EINVAL;
  uint64_t directory_at = writer->at;
  if (directory_at + writer->directory_bytes >= UINT32_MAX) return writer->result = JH_ELIMIT;
  if (write_all(writer, writer->directory, writer->directory_bytes) < 0) return writer->result;
  char end[JH_ZIP_END_BYTES + JH_ZIP_COMMENT_MAX_BYTES];
  char *at = put32(end, JH_ZIP_END_MARK);
  at = put32(at, 0); /* disks */
  at = put16(at, (uint32_t)writer->count);
  at = put16(at, (uint32_t)writer->count);
  at = put32(at, (uint32_t)writer->directory_bytes);
  at = put32(at, (uint32_t)directory_at);
  at = put16(at, (uint32_t)comment.len);
  at = put_bytes(at, comment.ptr, comment.len);
  return write_all(writer, end, (size_t)(at - end));
}
