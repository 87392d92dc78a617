/* embedder.c: what the specs of embedding run: one program, a mode per way of use.
 *
 * Every mode prints "listening on URL" per server once it serves, stops on SIGTERM, frees all and
 * ends with 0, so that a leak checker has its say. */
#include <justhttp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { SERVERS_MAX = 4 };

static jh_server *servers[SERVERS_MAX];
static int server_count;

static const char app_code[] =
    "local http = require 'justhttp'\n"
    "local tools = require 'tools'\n"
    "local app = http.app()\n"
    "app:use(function(ctx, next)\n"
    "  if ctx.path:find '^/values' then ctx.values.from_lua = 'lua says ' .. (ctx.query.word or "
    "'')\n"
    "  end\n"
    "  ctx:set('X-Lua', 'around ' .. ctx.path)\n"
    "  next()\n"
    "end)\n"
    "app:get('/lua', function(ctx)\n"
    "  return ('%s %s %s'):format(ctx.values.user, ctx.values.number, ctx.values.flag)\n"
    "end)\n"
    "app:get('/tools', function(ctx)\n"
    "  local sum, text, flag, none = tools.add(20, 22)\n"
    "  return { sum = sum, text = text, flag = flag, none = none == nil }\n"
    "end)\n"
    "app:get('/tools/wrong', function() return (tools.add('x')) end)\n"
    "app:get('/values/next', function(ctx) return 'after ' .. ctx.values.user end)\n"
    "app:get('/fails', function() error 'lua fails' end)\n"
    "return app\n";

static void on_signal(int number) {
  (void)number;
  for (int i = 0; i < server_count; i++) jh_server_stop(servers[i]);
}

static void die(const char *what, const jh_server *server) {
  fprintf(stderr, "embedder: %s: %s\n", what, server ? jh_server_error(server) : "");
  exit(1);
}

/* ---- handlers ---- */

static int add(jh_arguments *arguments, void *data) {
  (void)data;
  if (jh_arguments_kind(arguments, 0) != JH_VALUE_NUMBER)
    return jh_arguments_fail(arguments, "add: argument %d is no number", 1);
  jh_arguments_return_number(arguments, jh_arguments_number(arguments, 0, 0) +
                                            jh_arguments_number(arguments, 1, 0));
  jh_arguments_return_string(arguments, "text", 4);
  jh_arguments_return_boolean(arguments, true);
  return jh_arguments_return_nil(arguments);
}

static jh_outcome authenticate(jh_exchange *exchange, void *data) {
  const char *token = jh_exchange_header(exchange, "X-Token");
  if (token && strcmp(token, "bad") == 0) {
    jh_exchange_set_status(exchange, 403);
    jh_exchange_write(exchange, "no\n", 3);
    return JH_ANSWERED;
  }
  jh_exchange_put_string(exchange, "user", "ann\0bob", 3);
  jh_exchange_put_number(exchange, "number", 42);
  jh_exchange_put_boolean(exchange, "flag", true);
  jh_exchange_put_pointer(exchange, "pointer", data);
  return JH_NEXT;
}

static jh_outcome native(jh_exchange *exchange, void *data) {
  (void)data;
  jh_exchange_set_header(exchange, "X-Native", "yes");
  jh_exchange_add_header(exchange, "X-More", "1");
  jh_exchange_add_header(exchange, "X-More", "2");
  if (jh_exchange_set_header(exchange, "X-Bad", "a\r\nb") == 0) return JH_FAILED;
  const char *name = jh_exchange_param(exchange, "name"),
             *q = jh_exchange_query_field(exchange, "q");
  jh_exchange_printf(exchange, "%s %s %s q=%s\n", jh_exchange_method(exchange),
                     jh_exchange_path(exchange), name ? name : "-", q ? q : "-");
  return JH_ANSWERED;
}

