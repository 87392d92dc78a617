/* bundle_walk.h: goes through the files of a directory tree, for bundles to be made of them. */
#ifndef JH_SERVER_BUNDLE_WALK_H
#define JH_SERVER_BUNDLE_WALK_H

#include <stdbool.h>
#include <stddef.h>

typedef struct jh_bundle_walk {
  bool is_flat; /* not what is in directories below */
  void *target;
  /* Told of every name that is no directory and does not begin with a dot: `name` is in
   * `directory`, `path` is below the whole. A negative code ends the walk. */
  int (*on_file)(void *target, int directory, const char *name, const char *path);
} jh_bundle_walk;

/* 0, what on_file ended it with, or a negative errno with one line in `error` when the directory
 * cannot be read. */
int jh_bundle_walk_files(const jh_bundle_walk *walk, const char *directory, char *error,
                         size_t error_bytes);

#endif
