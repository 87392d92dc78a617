/* command.c: the commands, one table.
 *
 * Flags are read first, because they name the app whose config.lua is read next; that a flag beats
 * the file all the same is the business of jh_options_set, which knows who set what. */
#include "server/command.h"

#include "justhttp.h"
#include "base/alloc.h"
#include "lua/config_file.h"
#include "server/bundle.h"
#include "server/bundle_command.h"
#include "server/control_client.h"
#include "server/nearest.h"
#include "server/options.h"
#include "server/scaffold.h"
#include "server/supervisor.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, ERROR_BYTES = 1024 };

typedef struct invocation invocation;

typedef struct command {
  const char *name;
  const char *arguments;
  const char *summary;
  const char *description;
  int (*run)(const invocation *invocation); /* NULL: it asks a running server */
  bool takes_app;                           /* and with it every option */
} command;

/* One run of the program. */
struct invocation {
  const command *command;
  const char *app_path;
  const char *app_code;
  jh_bundle *bundle; /* of app_path, once it is known to be there */
  jh_bundle_source source;
  char name[NAME_MAX + 1]; /* of an app in one file */
  char self[PATH_MAX];     /* of this executable */
  bool is_self;            /* the app is in this executable; app_path is its name */
  const command *subject;  /* of help */
  bool wants_markdown;
  const char **arguments; /* of test, for busted; ours to free */
  size_t argument_count;
  const char *const *words; /* of a command that reads its arguments itself */
  size_t word_count;
  const char *const *argv;
  jh_options *options;
  int (*work)(const jh_worker_config *config);
};

static int run_app(const invocation *invocation);
static int run_once(const invocation *invocation);
static int run_tests(const invocation *invocation);
static int make_app(const invocation *invocation);
static int write_stubs(const invocation *invocation);
static int run_bundle(const invocation *invocation);
static int print_options(const invocation *invocation);
static int print_version(const invocation *invocation);
static int print_help(const invocation *invocation);

