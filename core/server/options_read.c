/* options_read.c: options from the command line and the environment, and the checks that look at
 * more than one of them. */
#include "server/options.h"

#include "justhttp.h"
#include "server/address.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_MAX_BYTES = 64, ADDRESS_ERROR_BYTES = 256 };

static const char prefix[] = "JUSTHTTP_";

/* ---- command line ------------------------------------------------------------------------ */

/* Copies the name in "--name" or "--name=value"; a name too long to be an option is cut, which
 * keeps it unknown. Returns the text after '=', or NULL. */
static const char *split_flag(const char *argument, char *name, size_t name_bytes) {
  const char *at = argument + 2;
  size_t len = strcspn(at, "=");
  snprintf(name, name_bytes, "%.*s", (int)(len < name_bytes ? len : name_bytes), at);
  return at[len] == '=' ? at + len + 1 : NULL;
}

/* A switch needs no value, but "--dev false" says clearly enough what is meant. */
static bool is_switch_word(const char *text) {
  return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

/* "--no-name": a switch becomes false, a text is turned off. */
static int read_negation(jh_options *options, const char *name, const char *value, char *error,
                         size_t error_bytes) {
  const jh_option_info *info = jh_options_describe((size_t)jh_options_find(name));
  char spelt[NAME_MAX_BYTES];
  jh_options_spell(name, JH_OPTION_FROM_COMMAND_LINE, spelt, sizeof spelt);
  if (value != NULL) {
    snprintf(error, error_bytes, "--no-%s takes no value; write %s=%.80s", spelt + 2, spelt, value);
    return JH_EINVAL;
  }
  if (info->kind != JH_OPTION_SWITCH && info->kind != JH_OPTION_TEXT) {
    snprintf(error, error_bytes, "--no-%s: %s cannot be turned off; it takes a value: %s %s",
             spelt + 2, name, spelt, info->default_value);
    return JH_EINVAL;
  }
  const char *off = info->kind == JH_OPTION_SWITCH ? "false" : "off";
  int rc = jh_options_set(options, name, off, JH_OPTION_FROM_COMMAND_LINE, error, error_bytes);
  return rc < 0 ? rc : 1;
}

int jh_options_read_flag(jh_options *options, const char *const *arguments, size_t count,
                         char *error, size_t error_bytes) {
  char name[NAME_MAX_BYTES];
  const char *value = split_flag(arguments[0], name, sizeof name);
  int index = jh_options_find(name);
  int used = 1;
  if (index < 0 && strncmp(name, "no-", 3) == 0 && jh_options_find(name + 3) >= 0)
    return read_negation(options, name + 3, value, error, error_bytes);
  if (index >= 0 && value == NULL) {
    const jh_option_info *info = jh_options_describe((size_t)index);
    if (info->kind == JH_OPTION_SWITCH) {
      value = "true";
      if (count > 1 && is_switch_word(arguments[1])) {
        value = arguments[1];
        used = 2;
      }
    } else if (count > 1 && strncmp(arguments[1], "--", 2) != 0) {
      value = arguments[1];
      used = 2;
    } else {
      const char *example = info->default_value[0] != '\0' ? info->default_value : info->unit;
      snprintf(error, error_bytes, "%s needs a value, such as %s %s", arguments[0], arguments[0],
               example);
      return JH_EINVAL;
    }
  }
  int rc = jh_options_set(options, name, value != NULL ? value : "", JH_OPTION_FROM_COMMAND_LINE,
                          error, error_bytes);
  return rc < 0 ? rc : used;
}

/* ---- environment ------------------------------------------------------------------------- */

static int read_variable(jh_options *options, const char *variable, char *error,
                         size_t error_bytes) {
  char name[NAME_MAX_BYTES];
  const char *start = variable + sizeof prefix - 1;
  size_t len = strcspn(start, "="), distance = 0;
  if (len >= sizeof name || start[len] != '=') return 0;
  for (size_t i = 0; i <= len; i++) {
    char c = i < len ? start[i] : '\0';
    name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
  }
  if (jh_options_find(name) < 0) {
    /* Container platforms set variables such as JUSTHTTP_SERVICE_HOST of their own. */
    jh_options_nearest(name, &distance);
    if (distance > 2) return 0;
  }
  return jh_options_set(options, name, start + len + 1, JH_OPTION_FROM_ENVIRONMENT, error,
                        error_bytes);
}

int jh_options_read_environment(jh_options *options, const char *const *environment, char *error,
                                size_t error_bytes) {
  for (; *environment != NULL; environment++) {
    if (strncmp(*environment, prefix, sizeof prefix - 1) != 0) continue;
    int rc = read_variable(options, *environment, error, error_bytes);
    if (rc != 0) return rc;
  }
  return 0;
}

/* ---- checks ------------------------------------------------------------------------------ */

/* True when the address at `index` is one of those before it. */
static bool is_repeated(const jh_option_list *list, size_t index) {
  jh_address address, other;
  char reason[ADDRESS_ERROR_BYTES];
  if (jh_address_parse(&address, list->items[index], reason, sizeof reason) != 0) return false;
  for (size_t i = 0; i < index; i++) {
    if (jh_address_parse(&other, list->items[i], reason, sizeof reason) != 0) continue;
    if (jh_address_is_equal(&address, &other)) return true;
  }
  return false;
}

int jh_options_check(const jh_options *options, char *error, size_t error_bytes) {
  char spelt[NAME_MAX_BYTES];
  jh_option_source source = jh_options_source(options, JH_OPTIONS_INDEX_listen);
  for (size_t i = 0; i < options->listen.count; i++) {
    if (!is_repeated(&options->listen, i)) continue;
    snprintf(error, error_bytes, "%s: '%.80s' is given twice; name each address once",
             jh_options_spell("listen", source, spelt, sizeof spelt), options->listen.items[i]);
    return JH_EINVAL;
  }
  if (options->max_target_bytes > options->max_header_bytes) {
    source = jh_options_source(options, JH_OPTIONS_INDEX_max_target_bytes);
    snprintf(error, error_bytes,
             "%s: must not be above max_header_bytes (%llu), which counts the target too",
             jh_options_spell("max_target_bytes", source, spelt, sizeof spelt),
             (unsigned long long)options->max_header_bytes);
    return JH_EINVAL;
  }
  if (options->worker_timeout_ms != 0 && options->worker_timeout_ms <= options->cpu_budget_ms) {
    source = jh_options_source(options, JH_OPTIONS_INDEX_worker_timeout_ms);
    snprintf(
        error, error_bytes, "%s: must be above cpu_budget_ms (%u), which stops Lua code before",
        jh_options_spell("worker_timeout_ms", source, spelt, sizeof spelt), options->cpu_budget_ms);
    return JH_EINVAL;
  }
  if (options->group[0] != '\0' && options->user[0] == '\0') {
    source = jh_options_source(options, JH_OPTIONS_INDEX_group);
    snprintf(error, error_bytes, "%s: needs a user too",
             jh_options_spell("group", source, spelt, sizeof spelt));
    return JH_EINVAL;
  }
  if (options->tls_key.count != 0 && options->tls_key.count != options->tls_cert.count) {
    source = jh_options_source(options, JH_OPTIONS_INDEX_tls_key);
    snprintf(error, error_bytes, "%s: there are %zu keys for %zu certificates; each needs its own",
             jh_options_spell("tls_key", source, spelt, sizeof spelt), options->tls_key.count,
             options->tls_cert.count);
    return JH_EINVAL;
  }
  struct stat dir;
  if (options->upload_dir[0] != '\0' &&
      (stat(options->upload_dir, &dir) < 0 || !S_ISDIR(dir.st_mode))) {
    source = jh_options_source(options, JH_OPTIONS_INDEX_upload_dir);
    snprintf(error, error_bytes, "%s: '%.200s' is no directory",
             jh_options_spell("upload_dir", source, spelt, sizeof spelt), options->upload_dir);
    return JH_EINVAL;
  }
  return 0;
}
