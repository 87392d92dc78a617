/* file_cache.c: finding files, noticing that they changed, and letting the oldest go.
 *
 * Loading a file is in file_load.c. A hash table of chains, and one list from the least to the most
 * recently used. Clients choose the paths that are asked for, but only files that exist get an
 * entry, so they cannot make collisions. */
#include "net/file_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/str.h"
#include "http/file_path.h"
#include "net/file_load.h"

enum { BUCKETS = 1024 };

void jh_file_cache_init(jh_file_cache *cache) {
  *cache = (jh_file_cache){.turn = 1};
  jh_list_init(&cache->recent);
  jh_list_init(&cache->roots);
}

void jh_file_cache_deinit(jh_file_cache *cache) {
  jh_file_cache_close_roots(cache, NULL);
  JH_ASSERT(cache->file_count == 0);
  JH_ASSERT(cache->live_count == 0);
  jh_free(cache->buckets);
  cache->buckets = NULL;
}

int jh_file_cache_add_root(jh_file_cache *cache, jh_file_root *root) {
  if (!cache->buckets) cache->buckets = jh_try_calloc(BUCKETS, sizeof *cache->buckets);
  if (!cache->buckets) {
    jh_file_root_free(root);
    return JH_ENOMEM;
  }
  jh_list_append(&cache->roots, &root->node);
  return 0;
}

void jh_file_release(jh_file *file) {
  if (--file->ref_count > 0) return;
  for (int i = 0; i < JH_CODING_COUNT; i++) {
    if (file->variants[i]) jh_file_release(file->variants[i]);
  }
  if (file->fd >= 0) close(file->fd);
  file->cache->live_count--;
  jh_free(file);
}

/* ---- what is kept ---- */

static uint64_t hash_of(const jh_file_root *root, jh_str path) {
  uint64_t hash = jh_str_hash(path) ^ ((uintptr_t)root >> 4);
  return hash ^ (hash >> 32);
}

static void count_in(jh_file_cache *cache, const jh_file *file) {
  cache->file_count++;
  if (file->fd >= 0) cache->descriptor_count++;
  if (file->bytes) cache->memory_bytes += (uint64_t)file->stamp.size;
  for (int i = 0; i < JH_CODING_COUNT; i++) {
    if (file->variants[i]) count_in(cache, file->variants[i]);
  }
}

static void count_out(jh_file_cache *cache, const jh_file *file) {
  cache->file_count--;
  if (file->fd >= 0) cache->descriptor_count--;
  if (file->bytes) cache->memory_bytes -= (uint64_t)file->stamp.size;
  for (int i = 0; i < JH_CODING_COUNT; i++) {
    if (file->variants[i]) count_out(cache, file->variants[i]);
  }
}

static void drop(jh_file *file) {
  jh_file_cache *cache = file->cache;
  jh_file **link = &cache->buckets[file->hash % BUCKETS];
  while (*link != file) link = &(*link)->next;
  *link = file->next;
  jh_list_remove(&file->node);
  count_out(cache, file);
  file->root = NULL;
  jh_file_release(file);
}

static jh_file *oldest(const jh_file_cache *cache) {
  return JH_LIST_ENTRY(cache->recent.next, jh_file, node);
}

static bool is_over_limits(const jh_file_cache *cache) {
  return cache->file_count > JH_FILE_CACHE_MAX_FILES ||
         cache->memory_bytes > JH_FILE_CACHE_MAX_BYTES ||
         cache->descriptor_count > JH_FILE_CACHE_MAX_DESCRIPTORS;
}

static void add(jh_file_cache *cache, jh_file *file, jh_file_root *root, uint64_t hash) {
  file->root = root;
  file->hash = hash;
  file->next = cache->buckets[hash % BUCKETS];
  cache->buckets[hash % BUCKETS] = file;
  jh_list_append(&cache->recent, &file->node);
  count_in(cache, file);
  while (is_over_limits(cache) && oldest(cache) != file) drop(oldest(cache));
}

/* Drops the files of a root; of all roots when it is NULL. */
static void drop_files(jh_file_cache *cache, const jh_file_root *root) {
  jh_list *node = cache->recent.next;
  while (node != &cache->recent) {
    jh_file *file = JH_LIST_ENTRY(node, jh_file, node);
    node = node->next;
    if (!root || file->root == root) drop(file);
  }
}

void jh_file_cache_sweep(jh_file_cache *cache) {
  while (!jh_list_is_empty(&cache->recent)) {
    jh_file *file = oldest(cache);
    if (cache->now_ms - file->used_at_ms < JH_FILE_KEPT_MS) return;
    drop(file);
  }
}

void jh_file_cache_close_roots(jh_file_cache *cache, const void *owner) {
  jh_list *node = cache->roots.next;
  while (node != &cache->roots) {
    jh_file_root *root = JH_LIST_ENTRY(node, jh_file_root, node);
    node = node->next;
    if (owner && root->owner != owner) continue;
    drop_files(cache, root);
    jh_file_root_free(root);
  }
}

/* ---- whether it is still true ---- */

