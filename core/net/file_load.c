/* file_load.c: from a path to a jh_file.
 *
 * Small files are read into memory, and the file is looked at again after that: when it was changed
 * meanwhile it is read anew, so the bytes are those of one state of the file. One that is changed
 * all the time is sent from its descriptor. */
#include "net/file_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "http/mime.h"

enum {
  READ_ATTEMPTS = 4,
  YOUNG_MS = 20,           /* time stamps of older kernels stand still for 10 ms */
  VARIANT_LATE_SECONDS = 2 /* a checkout writes files in any order */
};

/* ---- field lines ---- */

typedef struct line_writer {
  char text[1024];
  uint32_t len;
  uint8_t line_count;
  jh_file_line lines[JH_FILE_LINES_MAX];
} line_writer;

/* The writer has room for every line of a file: see JH_FILE_CACHE_CONTROL_MAX_BYTES. */
static void add_line(line_writer *writer, jh_str name, jh_str value) {
  char *out = writer->text + writer->len;
  memcpy(out, name.ptr, name.len);
  memcpy(out + name.len, ": ", 2);
  memcpy(out + name.len + 2, value.ptr, value.len);
  memcpy(out + name.len + 2 + value.len, "\r\n", 2);
  size_t len = name.len + value.len + 4;
  writer->lines[writer->line_count++] = (jh_file_line){
      .off = (uint16_t)writer->len, .len = (uint16_t)len, .name_len = (uint8_t)name.len};
  writer->len += (uint32_t)len;
}

static jh_str cache_control_of(const jh_file_root *root, jh_str path) {
  bool is_immutable = (root->flags & JH_FILE_IMMUTABLE_BIT) && jh_file_path_is_fingerprinted(path);
  return is_immutable ? JH_STR("public, max-age=31536000, immutable") : root->cache_control;
}

static void add_etag(line_writer *writer, const jh_file_stamp *stamp, int coding) {
  char etag[64];
  jh_str name = jh_accept_encoding_name(coding);
  unsigned long long ns = (unsigned long long)stamp->modified.tv_sec * 1000000000ULL +
                          (unsigned long long)stamp->modified.tv_nsec;
  int len = snprintf(etag, sizeof etag, "\"%llx-%llx%s%.*s\"", (unsigned long long)stamp->size, ns,
                     name.len ? "-" : "", (int)name.len, name.ptr);
  add_line(writer, JH_STR("ETag"), (jh_str){etag, (size_t)len});
}

/* What is made of a file, before there is a jh_file. `fd` is open. */
typedef struct draft {
  const jh_file_root *root;
  jh_str path; /* of the file that was asked for */
  int fd;
  uint64_t offset; /* in it */
  bool is_fixed;
  int coding;
  bool has_variants;
  uint8_t common_line_count;
  uint32_t common_len;
  jh_file_stamp stamp;
  line_writer writer;
} draft;

static void write_lines(draft *draft) {
  line_writer *writer = &draft->writer;
  jh_date modified = {0};
  jh_date_update(&modified, draft->stamp.modified.tv_sec);
  writer->len = writer->line_count = 0;
  add_line(writer, JH_STR("Last-Modified"), (jh_str){modified.text, JH_DATE_LEN});
  if (draft->root->flags & JH_FILE_ETAG_BIT) add_etag(writer, &draft->stamp, draft->coding);
  jh_str cache_control = cache_control_of(draft->root, draft->path);
  if (cache_control.len) add_line(writer, JH_STR("Cache-Control"), cache_control);
  if (draft->has_variants || draft->coding) {
    add_line(writer, JH_STR("Vary"), JH_STR("Accept-Encoding"));
  }
  draft->common_line_count = writer->line_count;
  draft->common_len = writer->len;
  add_line(writer, JH_STR("Content-Type"), jh_mime_of_path(draft->path));
  add_line(writer, JH_STR("Accept-Ranges"), JH_STR("bytes"));
  if (draft->coding) {
    add_line(writer, JH_STR("Content-Encoding"), jh_accept_encoding_name(draft->coding));
  }
}