static jh_outcome echo(jh_exchange *exchange, void *data) {
  (void)data;
  size_t len = 0;
  const char *body = jh_exchange_body(exchange, &len);
  jh_exchange_set_status(exchange, 201);
  jh_exchange_set_header(exchange, "Content-Type", "application/octet-stream");
  if (body) jh_exchange_write(exchange, body, len);
  return JH_ANSWERED;
}

static jh_outcome values(jh_exchange *exchange, void *data) {
  const char *text = jh_exchange_get_string(exchange, "from_lua", NULL);
  int is_same = jh_exchange_get_pointer(exchange, "pointer") == data;
  jh_exchange_printf(exchange, "%s; %s; %d\n", text ? text : "nothing",
                     jh_exchange_get_string(exchange, "user", NULL), is_same);
  return JH_ANSWERED;
}

static jh_outcome fail(jh_exchange *exchange, void *data) {
  (void)data;
  jh_exchange_fail(exchange, "the C side gave up");
  return JH_FAILED;
}

/* Answers from another thread: posts the exchange back to its server's. */
typedef struct later {
  jh_server *server;
  jh_exchange *exchange;
  int goes_on;
} later;

static void finish_later(void *data) {
  later *what = data;
  if (jh_exchange_is_gone(what->exchange)) fprintf(stderr, "embedder: gone\n");
  jh_exchange_put_string(what->exchange, "user", "late", 4);
  if (what->goes_on) {
    jh_exchange_next(what->exchange);
  } else {
    jh_exchange_printf(what->exchange, "later\n");
    jh_exchange_finish(what->exchange);
  }
  free(what);
}

static void *wait_and_post(void *data) {
  later *what = data;
  usleep(20000);
  if (jh_server_post(what->server, finish_later, what) != 0) free(what);
  return NULL;
}

static jh_outcome answer_later(jh_exchange *exchange, void *data) {
  jh_server *const *server = data;
  later *what = malloc(sizeof *what);
  pthread_t thread;
  *what = (later){*server, exchange, strstr(jh_exchange_path(exchange), "next") != NULL};
  if (pthread_create(&thread, NULL, wait_and_post, what) != 0) return JH_FAILED;
  pthread_detach(thread);
  return JH_LATER;
}

/* Never answers by itself: /release answers those that wait. */
static jh_exchange *held[64];
static int held_count;

static jh_outcome hold(jh_exchange *exchange, void *data) {
  (void)data;
  if (held_count == 64) return JH_FAILED;
  held[held_count++] = exchange;
  return JH_LATER;
}

static jh_outcome count_held(jh_exchange *exchange, void *data) {
  (void)data;
  int gone = 0;
  for (int i = 0; i < held_count; i++) gone += jh_exchange_is_gone(held[i]);
  jh_exchange_printf(exchange, "%d held, %d gone\n", held_count, gone);
  return JH_ANSWERED;
}

static jh_outcome release(jh_exchange *exchange, void *data) {
  (void)data;
  for (int i = 0; i < held_count; i++) {
    jh_exchange_printf(held[i], "released\n");
    jh_exchange_finish(held[i]);
  }
  held_count = 0;
  jh_exchange_write(exchange, "done\n", 5);
  return JH_ANSWERED;
}

/* ---- servers ---- */

static jh_server *make(const char *address, uv_loop_t *loop) {
  jh_server *server = jh_server_new();
  jh_server **self = &servers[server_count];
  *self = server;
  jh_server_options options = {.struct_bytes = sizeof options,
                               .listen = address,
                               .access_log = "off",
                               .shutdown_timeout_ms = 2000};
  if (jh_server_configure(server, &options) != 0) die("configure", server);
  if (jh_server_load_code(server, app_code) != 0) die("load", server);
  jh_server_use(server, NULL, authenticate, self);
  jh_server_use(server, "/values/next", answer_later, self);
  jh_server_handle(server, "GET", "/native", native, NULL);
  jh_server_handle(server, NULL, "/native/:name", native, NULL);
  jh_server_handle(server, "POST", "/echo", echo, NULL);
  jh_server_handle(server, "GET", "/values", values, self);
  jh_server_handle(server, "GET", "/fail", fail, NULL);
  jh_server_handle(server, "GET", "/later", answer_later, self);
  jh_server_handle(server, "GET", "/hold", hold, NULL);
  jh_server_handle(server, "GET", "/held", count_held, NULL);
  jh_server_handle(server, "GET", "/release", release, NULL);
  jh_server_function(server, "tools.add", add, NULL);
  if (loop && jh_server_attach(server, loop) != 0) die("attach", server);
  server_count++;
  return server;
}

