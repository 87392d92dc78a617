/* supervisor_control.c: the supervisor's end of the control socket: one table of commands. */
#include "server/bundle.h"
#include "server/supervisor_state.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ERROR_BYTES = 512 };

typedef struct command {
  const char *name;
  /* Replies now, or keeps `client` and replies later. */
  void (*run)(jh_supervisor *sup, uint32_t client, const char *line);
} command;

static void print_worker(const jh_worker_process *worker, uint64_t now_ms, char *out, size_t bytes,
                         size_t *used) {
  const char *state = worker->pid == 0 ? "down" : worker->is_ready ? "serves" : "starts";
  if (*used >= bytes) return;
  int n = snprintf(out + *used, bytes - *used, "\nworker %d: %s", worker->slot, state);
  *used += n > 0 ? (size_t)n : 0;
  if (worker->pid == 0 || *used >= bytes) return;
  n = snprintf(out + *used, bytes - *used, ", pid %ld, up %llu s", (long)worker->pid,
               worker->is_ready ? (unsigned long long)(now_ms - worker->ready_at_ms) / 1000 : 0ULL);
  *used += n > 0 ? (size_t)n : 0;
}

static void status(jh_supervisor *sup, uint32_t client, const char *line) {
  char text[JH_CONTROL_TEXT_BYTES / 2];
  uint64_t now_ms = jh_clock_monotonic_ms();
  (void)line;
  int n = snprintf(text, sizeof text, "%s: pid %ld, %zu of %zu workers serve",
                   sup->config->app_path ? sup->config->app_path : "-e", (long)getpid(),
                   jh_supervisor_count_workers(sup, true), sup->slot_count);
  size_t used = n > 0 ? (size_t)n : 0;
  for (size_t i = 0; i < sup->slot_count; i++)
    print_worker(&sup->workers[i], now_ms, text, sizeof text, &used);
  jh_control_reply_ok(&sup->control, client, text);
}

static void upgrade(jh_supervisor *sup, uint32_t client, const char *line) {
  (void)line;
  jh_supervisor_upgrade(sup, client);
}

static const command commands[] = {
    {"status", status},
    {"upgrade", upgrade},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

void jh_supervisor_on_command(void *target, uint32_t client, const char *line) {
  jh_supervisor *sup = target;
  char name[32] = "", error[ERROR_BYTES];
  jh_control_text_find(line, "command", name, sizeof name);
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    if (strcmp(name, commands[i].name) != 0) continue;
    commands[i].run(sup, client, line);
    return;
  }
  snprintf(error, sizeof error, "the server does not know the command '%.30s'", name);
  jh_control_reply_error(&sup->control, client, error);
}

int jh_supervisor_open_control(jh_supervisor *sup, char *error, size_t error_bytes) {
  char path[JH_CONTROL_PATH_BYTES];
  const char *wish = sup->options->control;
  bool is_auto = strcmp(wish, "auto") == 0;
  int rc = 0;
  jh_control_init(&sup->control);
  if (wish[0] == '\0' || (is_auto && sup->config->source == NULL)) return 0;
  if (is_auto) {
    rc = jh_control_place_find(sup->config->source->path, true, path, sizeof path, error,
                               error_bytes);
    wish = path;
  }
  if (rc == 0) rc = jh_control_open(&sup->control, wish, error, error_bytes);
  if (rc == 0 || !is_auto) return rc;
  /* Nobody asked for it: the server serves without it. */
  int level = rc == -EADDRINUSE ? JH_LOG_INFO : JH_LOG_WARN;
  jh_log_printf(&sup->files.log, level, "no control socket: %s", error);
  return 0;
}