static const command commands[] = {
    {"run", "APP [options]", "serve an app",
     "APP is a Lua script, or a directory with app.lua and, if wanted, config.lua; or such a\n"
     "directory as a .zip file.\n"
     "-e CODE takes the app from the command line:\n\n"
     "  justhttp run -e 'return function(ctx) return \"Hello, World!\" end'",
     run_app, true},
    {"check", "APP [options]", "load an app, compile its routes, and end",
     "Nothing listens, and start hooks do not run. Ends with 0 when the app loads and its routes\n"
     "compile.",
     run_once, true},
    {"routes", "APP [options]", "print the routes of an app",
     "One line per route: method, pattern, and the place that added it.", run_once, true},
    {"upgrade", "[options]", "put a new version of the server in the place of the running one",
     "The executable is started from where it was, with the same arguments, and takes over the\n"
     "listening sockets; when it serves, the old process finishes its requests and ends. When it\n"
     "does not get to serve, nothing changes, and the command ends with 1 and says "
     "why.\n" JH_CONTROL_CLIENT_HELP,
     NULL, false},
    {"test", "[DIR] [ARGUMENT…]", "run the specs of an app",
     "Runs busted in DIR, an app directory (the present one when absent), with the arguments\n"
     "behind it. Specs may wait, and call app:request{...} without a server around.\n"
     "Ends with 0 when every spec passes, with 1 when one fails.",
     run_tests, false},
    {"new", "DIR", "make a directory with an app to begin with",
     "An app with a page, a static file, options, a spec and what editors need. Nothing is\n"
     "overwritten.",
     make_app, false},
    {"stubs", "[DIR]", "write what editors complete from",
     "The annotations of everything an app may call, for lua-language-server. They go to\n"
     "DIR/.justhttp/stubs, where the .luarc.json of `justhttp new` looks for them.",
     write_stubs, false},
    {"reload", "[options]", "have the running server load its app anew",
     "The server takes a copy of the app's files, tries it in a process of its own, and only when\n"
     "it loads and its selfcheck hooks pass every worker goes over to it, without losing a\n"
     "request. Else nothing changes, and the command ends with 1 and says why.\n\n"
     "  --guard TIME    go back by itself when errors (5xx) become more frequent within that\n"
     "                  time (10s); the command waits for it\n" JH_CONTROL_CLIENT_HELP,
     NULL, false},
    {"rollback", "[options]", "have the running server go back to the app before the last reload",
     "The last five are kept.\n" JH_CONTROL_CLIENT_HELP, NULL, false},
    {"status", "[options]", "print what the running server is doing",
     "One line for the server and one per worker.\n" JH_CONTROL_CLIENT_HELP, NULL, false},
    {"bundle", "APP -o FILE [options]", "make an app one file", JH_BUNDLE_COMMAND_HELP, run_bundle,
     false},
    {"options", "[--markdown]", "print every option with its default",
     "--markdown prints the table of README.", print_options, false},
    {"version", "", "print the version", NULL, print_version, false},
    {"help", "[COMMAND]", "print this text, or that of a command", NULL, print_help, false},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

/* Names that are kept free for commands of later versions. */
static const char *const later_commands[] = {"stop"};

enum { LATER_COUNT = sizeof later_commands / sizeof later_commands[0] };

__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...) {
  va_list arguments;
  fputs("justhttp: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  return EXIT_USAGE;
}

/* ---- texts ------------------------------------------------------------------------------- */

static void print_overview(FILE *out) {
  fprintf(out, "justhttp %s, an HTTP application server for Lua\n\nUsage:\n", jh_version());
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    fprintf(out, "  justhttp %-8s %-15s %s\n", commands[i].name, commands[i].arguments,
            commands[i].summary);
  fputs("\n`justhttp COMMAND --help` tells more about a command.\n", out);
}

static void print_command_help(const command *command) {
  printf("Usage: justhttp %s %s\n\n%c%s.\n", command->name, command->arguments,
         command->summary[0] - 'a' + 'A', command->summary + 1);
  if (command->description != NULL) printf("%s\n", command->description);
  if (!command->takes_app) return;
  puts("\nOptions, with their defaults. In config.lua write max_body_bytes = \"2m\", in the\n"
       "environment JUSTHTTP_MAX_BODY_BYTES=2m; the command line beats both.\n");
  puts("  -e CODE                      the app as Lua text, instead of APP\n"
       "  -h, --help                   print this text");
  jh_options_print_help(stdout);
}

static int print_help(const invocation *invocation) {
  if (invocation->subject != NULL) {
    print_command_help(invocation->subject);
  } else {
    print_overview(stdout);
  }
  return EXIT_SUCCESS;
}

static int print_version(const invocation *invocation) {
  (void)invocation;
  printf("justhttp %s\n", jh_version());
  return EXIT_SUCCESS;
}

static int print_options(const invocation *invocation) {
  if (invocation->wants_markdown) {
    jh_options_print_markdown(stdout);
  } else {
    jh_options_print_help(stdout);
  }
  return EXIT_SUCCESS;
}

/* ---- commands that load an app ----------------------------------------------------------- */

static int run_app(const invocation *invocation) {
  const jh_supervisor_config config = {.options = invocation->options,
                                       .app_path = invocation->app_path,
                                       .app_code = invocation->app_code,
                                       .source = invocation->app_code ? NULL : &invocation->source,
                                       .bundle = invocation->bundle,
                                       .argv = invocation->argv,
                                       .work = invocation->work};
  return jh_supervisor_run(&config);
}

static int run_once(const invocation *invocation) {
  const jh_worker_config config = {.options = invocation->options,
                                   .slot_count = 1,
                                   .app_path = invocation->app_path,
                                   .app_code = invocation->app_code,
                                   .bundle = invocation->bundle,
                                   .command = invocation->command->name,
                                   .arguments = invocation->arguments,
                                   .argument_count = invocation->argument_count,
                                   .ready_fd = -1};
  return invocation->work(&config);
}

static int run_tests(const invocation *invocation) {
  return run_once(invocation);
}

static int make_app(const invocation *invocation) {
  char error[ERROR_BYTES];
  const char *dir = invocation->app_path;
  if (jh_scaffold_new(dir, error, sizeof error) != 0) return refuse("%s", error);
  printf("%s has an app, and a spec that passes:\n\n"
         "  justhttp run %s\n  justhttp test %s\n",
         dir, dir, dir);
  return EXIT_SUCCESS;
}

static int write_stubs(const invocation *invocation) {
  char error[ERROR_BYTES];
  const char *dir = invocation->app_path != NULL ? invocation->app_path : ".";
  return jh_scaffold_stubs(dir, error, sizeof error) == 0 ? 0 : refuse("%s", error);
}

static int run_bundle(const invocation *invocation) {
  return jh_bundle_command_run(invocation->words, invocation->word_count);
}

static int set_from_file(void *target, const char *name, const char *value, char *error,
                         size_t error_bytes) {
  return jh_options_set(target, name, value, JH_OPTION_FROM_FILE, error, error_bytes);
}

static bool is_directory(const char *path) {
  struct stat found;
  return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* What cannot be said better by those who read the app. */
static int check_app_place(const char *app) {
  char path[PATH_MAX];
  struct stat found;
  if (stat(app, &found) != 0) return refuse("cannot read the app '%s': %s", app, strerror(errno));
  if (!S_ISDIR(found.st_mode)) return 0;
  snprintf(path, sizeof path, "%s/app.lua", app);
  if (stat(path, &found) != 0)
    return refuse("the directory '%s' has no app.lua; an app directory needs one", app);
  return 0;
}

/* The config.lua of a directory, or of an app in one file; beside a script there is none. */
static int read_config(const invocation *invocation) {
  char path[PATH_MAX], error[ERROR_BYTES];
  const jh_bundle *bundle = invocation->bundle;
  jh_str main = jh_bundle_main(bundle), name = {"config.lua", 10};
  const jh_bundle_entry *entry = jh_bundle_find(bundle, name);
  bool is_script =
      !jh_bundle_is_whole(bundle) &&
      (main.len != 7 || memcmp(main.ptr, "app.lua", 7) != 0 || !is_directory(invocation->app_path));
  if (entry == NULL || is_script) return 0;
  snprintf(path, sizeof path, "%s/config.lua", invocation->app_path);
  int rc = jh_config_file_read(path, entry->bytes, set_from_file, invocation->options, error,
                               sizeof error);
  return rc == 0 ? 0 : refuse("%s", error);
}

/* The last part of an app's path, without ".zip": what stands before the names of its files. */
static const char *name_in_one_file(const char *path, char *out, size_t out_bytes) {
  const char *slash = strrchr(path, '/');
  snprintf(out, out_bytes, "%s", slash != NULL ? slash + 1 : path);
  size_t len = strlen(out);
  if (len > 4 && strcmp(out + len - 4, ".zip") == 0) out[len - 4] = '\0';
  return out;
}

static int read_app(invocation *invocation) {
  char error[ERROR_BYTES];
  invocation->source = (jh_bundle_source){.path = invocation->app_path,
                                          .is_self = invocation->is_self,
                                          .overlay = invocation->options->overlay};
  int rc = invocation->is_self ? 0 : check_app_place(invocation->app_path);
  if (rc != 0) return rc;
  rc = jh_bundle_load(&invocation->bundle, &invocation->source, error, sizeof error);
  if (rc != 0) return refuse("%s", error);
  if (jh_bundle_is_whole(invocation->bundle))
    invocation->app_path =
        name_in_one_file(invocation->app_path, invocation->name, sizeof invocation->name);
  return read_config(invocation);
}

static bool is_app_directory(const char *path) {
  char app[PATH_MAX];
  struct stat found;
  snprintf(app, sizeof app, "%s/app.lua", path);
  return stat(app, &found) == 0;
}

/* The first argument may be the app's directory; all others are busted's. Specs name their files
 * from there, so that is where they run. */
static int read_test_arguments(invocation *invocation, const char *const *arguments, size_t count,
                               const char *const *environment) {
  char error[ERROR_BYTES];
  invocation->app_path = ".";
  if (count > 0 && arguments[0][0] != '-' && is_app_directory(arguments[0])) {
    if (chdir(arguments[0]) != 0)
      return refuse("cannot enter '%s': %s", arguments[0], strerror(errno));
    arguments++;
    count--;
  }
  int rc = read_app(invocation);
  if (rc != 0) return rc;
  if (jh_options_read_environment(invocation->options, environment, error, sizeof error) != 0 ||
      jh_options_check(invocation->options, error, sizeof error) != 0)
    return refuse("%s", error);
  invocation->arguments = jh_alloc((count + 1) * sizeof *invocation->arguments);
  for (size_t i = 0; i < count; i++) invocation->arguments[i] = arguments[i];
  invocation->argument_count = count;
  return 0;
}

static int complete(invocation *invocation, const char *const *environment) {
  char error[ERROR_BYTES];
  const char *name = invocation->command->name;
  if (invocation->app_path == NULL && invocation->app_code == NULL)
    return refuse("%s needs an app: `justhttp %s app.lua`, a directory, or -e CODE", name, name);
  if (invocation->app_path != NULL && invocation->app_code != NULL)
    return refuse("-e CODE is the app already; leave out '%s'", invocation->app_path);
  if (jh_options_read_environment(invocation->options, environment, error, sizeof error) != 0)
    return refuse("%s", error);
  int rc = invocation->app_path != NULL ? read_app(invocation) : 0;
  if (rc != 0) return rc;
  rc = jh_options_check(invocation->options, error, sizeof error);
  return rc == 0 ? 0 : refuse("%s", error);
}

/* ---- reading the command line ------------------------------------------------------------ */

static bool is_help(const char *argument) {
  return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

static int refuse_short_flag(const command *command, const char *flag) {
  const char *best = flag[1] != '\0' && flag[2] != '\0' ? jh_options_nearest(flag + 1, NULL) : NULL;
  char spelt[64];
  if (best == NULL)
    return refuse("unknown flag '%s'; `justhttp %s --help` lists them", flag, command->name);
  jh_options_spell(best, JH_OPTION_FROM_COMMAND_LINE, spelt, sizeof spelt);
  return refuse("unknown flag '%s'; did you mean %s?", flag, spelt);
}

/* One argument of a command that takes an app, perhaps with the one after it. Returns how many were
 * used, or EXIT_USAGE negated. */
static int read_argument(invocation *invocation, const char *const *arguments, size_t count,
                         bool is_place) {
  char error[ERROR_BYTES];
  const char *argument = arguments[0];
  if (is_place || argument[0] != '-' || argument[1] == '\0') {
    if (invocation->is_self)
      return -refuse("this executable has its app in it ('%s'); what is '%s'?",
                     invocation->app_path, argument);
    if (invocation->app_path != NULL)
      return -refuse("there is an app already ('%s'); what is '%s'?", invocation->app_path,
                     argument);
    invocation->app_path = argument;
    return 1;
  }
  if (strcmp(argument, "-e") == 0) {
    if (count < 2) return -refuse("-e needs the app's code: -e 'return function(ctx) … end'");
    if (invocation->app_code != NULL) return -refuse("-e can be given once");
    invocation->app_code = arguments[1];
    return 2;
  }
  if (argument[1] != '-') return -refuse_short_flag(invocation->command, argument);
  int used = jh_options_read_flag(invocation->options, arguments, count, error, sizeof error);
  if (used == JH_ENOTFOUND && jh_options_nearest(argument + 2, NULL) == NULL)
    return -refuse("unknown option %.80s; `justhttp %s --help` lists them", argument,
                   invocation->command->name);
  return used < 0 ? -refuse("%s", error) : used;
}

static int read_arguments(invocation *invocation, const char *const *arguments, size_t count) {
  bool are_places = false; /* after "--" */
  for (size_t i = 0; i < count;) {
    if (!are_places && strcmp(arguments[i], "--") == 0) {
      are_places = true;
      i++;
      continue;
    }
    int used = read_argument(invocation, arguments + i, count - i, are_places);
    if (used < 0) return -used;
    i += (size_t)used;
  }
  return 0;
}

static const command *find_command(const char *name) {
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    if (strcmp(name, commands[i].name) == 0) return &commands[i];
  }
  return NULL;
}

static bool is_later_command(const char *name) {
  for (size_t i = 0; i < LATER_COUNT; i++) {
    if (strcmp(name, later_commands[i]) == 0) return true;
  }
  return false;
}

static int refuse_command(const char *word) {
  jh_nearest nearest;
  struct stat found;
  size_t len = strlen(word);
  bool is_script = len > 4 && strcmp(word + len - 4, ".lua") == 0;
  if (is_later_command(word))
    return refuse("the command '%s' is not in this version (%s)", word, jh_version());
  if (is_script || stat(word, &found) == 0)
    return refuse("unknown command '%s'; did you mean `justhttp run %s`?", word, word);
  jh_nearest_init(&nearest, word);
  for (size_t i = 0; i < COMMAND_COUNT; i++) jh_nearest_offer(&nearest, commands[i].name);
  if (nearest.best != NULL)
    return refuse("unknown command '%s'; did you mean `justhttp %s`?", word, nearest.best);
  return refuse("unknown command '%s'; `justhttp --help` lists them", word);
}

/* Arguments of a command without an app. Returns how many are left over. */
static size_t read_words(invocation *invocation, const char *const *arguments, size_t count) {
  int (*run)(const struct invocation *) = invocation->command->run;
  if (count == 0) return 0;
  if (run == print_options && strcmp(arguments[0], "--markdown") == 0) {
    invocation->wants_markdown = true;
    return count - 1;
  }
  if ((run == make_app || run == write_stubs) && arguments[0][0] != '-') {
    invocation->app_path = arguments[0];
    return count - 1;
  }
  if (run == print_help) invocation->subject = find_command(arguments[0]);
  return run == print_help ? count - 1 : count;
}

/* An app in one file is found by that file, wherever one stands. */
static int ask_server(const invocation *invocation, const char *const *arguments, size_t count) {
  enum { ARGUMENTS_MAX = 32 };
  const char *all[ARGUMENTS_MAX + 2] = {"--app", invocation->self};
  bool is_placed = !invocation->is_self || count > ARGUMENTS_MAX;
  for (size_t i = 0; i < count && !is_placed; i++) {
    is_placed =
        strncmp(arguments[i], "--app", 5) == 0 || strncmp(arguments[i], "--control", 9) == 0;
    all[i + 2] = arguments[i];
  }
  if (is_placed) return jh_control_client_main(invocation->command->name, arguments, count);
  return jh_control_client_main(invocation->command->name, all, count + 2);
}

static int run_command(invocation *invocation, const char *const *arguments, size_t count,
                       const char *const *environment) {
  const command *command = invocation->command;
  for (size_t i = 0; i < count && strcmp(arguments[i], "--") != 0; i++) {
    if (is_help(arguments[i])) {
      print_command_help(command);
      return EXIT_SUCCESS;
    }
    if (strcmp(arguments[i], "-e") == 0) i++;
  }
  if (command->run == run_bundle) {
    invocation->words = arguments;
    invocation->word_count = count;
    return run_bundle(invocation);
  }
  if (command->run == NULL) return ask_server(invocation, arguments, count);
  if (command->run == run_tests) {
    int rc = read_test_arguments(invocation, arguments, count, environment);
    return rc != 0 ? rc : command->run(invocation);
  }
  if (!command->takes_app) {
    size_t left = read_words(invocation, arguments, count);
    if (left > 0) return refuse("%s does not take '%s'", command->name, arguments[count - left]);
    if (command->run == print_help && count > 0 && invocation->subject == NULL)
      return refuse_command(arguments[0]);
    if (command->run == make_app && invocation->app_path == NULL)
      return refuse("new needs a name: `justhttp new shop` makes the directory shop");
    return command->run(invocation);
  }
  int rc = read_arguments(invocation, arguments, count);
  if (rc == 0) rc = complete(invocation, environment);
  return rc != 0 ? rc : command->run(invocation);
}

/* Whether there is an app behind this executable. One that is damaged must not be taken for none.
 */
static int find_own_app(invocation *invocation, const char *name) {
  char error[ERROR_BYTES];
  jh_bundle *bundle = NULL;
  int rc = jh_bundle_open_self(&bundle, error, sizeof error);
  if (bundle != NULL) {
    jh_bundle_close(bundle);
    if (readlink("/proc/self/exe", invocation->self, sizeof invocation->self - 1) < 0)
      snprintf(invocation->self, sizeof invocation->self, "%s", name);
    invocation->is_self = true;
    invocation->app_path = invocation->self;
    return 0;
  }
  bool is_damaged = rc == JH_EINVAL || rc == JH_EUNSUPPORTED || rc == JH_ELIMIT;
  return is_damaged ? refuse("the app in this executable cannot be read: %s", error) : 0;
}

int jh_command_main(int argc, const char *const *argv, const char *const *environment,
                    int (*work)(const jh_worker_config *config)) {
  invocation invocation = {.argv = argv, .work = work};
  int code = find_own_app(&invocation, argc > 0 ? argv[0] : "app");
  if (code != 0) return code;
  const char *word = argc > 1 ? argv[1] : "run";
  size_t first = argc > 1 ? 2 : 1;
  if (argc < 2 && !invocation.is_self) {
    print_overview(stderr);
    return EXIT_USAGE;
  }
  if (is_help(word)) word = "help";
  if (strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0) word = "version";
  if (word[0] == '-') {
    word = "run";
    first = 1;
  }
  invocation.command = find_command(word);
  if (invocation.command == NULL) return refuse_command(word);
  invocation.options = jh_options_new();
  code = run_command(&invocation, argv + first, (size_t)argc > first ? (size_t)argc - first : 0,
                     environment);
  jh_bundle_close(invocation.bundle);
  jh_options_free(invocation.options);
  jh_free(invocation.arguments);
  return code;
}
