/* bundle.h: an app's files as one immutable ZIP in a descriptor.
 *
 * The one way an app's code is loaded, whether it comes from a directory (a snapshot in a sealed
 * memfd), from the tail of the executable (`justhttp bundle`) or from a .zip file. The supervisor
 * makes it, workers inherit or receive the descriptor; whoever opened it reads it by its mapping.
 * A bundle never changes while it is open. */
#ifndef JH_SERVER_BUNDLE_H
#define JH_SERVER_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/zip.h"

/* ==== cdef: begin ==== */

enum {
  JH_BUNDLE_FILE_MAX_BYTES = 1048576, /* larger files of a directory stay on the disk */
  JH_BUNDLE_MAX_BYTES = 67108864      /* of a snapshot */
};

typedef struct jh_bundle jh_bundle;

typedef jh_zip_entry jh_bundle_entry;

/* Opens the archive that ends the whole file; bytes before it are skipped, as in an executable.
 * Takes the descriptor over when it succeeds. 0, JH_ENOTFOUND without an archive, or another
 * negative code; one line in `error` always. */
int jh_bundle_open(jh_bundle **out, int fd, char *error, size_t error_bytes);

/* Opens a file, and makes it immutable: what is not the executable itself is copied to a memfd, and
 * whatever is deflated is inflated there. Results as those of jh_bundle_open(), and negated errnos.
 */
int jh_bundle_open_file(jh_bundle **out, const char *path, char *error, size_t error_bytes);

/* A descriptor of the running executable, or a negated errno. */
int jh_bundle_open_executable(void);

/* The archive behind the running executable; JH_ENOTFOUND when it has none. */
int jh_bundle_open_self(jh_bundle **out, char *error, size_t error_bytes);

/* Closes it when everybody who has it did. NULL is allowed. */
void jh_bundle_close(jh_bundle *bundle);

/* One more who has it and will close it. On the thread of the loop, as the closing. */
jh_bundle *jh_bundle_acquire(const jh_bundle *bundle);

/* Tells one that is open from all others. */
uint64_t jh_bundle_number(const jh_bundle *bundle);

/* Its descriptor, still the bundle's. It survives exec only if the caller says so. */
int jh_bundle_fd(const jh_bundle *bundle);

/* The entry of that name ("app.lua", "views/page.html"), or NULL. */
const jh_bundle_entry *jh_bundle_find(const jh_bundle *bundle, jh_str name);

size_t jh_bundle_count(const jh_bundle *bundle);

/* Entries by number, sorted by name. */
const jh_bundle_entry *jh_bundle_at(const jh_bundle *bundle, size_t i);

/* The name of the entry that is the app: "app.lua", or that of the single file. */
jh_str jh_bundle_main(const jh_bundle *bundle);

/* The archive's directory, for those that need no more. */
const jh_zip *jh_bundle_zip(const jh_bundle *bundle);

/* True when it is all of the app, static files too: an executable or a .zip file. False for the
 * snapshot of a directory, whose other files are on the disk. */
bool jh_bundle_is_whole(const jh_bundle *bundle);

/* Reads a directory, or a Lua file with the *.lua files beside it, into a sealed memfd. Regular
 * files only, none whose name or directory begins with a dot, none above JH_BUNDLE_FILE_MAX_BYTES,
 * and no pictures, films, fonts and archives: they stay on the disk. 0 or a negative code with one
 * line in `error`. */
int jh_bundle_snapshot(jh_bundle **out, const char *app_path, char *error, size_t error_bytes);

/* What an app is given as, for as long as its server runs. */
typedef struct jh_bundle_source {
  const char *path; /* a directory, a Lua file, a .zip file, or an executable with one behind it */
  bool is_self;     /* the executable that runs, whatever its path is now */
  const char *overlay; /* directory whose files win over those of an app in one file; NULL or "" */
} jh_bundle_source;

/* Reads the app as it is now: what `run` starts with, and a reload again. 0 or a negative code with
 * one line in `error`. */
int jh_bundle_load(jh_bundle **out, const jh_bundle_source *source, char *error,
                   size_t error_bytes);

/* True for a file that begins as a ZIP or an executable does. */
bool jh_bundle_is_archive(const char *path);

/* Every file below a directory, but those whose names begin with a dot, in a sealed memfd. */
int jh_bundle_take_directory(jh_bundle **out, const char *directory, char *error,
                             size_t error_bytes);

/* ==== cdef: end ==== */

/* Makes a bundle of what `write` adds; in a sealed memfd. `write` returns 0 or a negative code with
 * a line in `error`. */
int jh_bundle_make(jh_bundle **out,
                   int (*write)(void *target, jh_zip_writer *writer, char *error,
                                size_t error_bytes),
                   void *target, jh_str comment, char *error, size_t error_bytes);

/* The comment that names the main entry and says what kind of bundle it is. */
#define JH_BUNDLE_COMMENT_SNAPSHOT "justhttp snapshot "
#define JH_BUNDLE_COMMENT_APP "justhttp app "

#endif
