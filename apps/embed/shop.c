/* A program with the server inside: a route in C, a route in Lua, and a C function for Lua.
 *
 *   cc shop.c -o shop $(pkg-config --cflags --libs justhttp) && ./shop 127.0.0.1:8080
 *   curl http://127.0.0.1:8080/stock/tea
 *   curl http://127.0.0.1:8080/price/tea
 */
#include <justhttp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char app_code[] =
    "local http, shop = require 'justhttp', require 'shop'\n"
    "local app = http.app()\n"
    "app:get('/price/:item', function(ctx)\n"
    "  local price = shop.price(ctx.params.item)\n"
    "  if not price then return 404, { error = 'no such item' } end\n"
    "  return { item = ctx.params.item, price = price, request = ctx.values.request }\n"
    "end)\n"
    "return app\n";

typedef struct shop {
  int request_count;
} shop;

static shop the_shop;
static jh_server *server;

/* Lua calls it as require("shop").price(item). */
static int price(jh_arguments *arguments, void *data) {
  (void)data;
  const char *item = jh_arguments_string(arguments, 0, NULL);
  if (!item) return jh_arguments_fail(arguments, "price: give the name of an item");
  if (strcmp(item, "tea") == 0) return jh_arguments_return_number(arguments, 2.5);
  if (strcmp(item, "milk") == 0) return jh_arguments_return_number(arguments, 1.2);
  return jh_arguments_return_nil(arguments);
}

/* Every request passes through here first; Lua reads ctx.values.request. */
static jh_outcome count(jh_exchange *exchange, void *data) {
  shop *of = data;
  jh_exchange_put_number(exchange, "request", ++of->request_count);
  return JH_NEXT;
}

static jh_outcome stock(jh_exchange *exchange, void *data) {
  (void)data;
  const char *item = jh_exchange_param(exchange, "item");
  jh_exchange_set_header(exchange, "Cache-Control", "no-store");
  jh_exchange_printf(exchange, "%s: %d in stock\n", item ? item : "?", 7);
  return JH_ANSWERED;
}

/* The library takes no signals; this is the program's own. */
static void on_signal(int number) {
  (void)number;
  jh_server_stop(server);
}

int main(int argc, char **argv) {
  server = jh_server_new();
  jh_server_listen(server, argc > 1 ? argv[1] : "127.0.0.1:8080");
  jh_server_load_code(server, app_code);
  jh_server_use(server, NULL, count, &the_shop);
  jh_server_handle(server, "GET", "/stock/:item", stock, NULL);
  jh_server_function(server, "shop.price", price, NULL);

  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);

  int rc = jh_server_start(server);
  if (rc == 0) {
    printf("listening on %s\n", jh_server_url(server, 0));
    fflush(stdout);
    rc = jh_server_run(server);
  }
  if (rc != 0) fprintf(stderr, "shop: %s\n", jh_server_error(server));
  jh_server_free(server);
  return rc == 0 ? 0 : 1;
}
