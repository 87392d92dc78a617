/* bundle_command.h: `justhttp bundle`, which makes an app one file. */
#ifndef JH_SERVER_BUNDLE_COMMAND_H
#define JH_SERVER_BUNDLE_COMMAND_H

#include <stddef.h>

/* Runs the command with the arguments behind its name. Returns the exit code; what is wrong was
 * said on standard error. */
int jh_bundle_command_run(const char *const *arguments, size_t count);

#define JH_BUNDLE_COMMAND_HELP                                                                     \
  "APP is what `run` takes. FILE becomes this executable with the app behind it, and runs it:\n"   \
  "`./shop --listen :80`, `./shop check`. When its name ends in .zip it is the app alone, for\n"   \
  "`justhttp run shop.zip` and `justhttp deploy shop.zip`. Modules in Lua that the app requires\n" \
  "by a literal name are packed, what may be served gets compressed forms beside it.\n\n"          \
  "  -o FILE           where to write; an older file is replaced\n"                                \
  "  --source          keep Lua as source instead of bytecode\n"                                   \
  "  --module NAME     pack this module, too\n"                                                    \
  "  --external NAME   leave this module out: it is installed where the app will run\n"

#endif