static jh_str line_value(const jh_file *file, jh_str name) {
  for (uint32_t i = 0; i < file->line_count; i++) {
    const jh_file_line *line = &file->lines[i];
    if (!jh_str_equal((jh_str){file->fields + line->off, line->name_len}, name)) continue;
    size_t before = line->name_len + (size_t)2;
    return (jh_str){file->fields + line->off + before, line->len - before - 2};
  }
  return (jh_str){"", 0};
}

/* ---- bytes ---- */

/* 0, -EAGAIN when the file is not what it was when it was opened. */
static int read_bytes(const draft *draft, char *out) {
  size_t size = (size_t)draft->stamp.size, have = 0;
  struct stat status;
  while (have < size) {
    ssize_t count = pread(draft->fd, out + have, size - have, (off_t)(draft->offset + have));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return -EAGAIN;
    have += (size_t)count;
  }
  if (draft->is_fixed) return 0;
  if (fstat(draft->fd, &status) < 0) return -EAGAIN;
  jh_file_stamp now = jh_file_stamp_of(&status);
  return jh_file_stamp_equal(&now, &draft->stamp) ? 0 : -EAGAIN;
}

static bool is_young(const jh_file_stamp *stamp) {
  int64_t changed_ms =
      (int64_t)stamp->changed.tv_sec * 1000 + (int64_t)stamp->changed.tv_nsec / 1000000;
  int64_t age_ms = jh_clock_unix_ms() - changed_ms;
  return age_ms > -YOUNG_MS && age_ms < YOUNG_MS;
}

static jh_file *try_new(jh_file_cache *cache, const draft *draft, bool is_in_memory) {
  const line_writer *writer = &draft->writer;
  size_t content_bytes = is_in_memory ? (size_t)draft->stamp.size : 0;
  size_t text_bytes = draft->path.len + 1 + writer->len + content_bytes;
  jh_file *file = jh_try_alloc(sizeof *file + text_bytes);
  if (!file) return NULL;
  *file = (jh_file){.cache = cache,
                    .ref_count = 1,
                    .fd = is_in_memory ? -1 : draft->fd,
                    .stamp = draft->stamp,
                    .checked_turn = cache->turn,
                    .variants_checked_at_ms = cache->now_ms,
                    .used_at_ms = cache->now_ms,
                    .offset = draft->offset,
                    .is_fixed = draft->is_fixed,
                    .is_young = !draft->is_fixed && is_young(&draft->stamp),
                    .may_grow = draft->root->flags & JH_FILE_GROWING_BIT,
                    .coding = (uint8_t)draft->coding,
                    .line_count = writer->line_count,
                    .common_line_count = draft->common_line_count,
                    .fields_bytes = (uint16_t)writer->len,
                    .common_fields_bytes = (uint16_t)draft->common_len,
                    .variant_bits = 1};
  jh_list_init(&file->node);
  memcpy(file->lines, writer->lines, sizeof file->lines);
  memcpy(file->text, draft->path.ptr, draft->path.len);
  file->text[draft->path.len] = '\0';
  file->path = (jh_str){file->text, draft->path.len};
  char *fields = file->text + draft->path.len + 1;
  memcpy(fields, writer->text, writer->len);
  file->fields = fields;
  if (is_in_memory) file->bytes = fields + writer->len;
  file->etag = line_value(file, JH_STR("ETag"));
  file->type = line_value(file, JH_STR("Content-Type"));
  cache->live_count++;
  return file;
}

/* Takes over the draft's descriptor. */
static int make(jh_file_cache *cache, draft *draft, jh_file **out) {
  struct stat status;
  for (int i = 0; i < READ_ATTEMPTS && draft->stamp.size <= JH_FILE_IN_MEMORY_MAX_BYTES; i++) {
    write_lines(draft);
    jh_file *file = try_new(cache, draft, true);
    if (!file) {
      close(draft->fd);
      return JH_ENOMEM;
    }
    /* The room behind the fields is ours until somebody sees the file. */
    if (read_bytes(draft, file->text + (file->bytes - file->text)) == 0) {
      close(draft->fd);
      *out = file;
      return 0;
    }
    jh_file_release(file);
    if (!draft->is_fixed && fstat(draft->fd, &status) == 0)
      draft->stamp = jh_file_stamp_of(&status);
  }
  write_lines(draft);
  *out = try_new(cache, draft, false);
  if (*out) return 0;
  close(draft->fd);
  return JH_ENOMEM;
}

