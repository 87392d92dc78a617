/* file_cache.h: the files a worker served lately: open, described, and the small ones in memory.
 *
 * A jh_file is one state of one file: its size, its validators, the field lines that go with it,
 * and either its bytes or a descriptor. It never changes. When the file on disk is another one, a
 * new jh_file takes its place, and answers that are on their way go on with the old one. So length,
 * validators and bytes of an answer always belong together.
 *
 * A file is looked at (one fstatat) once per turn of the loop in which it is asked for: whoever
 * asks after a change was made gets the changed file, and under load the look is shared by the
 * requests of a turn. What is kept is bounded in number, bytes and descriptors; the least recently
 * used goes first, and what nobody asked for in JH_FILE_KEPT_MS goes as well: a file that was
 * removed must not fill the disk for long. A file that is being sent lives until it is sent. */
#ifndef JH_NET_FILE_CACHE_H
#define JH_NET_FILE_CACHE_H

#include <time.h>

#include "http/accept_encoding.h"
#include "net/file_root.h"

enum {
  JH_FILE_IN_MEMORY_MAX_BYTES = 65536, /* files up to this size are kept in memory */
  JH_FILE_CACHE_MAX_BYTES = 16 << 20,  /* of file contents */
  JH_FILE_CACHE_MAX_FILES = 2048,      /* of any size */
  JH_FILE_CACHE_MAX_DESCRIPTORS = 256, /* of files that are not in memory */
  JH_FILE_KEPT_MS = 10000,             /* after the last request for it */
  JH_FILE_VARIANTS_CHECK_MS = 1000,    /* how often precompressed neighbours are looked for */
  JH_FILE_LINES_MAX = 8
};

/* What tells one state of a file from another. */
typedef struct jh_file_stamp {
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec modified, changed;
} jh_file_stamp;

/* One "Name: value\r\n" of a file's fields. */
typedef struct jh_file_line {
  uint16_t off;
  uint16_t len; /* with CRLF */
  uint8_t name_len;
} jh_file_line;

typedef struct jh_file_cache jh_file_cache;
typedef struct jh_file jh_file;

struct jh_file {
  jh_file_cache *cache;
  jh_list node;       /* in cache->recent */
  jh_file *next;      /* in its bucket */
  jh_file_root *root; /* NULL once the cache has dropped it */
  uint64_t hash;
  uint32_t ref_count;
  int fd;            /* -1 when the bytes are in memory */
  uint64_t offset;   /* where it begins in the descriptor: not 0 in an archive */
  const char *bytes; /* NULL when there is a descriptor */
  jh_file_stamp stamp;
  uint64_t checked_turn;
  uint64_t variants_checked_at_ms;
  uint64_t used_at_ms;
  bool is_young;  /* changed so shortly before that the next change might not show */
  bool may_grow;  /* JH_FILE_GROWING_BIT */
  bool is_fixed;  /* in an archive that never changes */
  uint8_t coding; /* jh_coding of its bytes */
  uint8_t line_count;
  uint8_t common_line_count; /* lines that a 304 has too; they come first */
  uint16_t fields_bytes, common_fields_bytes;
  jh_file_line lines[JH_FILE_LINES_MAX];
  const char *fields;                 /* all lines */
  jh_str etag;                        /* value of that line; empty when there is none */
  jh_str type;                        /* value of Content-Type */
  jh_file *variants[JH_CODING_COUNT]; /* its precompressed neighbours */
  uint32_t variant_bits;              /* 1 << jh_coding of those that are there, and of itself */
  jh_str path;
  char text[];
};

struct jh_file_cache {
  jh_file **buckets; /* NULL before the first root */
  jh_list recent;    /* least recently used first */
  jh_list roots;
  uint32_t file_count;       /* in the cache, variants included */
  uint32_t descriptor_count; /* of files in the cache */
  uint64_t memory_bytes;     /* contents in the cache */
  uint32_t live_count;       /* files that exist, also those that are only being sent */
  uint64_t turn;
  uint64_t now_ms;
};

void jh_file_cache_init(jh_file_cache *cache);

/* Closes all roots. No file may be in use. */
void jh_file_cache_deinit(jh_file_cache *cache);

/* A turn of the loop begins: files are looked at again. */
static inline void jh_file_cache_begin_turn(jh_file_cache *cache, uint64_t now_ms);

/* Drops what was not used for JH_FILE_KEPT_MS. */
void jh_file_cache_sweep(jh_file_cache *cache);

/* Takes over a root. 0 or JH_ENOMEM: the root is freed then. */
int jh_file_cache_add_root(jh_file_cache *cache, jh_file_root *root);

/* Closes the roots of an owner; of all when it is NULL. */
void jh_file_cache_close_roots(jh_file_cache *cache, const void *owner);

/* Finds a file; a path that is empty or ends in '/' stands for the directory's index. 0 with *out
 * the caller's to release; JH_ENOTFOUND, -EISDIR, -EMFILE, -ENFILE or JH_ENOMEM. */
int jh_file_cache_find(jh_file_cache *cache, jh_file_root *root, jh_str path, jh_file **out);

static inline jh_file *jh_file_acquire(jh_file *file);
void jh_file_release(jh_file *file);

/* True when the file on disk is still what it was when its answer began. For files with a
 * descriptor. */
bool jh_file_is_unchanged(const jh_file *file);

/* inline definitions */

static inline void jh_file_cache_begin_turn(jh_file_cache *cache, uint64_t now_ms) {
  cache->turn++;
  cache->now_ms = now_ms;
}

static inline jh_file *jh_file_acquire(jh_file *file) {
  file->ref_count++;
  return file;
}

#endif
