/* door_bundle.c: the part of justhttp.h that is about the files of an app; see door.c for its
 * rules. */
#include "base/str.h"
#include "server/bundle.h"
#include "server/worker.h"

int jh_bundle_describe(jh_generation *generation, jh_bundle_info *out) {
  const jh_bundle *bundle = generation->bundle;
  if (!bundle) return JH_ENOTFOUND;
  *out = (jh_bundle_info){.main = jh_bundle_main(bundle), .is_whole = jh_bundle_is_whole(bundle)};
  return 0;
}

int jh_bundle_text(jh_generation *generation, const char *name, size_t name_len, jh_str *out) {
  jh_str wanted = {name, name_len};
  const jh_bundle_entry *entry =
      generation->bundle ? jh_bundle_find(generation->bundle, wanted) : NULL;
  if (!entry || entry->is_deflated) return JH_ENOTFOUND;
  *out = entry->bytes;
  return 0;
}

bool jh_bundle_has_directory(jh_generation *generation, const char *name, size_t name_len) {
  jh_str wanted = {name, name_len};
  return generation->bundle && jh_zip_has_directory(jh_bundle_zip(generation->bundle), wanted);
}

jh_file_root *jh_bundle_root_open(jh_generation *generation, const char *name, size_t name_len,
                                  const jh_file_options *options, int *error) {
  jh_str directory = {name, name_len};
  *error = JH_ENOTFOUND;
  if (!generation->bundle) return NULL;
  const jh_zip *zip = jh_bundle_zip(generation->bundle);
  int fd = jh_bundle_fd(generation->bundle);
  jh_file_root *root = jh_file_root_new_in_zip(zip, fd, directory, options, error);
  if (!root) return NULL;
  root->owner = generation;
  *error = jh_file_cache_add_root(&generation->worker->loop.files, root);
  return *error ? NULL : root;
}