static void announce(const jh_server *server) {
  printf("listening on %s\n", jh_server_url(server, 0));
  fflush(stdout);
}

static int run_alone(void) {
  jh_server *server = make("127.0.0.1:0", NULL);
  if (jh_server_start(server) != 0) die("start", server);
  announce(server);
  int rc = jh_server_run(server);
  jh_server_free(server);
  return rc;
}

static void *run_thread(void *data) {
  jh_server *server = data;
  if (jh_server_start(server) != 0) die("start", server);
  announce(server);
  if (jh_server_run(server) != 0) die("run", server);
  return NULL;
}

static int run_threads(void) {
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) make("127.0.0.1:0", NULL);
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, run_thread, servers[i]);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 2; i++) jh_server_free(servers[i]);
  return 0;
}

static void on_tick(uv_timer_t *timer) {
  (*(int *)timer->data)++;
}

static void on_stop_signal(uv_signal_t *handle, int number) {
  on_signal(number);
  uv_close((uv_handle_t *)handle, NULL);
}

/* Two servers on the program's loop, beside a timer of its own. */
static int run_host(void) {
  uv_loop_t loop;
  uv_timer_t timer;
  uv_signal_t stop;
  int ticks = 0;
  uv_loop_init(&loop);
  uv_timer_init(&loop, &timer);
  timer.data = &ticks;
  uv_timer_start(&timer, on_tick, 5, 5);
  uv_unref((uv_handle_t *)&timer);
  uv_signal_init(&loop, &stop);
  uv_signal_start(&stop, on_stop_signal, SIGTERM);
  for (int i = 0; i < 2; i++) {
    if (jh_server_start(make("127.0.0.1:0", &loop)) != 0) die("start", servers[i]);
    announce(servers[i]);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  printf("the loop ended, ticks: %s\n", ticks > 0 ? "some" : "none");
  for (int i = 0; i < 2; i++) jh_server_free(servers[i]);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop) == 0 ? 0 : 1;
}

/* Frees servers in every state: new, failed, serving, with requests that wait. */
static int run_lives(void) {
  jh_server *server;
  for (int i = 0; i < 20; i++) {
    server_count = 0;
    server = make("127.0.0.1:0", NULL);
    if (i % 2 && jh_server_start(server) != 0) die("start", server);
    jh_server_free(server);
  }
  server = jh_server_new();
  jh_server_listen(server, "127.0.0.1:0");
  jh_server_load_code(server, "local x = \nnil + 1");
  int rc = jh_server_start(server);
  printf("failed: %d %s\n", rc < 0, jh_server_error(server));
  jh_server_free(server);
  server = jh_server_new();
  rc = jh_server_set(server, "max_body_byte", "1k");
  printf("refused: %d %s\n", rc < 0, jh_server_error(server));
  jh_server_free(server);
  signal(SIGPIPE, SIG_DFL);
  server_count = 0;
  return run_alone();
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "alone";
  if (strcmp(mode, "host") != 0) signal(SIGTERM, on_signal);
  if (strcmp(mode, "alone") == 0) return run_alone();
  if (strcmp(mode, "threads") == 0) return run_threads();
  if (strcmp(mode, "host") == 0) return run_host();
  if (strcmp(mode, "lives") == 0) return run_lives();
  fprintf(stderr, "usage: embedder alone|threads|host|lives\n");
  return 2;
}
