/* zip.h: reads a ZIP archive that is in memory, and writes one to a descriptor.
 *
 * Bundles of apps are ZIPs (server/bundle.h). The reader takes archives from anywhere and is
 * strict: every entry lies within the file and beside the others, no name is there twice or leads
 * out of the directory it stands for, nothing is encrypted, zip64 is refused, and what entries
 * inflate to is bounded. Bytes may stand before the archive, as in an executable. The writer stores
 * entries as they are, so that they can be sent from the file, and counts offsets from the file's
 * beginning. */
#ifndef JH_BASE_ZIP_H
#define JH_BASE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum {
  JH_ZIP_MAX_ENTRIES = 65534,
  JH_ZIP_NAME_MAX_BYTES = 1024,
  JH_ZIP_COMMENT_MAX_BYTES = 1024,
  JH_ZIP_MAX_INFLATED_BYTES = 268435456 /* of all deflated entries together */
};

typedef struct jh_zip_entry {
  jh_str name;
  jh_str bytes;         /* as stored, in the mapping */
  uint64_t file_offset; /* of these bytes */
  uint64_t size;        /* inflated */
  uint32_t crc32;       /* of the inflated bytes */
  int64_t modified_s;
  bool is_deflated;
} jh_zip_entry;

typedef struct jh_zip {
  jh_zip_entry *entries; /* sorted by name; directories are left out */
  size_t count;
  jh_str comment;
  uint64_t start; /* where the archive begins in the file */
  size_t deflated_count;
} jh_zip;

/* Reads the directory of the archive at the end of `data`, which must outlive it. 0, JH_ENOTFOUND
 * when there is none, JH_EINVAL, JH_EUNSUPPORTED, JH_ELIMIT or JH_ENOMEM with one line in
 * `error`. */
int jh_zip_open(jh_zip *zip, const char *data, size_t len, char *error, size_t error_bytes);

void jh_zip_close(jh_zip *zip);

/* The entry of that name, or NULL. */
const jh_zip_entry *jh_zip_find(const jh_zip *zip, jh_str name);

/* The number of the first entry that does not stand before `name`: where those begin that begin
 * with it. */
size_t jh_zip_first(const jh_zip *zip, jh_str name);

/* True when there are entries below that directory, named without a slash at its end; "" is all. */
bool jh_zip_has_directory(const jh_zip *zip, jh_str name);

/* True for a name that an entry may have: relative, no part empty or "." or "..", no control
 * bytes and no backslash. */
bool jh_zip_name_is_allowed(jh_str name);

/* Copies or inflates the entry's bytes to `out`, which has room for entry->size, and checks them
 * against its sum. 0, JH_EINVAL when they are damaged, or JH_ENOMEM. */
int jh_zip_extract(const jh_zip_entry *entry, char *out);

typedef struct jh_zip_writer {
  int fd;
  int result;  /* the first failure; everything after it does nothing */
  uint64_t at; /* where the next entry goes */
  char *directory;
  size_t directory_bytes, directory_capacity;
  size_t count;
} jh_zip_writer;

/* Begins an archive at offset `at` of the file. */
void jh_zip_writer_init(jh_zip_writer *writer, int fd, uint64_t at);

/* Adds an entry. 0, JH_EINVAL for a name that is not allowed, JH_ELIMIT when the archive would need
 * zip64, or what writing failed with. That no name comes twice is up to the caller. */
int jh_zip_writer_add(jh_zip_writer *writer, jh_str name, jh_str bytes, int64_t modified_s);

/* Writes the directory; 0 or the first failure. */
int jh_zip_writer_finish(jh_zip_writer *writer, jh_str comment);

void jh_zip_writer_deinit(jh_zip_writer *writer);

/* ==== cdef: end ==== */

#endif