bool jh_file_is_unchanged(const jh_file *file) {
  struct stat status;
  if (file->may_grow || file->is_fixed) return true;
  if (fstat(file->fd, &status) < 0) return false;
  /* Its change time moves when the last name of a file that was replaced goes away, too. */
  jh_file_stamp now = jh_file_stamp_of(&status);
  return now.size == file->stamp.size && now.modified.tv_sec == file->stamp.modified.tv_sec &&
         now.modified.tv_nsec == file->stamp.modified.tv_nsec;
}

/* A link or a renamed directory may lead the path to another place than when it was opened beneath
 * the root, so that only the very same file passes. */
static bool is_current(const jh_file_root *root, const jh_file *file) {
  struct stat status;
  if (file->is_young || fstatat(root->fd, file->path.ptr, &status, 0) < 0) return false;
  jh_file_stamp now = jh_file_stamp_of(&status);
  return jh_file_stamp_equal(&now, &file->stamp);
}

static bool are_variants_current(const jh_file_root *root, const jh_file *file) {
  char path[JH_FILE_VARIANT_PATH_BYTES];
  for (int coding = 0; coding < JH_CODING_COUNT; coding++) {
    struct stat status;
    if (!jh_file_variant_path(file->path, coding, path)) continue;
    const jh_file *variant = file->variants[coding];
    if (fstatat(root->fd, path, &status, 0) < 0) {
      if (variant) return false;
      continue;
    }
    jh_file_stamp now = jh_file_stamp_of(&status);
    bool is_known = variant && jh_file_stamp_equal(&now, &variant->stamp);
    if (!is_known && (variant || jh_file_variant_is_usable(&file->stamp, &status))) return false;
  }
  return true;
}

static bool check(jh_file_cache *cache, const jh_file_root *root, jh_file *file) {
  if (file->checked_turn == cache->turn || file->is_fixed) return true;
  if (!is_current(root, file)) return false;
  bool has_variants = root->flags & JH_FILE_PRECOMPRESSED_BIT;
  if (has_variants && cache->now_ms - file->variants_checked_at_ms >= JH_FILE_VARIANTS_CHECK_MS) {
    if (!are_variants_current(root, file)) return false;
    file->variants_checked_at_ms = cache->now_ms;
  }
  file->checked_turn = cache->turn;
  return true;
}

/* ---- finding ---- */

static jh_file *find_kept(jh_file_cache *cache, const jh_file_root *root, jh_str path,
                          uint64_t hash) {
  for (jh_file *file = cache->buckets[hash % BUCKETS]; file; file = file->next) {
    if (file->hash == hash && file->root == root && jh_str_equal(file->path, path)) return file;
  }
  return NULL;
}

static int find_file(jh_file_cache *cache, jh_file_root *root, jh_str path, jh_file **out) {
  uint64_t hash = hash_of(root, path);
  jh_file *file = find_kept(cache, root, path, hash);
  if (file && check(cache, root, file)) {
    jh_list_remove(&file->node);
    jh_list_append(&cache->recent, &file->node);
    file->used_at_ms = cache->now_ms;
    *out = jh_file_acquire(file);
    return 0;
  }
  if (file) drop(file);
  int error = jh_file_load(cache, root, path, &file);
  if (error == -EMFILE || error == -ENFILE) {
    drop_files(cache, NULL);
    error = jh_file_load(cache, root, path, &file);
  }
  if (error) return error == -ENOENT ? JH_ENOTFOUND : error;
  *out = jh_file_acquire(file);
  add(cache, file, root, hash);
  return 0;
}

static int find_index(jh_file_cache *cache, jh_file_root *root, jh_str directory, jh_file **out) {
  char path[JH_FILE_PATH_MAX_BYTES + 1];
  for (uint32_t i = 0; i < root->index_count; i++) {
    jh_str name = root->indexes[i];
    if (directory.len + name.len > JH_FILE_PATH_MAX_BYTES) continue;
    memcpy(path, directory.ptr, directory.len);
    memcpy(path + directory.len, name.ptr, name.len);
    int error = find_file(cache, root, (jh_str){path, directory.len + name.len}, out);
    if (error != JH_ENOTFOUND && error != -EISDIR) return error;
  }
  if (root->zip) return jh_file_root_has_directory(root, directory) ? -EISDIR : JH_ENOTFOUND;
  struct stat status;
  memcpy(path, directory.ptr, directory.len);
  path[directory.len] = '\0';
  int error = jh_file_root_stat(root, directory.len ? path : ".", &status);
  if (error) return error == -ENOENT ? JH_ENOTFOUND : error;
  return S_ISDIR(status.st_mode) ? -EISDIR : JH_ENOTFOUND;
}

int jh_file_cache_find(jh_file_cache *cache, jh_file_root *root, jh_str path, jh_file **out) {
  if (!jh_file_path_is_allowed(path, root->flags & JH_FILE_DOTFILES_BIT)) return JH_ENOTFOUND;
  if (jh_file_root_renew(root, cache->now_ms)) drop_files(cache, root);
  if (path.len == 0) return find_index(cache, root, (jh_str){"", 0}, out);
  if (path.ptr[path.len - 1] == '/') return find_index(cache, root, path, out);
  return find_file(cache, root, path, out);
}
