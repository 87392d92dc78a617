/* file_load.h: making a jh_file of what is on disk: stamp, bytes or descriptor, field lines, and
 * its precompressed neighbours. Called by file_cache.c alone. */
#ifndef JH_NET_FILE_LOAD_H
#define JH_NET_FILE_LOAD_H

#include "http/file_path.h"
#include "net/file_cache.h"

enum { JH_FILE_VARIANT_PATH_BYTES = JH_FILE_PATH_MAX_BYTES + 8 };

static inline jh_file_stamp jh_file_stamp_of(const struct stat *status);
static inline bool jh_file_stamp_equal(const jh_file_stamp *a, const jh_file_stamp *b);

/* A file with one reference, the cache's to be; not yet in the cache. 0, -ENOENT, -EISDIR, -EMFILE,
 * -ENFILE or JH_ENOMEM. */
int jh_file_load(jh_file_cache *cache, const jh_file_root *root, jh_str path, jh_file **out);

/* Writes the path of the neighbour in this coding, with a NUL. False when there is none by that
 * coding. */
bool jh_file_variant_path(jh_str path, int coding, char *out);

/* False for a neighbour that was made before the file was changed. */
bool jh_file_variant_is_usable(const jh_file_stamp *file, const struct stat *variant);

/* inline definitions */

static inline jh_file_stamp jh_file_stamp_of(const struct stat *status) {
  return (jh_file_stamp){.device = status->st_dev,
                         .inode = status->st_ino,
                         .size = status->st_size,
                         .modified = status->st_mtim,
                         .changed = status->st_ctim};
}

static inline bool jh_file_stamp_equal(const jh_file_stamp *a, const jh_file_stamp *b) {
  return a->modified.tv_nsec == b->modified.tv_nsec && a->modified.tv_sec == b->modified.tv_sec &&
         a->changed.tv_nsec == b->changed.tv_nsec && a->changed.tv_sec == b->changed.tv_sec &&
         a->size == b->size && a->inode == b->inode && a->device == b->device;
}

#endif
