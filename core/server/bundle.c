/* bundle.c: opening bundles, and making them immutable.
 *
 * A mapping of a file that is cut off kills whoever reads it, so only two kinds of file are mapped:
 * memfds that are sealed against any change, and the running executable, which the kernel does not
 * let anybody write. A .zip file is copied first. */
#include "server/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"

struct jh_bundle {
  jh_zip zip;
  int fd;
  char *data;
  size_t len;
  jh_str main;
  bool is_whole;
  uint32_t ref_count;
  uint64_t number;
};

static int fail(char *error, size_t error_bytes, int code) {
  snprintf(error, error_bytes, "%s", jh_strerror(code));
  return code;
}

static bool take_prefix(jh_str *text, jh_str prefix) {
  if (text->len < prefix.len || memcmp(text->ptr, prefix.ptr, prefix.len) != 0) return false;
  *text = jh_str_make(text->ptr + prefix.len, text->len - prefix.len);
  return true;
}

/* A ZIP made by another program has no comment of ours: it is an app with an app.lua. */
static void read_comment(jh_bundle *bundle) {
  jh_str comment = bundle->zip.comment;
  bundle->is_whole = !take_prefix(&comment, JH_STR(JH_BUNDLE_COMMENT_SNAPSHOT));
  bool is_ours = !bundle->is_whole || take_prefix(&comment, JH_STR(JH_BUNDLE_COMMENT_APP));
  bundle->main = is_ours && jh_zip_name_is_allowed(comment) ? comment : JH_STR("app.lua");
}

int jh_bundle_open(jh_bundle **out, int fd, char *error, size_t error_bytes) {
  struct stat status;
  if (fstat(fd, &status) < 0) return fail(error, error_bytes, -errno);
  if (!S_ISREG(status.st_mode)) return fail(error, error_bytes, -EINVAL);
  size_t len = (size_t)status.st_size;
  char *data = len ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
  if (data == MAP_FAILED) return fail(error, error_bytes, -errno);
  jh_bundle *bundle = jh_try_alloc(sizeof *bundle);
  int result = bundle ? 0 : fail(error, error_bytes, JH_ENOMEM);
  if (bundle) {
    *bundle =
        (jh_bundle){.fd = fd, .data = data, .len = len, .ref_count = 1, .number = status.st_ino};
    result = jh_zip_open(&bundle->zip, data, len, error, error_bytes);
  }
  if (result < 0) {
    if (data) munmap(data, len);
    jh_free(bundle);
    return result;
  }
  read_comment(bundle);
  *out = bundle;
  return 0;
}

void jh_bundle_close(jh_bundle *bundle) {
  if (!bundle || --bundle->ref_count > 0) return;
  jh_zip_close(&bundle->zip);
  if (bundle->data) munmap(bundle->data, bundle->len);
  close(bundle->fd);
  jh_free(bundle);
}

jh_bundle *jh_bundle_acquire(const jh_bundle *bundle) {
  jh_bundle *own = (jh_bundle *)(uintptr_t)bundle;
  own->ref_count++;
  return own;
}

uint64_t jh_bundle_number(const jh_bundle *bundle) {
  return bundle->number;
}

int jh_bundle_fd(const jh_bundle *bundle) {
  return bundle->fd;
}

const jh_bundle_entry *jh_bundle_find(const jh_bundle *bundle, jh_str name) {
  return jh_zip_find(&bundle->zip, name);
}

size_t jh_bundle_count(const jh_bundle *bundle) {
  return bundle->zip.count;
}

const jh_bundle_entry *jh_bundle_at(const jh_bundle *bundle, size_t i) {
  return i < bundle->zip.count ? &bundle->zip.entries[i] : NULL;
}

jh_str jh_bundle_main(const jh_bundle *bundle) {
  return bundle->main;
}

const jh_zip *jh_bundle_zip(const jh_bundle *bundle) {
  return &bundle->zip;
}

bool jh_bundle_is_whole(const jh_bundle *bundle) {
  return bundle->is_whole;
}

/* ---- making one in memory ---- */

int jh_bundle_make(jh_bundle **out,
                   int (*write)(void *target, jh_zip_writer *writer, char *error,
                                size_t error_bytes),
                   void *target, jh_str comment, char *error, size_t error_bytes) {
  int fd = memfd_create("justhttp bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return fail(error, error_bytes, -errno);
  jh_zip_writer writer;
  jh_zip_writer_init(&writer, fd, 0);
  int result = write(target, &writer, error, error_bytes);
  if (result == 0) {
    result = jh_zip_writer_finish(&writer, comment);
    if (result < 0) fail(error, error_bytes, result);
  }
  jh_zip_writer_deinit(&writer);
  int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (result == 0 && fcntl(fd, F_ADD_SEALS, seals) < 0) result = fail(error, error_bytes, -errno);
  if (result == 0) result = jh_bundle_open(out, fd, error, error_bytes);
  if (result < 0) close(fd);
  return result;
}

/* Adds every entry as it is when inflated. */
static int write_copies(void *target, jh_zip_writer *writer, char *error, size_t error_bytes) {
  const jh_bundle *bundle = target;
  for (size_t i = 0; i < bundle->zip.count; i++) {
    const jh_zip_entry *entry = &bundle->zip.entries[i];
    char *bytes = jh_try_alloc(entry->size + 1);
    int result = bytes ? jh_zip_extract(entry, bytes) : JH_ENOMEM;
    if (result == 0) {
      jh_str inflated = {bytes, entry->size};
      result = jh_zip_writer_add(writer, entry->name, inflated, entry->modified_s);
    }
    jh_free(bytes);
    if (result < 0) {
      snprintf(error, error_bytes, "%.*s: %s", (int)entry->name.len, entry->name.ptr,
               result == JH_EINVAL ? "is damaged" : jh_strerror(result));
      return result;
    }
  }
  return 0;
}

static int copy(jh_bundle **out, const jh_bundle *bundle, char *error, size_t error_bytes) {
  return jh_bundle_make(out, write_copies, (void *)(uintptr_t)bundle, bundle->zip.comment, error,
                        error_bytes);
}

/* Whether nobody can change the file any more. */
static bool is_sealed(int fd) {
  int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_WRITE) && (seals & F_SEAL_SHRINK);
}

static int open_immutable(jh_bundle **out, int fd, bool is_self, char *error, size_t error_bytes) {
  jh_bundle *bundle = NULL;
  int result = jh_bundle_open(&bundle, fd, error, error_bytes);
  if (!bundle) {
    close(fd);
    return result;
  }
  if (bundle->zip.deflated_count == 0 && (is_self || is_sealed(fd))) {
    *out = bundle;
    return 0;
  }
  result = copy(out, bundle, error, error_bytes);
  jh_bundle_close(bundle);
  return result;
}

int jh_bundle_open_file(jh_bundle **out, const char *path, char *error, size_t error_bytes) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(error, error_bytes, -errno);
  return open_immutable(out, fd, false, error, error_bytes);
}

int jh_bundle_open_executable(void) {
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 || errno != ENOENT) return fd < 0 ? -errno : fd;
  /* Without /proc, as in a bare chroot: by the name it was started with. */
  const char *name = (const char *)(uintptr_t)getauxval(AT_EXECFN);
  fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  return fd < 0 ? -errno : fd;
}

int jh_bundle_open_self(jh_bundle **out, char *error, size_t error_bytes) {
  int fd = jh_bundle_open_executable();
  if (fd < 0) return fail(error, error_bytes, fd);
  return open_immutable(out, fd, true, error, error_bytes);
}
