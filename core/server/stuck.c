/* stuck.c: the supervisor's looks, and the note of a worker that is at its end.
 *
 * The note is written in a signal handler, while the worker is in the middle of whatever it cannot
 * leave: its memory is read as it lies there, without locks or allocation. Should that go wrong,
 * the worker dies of it, which it does anyway; what is certain is written first. */
#include "server/stuck.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http/ctx.h"
#include "http/method.h"
#include "lua/vm.h"

enum { NOTE_SIGNAL = SIGABRT };

/* ---- in the supervisor ------------------------------------------------------------------- */

bool jh_stuck_look(jh_stuck *stuck, uint64_t turn_count, bool is_halted) {
  if (turn_count != stuck->turn_count || is_halted) {
    stuck->turn_count = turn_count;
    stuck->look_count = 0;
    return false;
  }
  return ++stuck->look_count >= JH_STUCK_LOOKS;
}

/* "12 (justhttp:0) S …": the name may hold anything, so the last parenthesis counts. */
bool jh_stuck_is_halted(pid_t pid) {
  char path[32], text[256];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t len = read(fd, text, sizeof text - 1);
  close(fd);
  if (len <= 0) return false;
  text[len] = '\0';
  const char *end = strrchr(text, ')');
  return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

/* The page has the same address in both processes: it was there before the fork. */
void jh_stuck_ask(pid_t pid, jh_heartbeat *heartbeat) {
  sigqueue(pid, NOTE_SIGNAL, (union sigval){.sival_ptr = heartbeat});
}

const char *jh_stuck_describe(const jh_heartbeat *heartbeat, char *out, size_t out_bytes) {
  bool has_serving = heartbeat->has_note && heartbeat->serving[0];
  bool has_place = heartbeat->has_place && heartbeat->place[0];
  snprintf(out, out_bytes, "%s%s%s%s%s", has_place ? "at " : "", has_place ? heartbeat->place : "",
           has_place && has_serving ? ", " : "", has_serving ? "serving " : "",
           has_serving ? heartbeat->serving : "");
  if (!has_serving && !has_place) snprintf(out, out_bytes, "doing nobody knows what");
  return out;
}

/* ---- in the worker ----------------------------------------------------------------------- */

static size_t append(char *out, size_t used, jh_str text) {
  size_t room = JH_HEARTBEAT_TEXT_BYTES - 1 - used;
  size_t len = text.len < room ? text.len : room;
  if (len) memcpy(out + used, text.ptr, len);
  out[used + len] = '\0';
  return used + len;
}

static void note_request(jh_heartbeat *heartbeat, const jh_ctx *ctx) {
  static const char name[] = "X-Request-Id";
  char *out = heartbeat->serving;
  jh_str field = {name, sizeof name - 1};
  size_t used = append(out, 0, jh_method_name(ctx->request.method));
  used = append(out, used, (jh_str){" ", 1});
  used = append(out, used, ctx->path);
  jh_str id = jh_response_find(&ctx->response, field);
  if (!id.ptr) id = jh_request_header(&ctx->request, field);
  if (!id.ptr) return;
  used = append(out, used, (jh_str){" (request ", 10});
  used = append(out, used, id);
  append(out, used, (jh_str){")", 1});
}

/* Anybody else's SIGABRT is what it always is: abort() goes on by itself after this. */
static void on_asked(int number, siginfo_t *info, void *context) {
  (void)context;
  if (info->si_code != SI_QUEUE || info->si_pid != getppid()) {
    signal(number, SIG_DFL);
    if (info->si_code == SI_USER) raise(number);
    return;
  }
  jh_heartbeat *heartbeat = info->si_value.sival_ptr;
  if (heartbeat->ctx) note_request(heartbeat, heartbeat->ctx);
  heartbeat->has_note = true;
  jh_vm_write_place(heartbeat->place, sizeof heartbeat->place);
  heartbeat->has_place = true;
  /* To return would wake it from the call it is stuck in. */
  kill(getpid(), SIGKILL);
}

void jh_stuck_answer(void) {
  struct sigaction action = {.sa_sigaction = on_asked, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(NOTE_SIGNAL, &action, NULL);
}
