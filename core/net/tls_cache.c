/* tls_cache.c: contexts by their settings.
 *
 * The key is the text of all settings, with the state of each file behind its name. A list is
 * enough: an app has a handful of clients. Contexts that nobody holds are kept for the next who
 * asks, up to a bound. */
#include "net/tls_cache.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "net/tls_server.h"

enum { KEY_STEP_BYTES = 512, PATH_BYTES = 4096 };

typedef struct entry {
  jh_list node;
  jh_tls_context *context;
  size_t key_len;
  char *key;
} entry;

typedef struct key_writer {
  char *bytes;
  size_t len, capacity;
  bool has_failed;
} key_writer;

void jh_tls_cache_init(jh_tls_cache *cache, uint32_t unused_max) {
  cache->unused_max = unused_max;
  jh_list_init(&cache->entries);
  cache->entry_count = 0;
  cache->reason[0] = '\0';
}

static void drop(jh_tls_cache *cache, entry *old) {
  jh_list_remove(&old->node);
  cache->entry_count--;
  jh_tls_context_release(old->context);
  jh_free(old->key);
  jh_free(old);
}

void jh_tls_cache_clear(jh_tls_cache *cache) {
  while (!jh_list_is_empty(&cache->entries)) {
    drop(cache, JH_LIST_ENTRY(cache->entries.next, entry, node));
  }
}

void jh_tls_cache_deinit(jh_tls_cache *cache) {
  jh_tls_cache_clear(cache);
}

/* ---- keys ---- */

static void write_bytes(key_writer *writer, const void *bytes, size_t len) {
  if (writer->has_failed || len == 0) return;
  if (writer->capacity - writer->len < len) {
    size_t capacity = writer->len + len + KEY_STEP_BYTES;
    char *grown = jh_try_realloc(writer->bytes, capacity);
    if (!grown) {
      writer->has_failed = true;
      return;
    }
    writer->bytes = grown;
    writer->capacity = capacity;
  }
  memcpy(writer->bytes + writer->len, bytes, len);
  writer->len += len;
}

static void write_str(key_writer *writer, jh_str value) {
  write_bytes(writer, &value.len, sizeof value.len);
  write_bytes(writer, value.ptr, value.len);
}

/* A value that may name a file: with what tells one state of it from another. */
static void write_source(key_writer *writer, jh_str value) {
  char path[PATH_BYTES];
  struct stat found;
  write_str(writer, value);
  if (value.len == 0 || value.len >= sizeof path) return;
  memcpy(path, value.ptr, value.len);
  path[value.len] = '\0';
  if (stat(path, &found) < 0) return;
  write_bytes(writer, &found.st_mtim, sizeof found.st_mtim);
  write_bytes(writer, &found.st_size, sizeof found.st_size);
  write_bytes(writer, &found.st_ino, sizeof found.st_ino);
}

static bool write_key(key_writer *writer, const jh_tls_options *options) {
  write_source(writer, options->ca);
  write_source(writer, options->cert);
  write_source(writer, options->key);
  write_str(writer, options->server_name);
  write_str(writer, options->min_version);
  write_str(writer, options->max_version);
  write_str(writer, options->ciphers);
  write_str(writer, options->alpn);
  write_bytes(writer, &options->is_unverified, sizeof options->is_unverified);
  return !writer->has_failed;
}

/* ---- looking up ---- */

static entry *find(jh_tls_cache *cache, const key_writer *key) {
  for (jh_list *node = cache->entries.next; node != &cache->entries; node = node->next) {
    entry *found = JH_LIST_ENTRY(node, entry, node);
    if (found->key_len == key->len && memcmp(found->key, key->bytes, key->len) == 0) return found;
  }
  return NULL;
}

static void drop_unused(jh_tls_cache *cache) {
  jh_list *node = cache->entries.next;
  while (cache->entry_count > cache->unused_max && node != &cache->entries) {
    entry *oldest = JH_LIST_ENTRY(node, entry, node);
    node = node->next;
    if (oldest->context->holder_count == 1) drop(cache, oldest);
  }
}

/* Keeps a context under its key, which becomes the cache's. False when out of memory. */
static bool keep(jh_tls_cache *cache, key_writer *key, jh_tls_context *context) {
  entry *fresh = jh_try_alloc(sizeof *fresh);
  if (!fresh) return false;
  *fresh = (entry){.context = context, .key = key->bytes, .key_len = key->len};
  key->bytes = NULL;
  jh_list_init(&fresh->node);
  jh_list_append(&cache->entries, &fresh->node);
  cache->entry_count++;
  return true;
}

/* The context of a key that is known already, with a hold. */
static jh_tls_context *acquire_known(jh_tls_cache *cache, const key_writer *key) {
  entry *found = find(cache, key);
  if (!found) return NULL;
  jh_list_remove(&found->node);
  jh_list_append(&cache->entries, &found->node);
  return jh_tls_context_acquire(found->context);
}

/* Keeps a fresh context, if there is one. The caller has a hold in any case. */
static jh_tls_context *add(jh_tls_cache *cache, key_writer *key, jh_tls_context *fresh) {
  if (fresh && keep(cache, key, fresh)) {
    jh_tls_context_acquire(fresh);
    drop_unused(cache);
  }
  return fresh;
}

static jh_tls_context *refuse(jh_tls_cache *cache, const key_writer *key) {
  snprintf(cache->reason, sizeof cache->reason, "out of memory");
  jh_free(key->bytes);
  return NULL;
}

jh_tls_context *jh_tls_cache_acquire(jh_tls_cache *cache, const jh_tls_options *options) {
  key_writer key = {NULL, 0, 0, false};
  if (!write_key(&key, options)) return refuse(cache, &key);
  jh_tls_context *context = acquire_known(cache, &key);
  if (!context) {
    context = jh_tls_context_new_client(options, cache->reason, sizeof cache->reason);
    context = add(cache, &key, context);
  }
  jh_free(key.bytes);
  return context;
}

jh_tls_context *jh_tls_cache_acquire_found(jh_tls_cache *cache, const jh_tls_context *base,
                                           jh_str cert, jh_str key_text) {
  key_writer key = {NULL, 0, 0, false};
  jh_tls_pair pair = {cert, key_text};
  write_source(&key, cert);
  write_source(&key, key_text);
  if (key.has_failed) return refuse(cache, &key);
  jh_tls_context *context = acquire_known(cache, &key);
  if (!context) {
    context = jh_tls_context_new_found(base, &pair, cache->reason, sizeof cache->reason);
    context = add(cache, &key, context);
  }
  jh_free(key.bytes);
  return context;
}