/* ---- precompressed neighbours ---- */

bool jh_file_variant_path(jh_str path, int coding, char *out) {
  static const struct {
    const char *name, *extension;
  } known[] = {{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (!jh_str_equal(jh_accept_encoding_name(coding), jh_str_of(known[i].name))) continue;
    memcpy(out, path.ptr, path.len);
    memcpy(out + path.len, known[i].extension, strlen(known[i].extension) + 1);
    return true;
  }
  return false;
}

bool jh_file_variant_is_usable(const jh_file_stamp *file, const struct stat *variant) {
  return S_ISREG(variant->st_mode) &&
         variant->st_mtim.tv_sec + VARIANT_LATE_SECONDS >= file->modified.tv_sec;
}

/* In an archive the sum of the bytes stands for the part of a second that they were changed in, so
 * that validators are those of the contents. */
static int open_in_zip(draft *draft, jh_str path, struct stat *status) {
  const jh_zip_entry *entry = jh_file_root_entry(draft->root, path);
  if (!entry) return jh_file_root_has_directory(draft->root, path) ? -EISDIR : -ENOENT;
  draft->fd = fcntl(draft->root->zip_fd, F_DUPFD_CLOEXEC, 0);
  if (draft->fd < 0) return -errno;
  draft->offset = entry->file_offset;
  draft->is_fixed = true;
  *status = (struct stat){.st_mode = S_IFREG,
                          .st_size = (off_t)entry->size,
                          .st_mtim = {entry->modified_s, entry->crc32 % 1000000000}};
  return 0;
}

/* 0 with the draft's descriptor open, or what jh_file_root_open_file() says. */
static int open_draft(draft *draft, const char *path, struct stat *status) {
  if (draft->root->zip) {
    int error = open_in_zip(draft, jh_str_of(path), status);
    if (error < 0) return error;
  } else {
    draft->fd = jh_file_root_open_file(draft->root, path, status);
    if (draft->fd < 0) return draft->fd;
  }
  draft->stamp = jh_file_stamp_of(status);
  return 0;
}

static void load_variant(jh_file_cache *cache, const draft *main, int coding, jh_file **out) {
  char path[JH_FILE_VARIANT_PATH_BYTES];
  struct stat status;
  draft draft = {.root = main->root, .path = main->path, .coding = coding};
  if (!jh_file_variant_path(main->path, coding, path)) return;
  if (open_draft(&draft, path, &status) < 0) return;
  if (!jh_file_variant_is_usable(&main->stamp, &status)) {
    close(draft.fd);
    return;
  }
  if (make(cache, &draft, out) < 0) *out = NULL;
}

int jh_file_load(jh_file_cache *cache, const jh_file_root *root, jh_str path, jh_file **out) {
  char text[JH_FILE_PATH_MAX_BYTES + 1];
  struct stat status;
  jh_file *variants[JH_CODING_COUNT] = {NULL};
  memcpy(text, path.ptr, path.len);
  text[path.len] = '\0';
  draft draft = {.root = root, .path = path};
  int error = open_draft(&draft, text, &status);
  if (error < 0) return error;
  uint32_t variant_bits = 1U << JH_CODING_IDENTITY;
  for (int coding = 0; coding < JH_CODING_COUNT && (root->flags & JH_FILE_PRECOMPRESSED_BIT);
       coding++) {
    load_variant(cache, &draft, coding, &variants[coding]);
    if (!variants[coding]) continue;
    variant_bits |= 1U << coding;
    draft.has_variants = true;
  }
  error = make(cache, &draft, out);
  if (error == 0) {
    memcpy((*out)->variants, variants, sizeof variants);
    (*out)->variant_bits = variant_bits;
    return 0;
  }
  for (int i = 0; i < JH_CODING_COUNT; i++) {
    if (variants[i]) jh_file_release(variants[i]);
  }
  return error;
}
