/* declare.c: what is said to a server before it starts: options, listeners, the app, handlers. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "embed/server.h"
#include "lua/config_file.h"

static int refuse(jh_server *server, const char *text) {
  snprintf(server->error, sizeof server->error, "%s", text);
  return JH_EINVAL;
}

static int check_open(jh_server *server) {
  return server->was_started ? refuse(server, "the server was started already") : 0;
}

static char *copy(const char *text) {
  size_t bytes = strlen(text) + 1;
  char *out = jh_try_alloc(bytes);
  if (out) memcpy(out, text, bytes);
  return out;
}

int jh_server_set(jh_server *server, const char *name, const char *value) {
  if (check_open(server) < 0) return JH_EINVAL;
  return jh_options_set(server->options, name, value, JH_OPTION_FROM_FILE, server->error,
                        sizeof server->error);
}

static int set_number(jh_server *server, const char *name, uint64_t number) {
  char text[32];
  if (number == 0) return 0;
  snprintf(text, sizeof text, "%" PRIu64, number);
  return jh_server_set(server, name, text);
}

int jh_server_configure(jh_server *server, const jh_server_options *options) {
  if (options->struct_bytes < sizeof *options)
    return refuse(server, "struct_bytes must be sizeof(jh_server_options)");
  int rc = options->listen ? jh_server_listen(server, options->listen) : 0;
  if (rc == 0 && options->app) rc = jh_server_load_path(server, options->app);
  if (rc == 0 && options->error_log) rc = jh_server_set(server, "error_log", options->error_log);
  if (rc == 0 && options->access_log) rc = jh_server_set(server, "access_log", options->access_log);
  if (rc == 0) rc = set_number(server, "max_body_bytes", options->max_body_bytes);
  if (rc == 0) rc = set_number(server, "concurrency", options->concurrency);
  if (rc == 0) rc = set_number(server, "max_connections", options->max_connections);
  if (rc == 0) rc = set_number(server, "shutdown_timeout_ms", options->shutdown_timeout_ms);
  if (rc == 0 && options->dev) rc = jh_server_set(server, "dev", "true");
  return rc;
}

int jh_server_listen(jh_server *server, const char *address) {
  if (strchr(address, ',')) return refuse(server, "jh_server_listen: one address at a time");
  /* What the same source sets more than once adds up. */
  return jh_server_set(server, "listen", address);
}

static int set_app(jh_server *server, char **place, const char *text) {
  if (check_open(server) < 0) return JH_EINVAL;
  if (server->app_path || server->app_code) return refuse(server, "the server has an app already");
  *place = copy(text);
  return *place ? 0 : JH_ENOMEM;
}

int jh_server_load_path(jh_server *server, const char *path) {
  return set_app(server, &server->app_path, path);
}

