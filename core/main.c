/* main.c: the executable's entry. Everything it does is in server/command.c; it exists apart so
 * that all other objects can be loaded into a spec as a library. */
#include "server/command.h"
#include "server/worker.h"

#include <unistd.h>

int main(int argc, char **argv) {
  return jh_command_main(argc, (const char *const *)argv, (const char *const *)environ,
                         jh_worker_main);
}
