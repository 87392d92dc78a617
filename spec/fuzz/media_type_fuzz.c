/* media_type_fuzz.c: feeds lua/justhttp/media_type.lua, which reads
 * Content-Type and Accept fields.
 *
 * What must hold is said in spec/fuzz/media_type_checks.lua; lua_host.h runs it.
 */
#define CHECKS "media_type"
#include "lua_host.h"