int jh_server_load_bundle(jh_server *server, const void *bytes, size_t len) {
  char path[64];
  if (check_open(server) < 0) return JH_EINVAL;
  if (server->app_path || server->app_code) return refuse(server, "the server has an app already");
  int fd = memfd_create("justhttp-app", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  const char *at = bytes;
  int rc = 0;
  while (rc == 0 && len > 0) {
    ssize_t written = write(fd, at, len);
    if (written < 0) rc = -errno;
    at += written;
    len -= (size_t)written;
  }
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (rc == 0) {
    rc = jh_bundle_open_file(&server->bundle, path, server->error, sizeof server->error);
  }
  close(fd);
  if (rc == 0) server->app_path = copy("app.zip");
  return rc;
}

/* What is beside the path of an app, for names and for files that are not in the bundle. */
static char *name_of(const jh_server *server) {
  if (!jh_bundle_is_whole(server->bundle)) return copy(server->app_path);
  const char *slash = strrchr(server->app_path, '/');
  char *name = copy(slash ? slash + 1 : server->app_path);
  size_t len = name ? strlen(name) : 0;
  if (len > 4 && strcmp(name + len - 4, ".zip") == 0) name[len - 4] = '\0';
  return name;
}

static int set_from_file(void *target, const char *name, const char *value, char *error,
                         size_t error_bytes) {
  jh_server *server = target;
  int index = jh_options_find(name);
  /* What the program has set stands. */
  if (index >= 0 && jh_options_source(server->options, (size_t)index) != JH_OPTION_FROM_DEFAULT) {
    return 0;
  }
  return jh_options_set(server->options, name, value, JH_OPTION_FROM_FILE, error, error_bytes);
}

int jh_server_read_app(jh_server *server) {
  if (!server->app_path) return 0;
  char path[PATH_MAX];
  struct stat found;
  const jh_bundle_source source = {.path = server->app_path, .overlay = server->options->overlay};
  if (!server->bundle) {
    int rc = jh_bundle_load(&server->bundle, &source, server->error, sizeof server->error);
    if (rc != 0) return rc;
  }
  server->app_name = name_of(server);
  if (!server->app_name) return JH_ENOMEM;
  bool is_directory = stat(server->app_path, &found) == 0 && S_ISDIR(found.st_mode);
  const jh_bundle_entry *entry = jh_bundle_find(server->bundle, JH_STR("config.lua"));
  if (!entry || (!is_directory && !jh_bundle_is_whole(server->bundle))) return 0;
  snprintf(path, sizeof path, "%s/config.lua", server->app_name);
  return jh_config_file_read(path, entry->bytes, set_from_file, server, server->error,
                             sizeof server->error);
}

int jh_server_load_code(jh_server *server, const char *code) {
  return set_app(server, &server->app_code, code);
}

static int declare(jh_server *server, const jh_declaration *what, const char *method,
                   const char *name) {
  if (check_open(server) < 0) return JH_EINVAL;
  size_t count = server->declaration_count;
  jh_declaration *all = jh_try_realloc(server->declarations, (count + 1) * sizeof *all);
  if (!all) return JH_ENOMEM;
  server->declarations = all;
  all[count] = *what;
  all[count].method = method ? copy(method) : NULL;
  all[count].name = name ? copy(name) : NULL;
  server->declaration_count = count + 1;
  if ((method && !all[count].method) || (name && !all[count].name)) return JH_ENOMEM;
  return 0;
}

int jh_server_handle(jh_server *server, const char *method, const char *pattern, jh_handler handler,
                     void *data) {
  if (!handler || !pattern || pattern[0] != '/')
    return refuse(server, "jh_server_handle: give a pattern that begins with / and a handler");
  jh_declaration what = {.kind = JH_NATIVE_ROUTE, .handler = handler, .data = data};
  return declare(server, &what, method && method[0] ? method : "ANY", pattern);
}

int jh_server_use(jh_server *server, const char *prefix, jh_handler middleware, void *data) {
  if (!middleware || (prefix && prefix[0] != '/'))
    return refuse(server,
                  "jh_server_use: give a prefix that begins with /, or NULL, and a function");
  jh_declaration what = {.kind = JH_NATIVE_MIDDLEWARE, .handler = middleware, .data = data};
  return declare(server, &what, NULL, prefix);
}

static int check_function_name(jh_server *server, const char *name) {
  const char *dot = name ? strrchr(name, '.') : NULL;
  if (dot && dot != name && dot[1] != '\0') return 0;
  return refuse(server, "a function for Lua needs a name such as \"shop.price\": module and name");
}

int jh_server_function(jh_server *server, const char *name, jh_function fn, void *data) {
  if (check_function_name(server, name) < 0) return JH_EINVAL;
  if (!fn) return refuse(server, "jh_server_function: the function is missing");
  jh_declaration what = {.kind = JH_NATIVE_FUNCTION, .function = fn, .data = data};
  return declare(server, &what, NULL, name);
}

int jh_server_lua_function(jh_server *server, const char *name, int (*fn)(struct lua_State *)) {
  if (check_function_name(server, name) < 0) return JH_EINVAL;
  if (!fn) return refuse(server, "jh_server_lua_function: the function is missing");
  jh_declaration what = {.kind = JH_NATIVE_FUNCTION, .lua_function = fn};
  return declare(server, &what, NULL, name);
}
