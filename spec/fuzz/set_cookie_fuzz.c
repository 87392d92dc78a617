/* set_cookie_fuzz.c: feeds lua/justhttp/set_cookie.lua, which reads
 * the Set-Cookie field of a response, and the jar behind it.
 *
 * What must hold is said in spec/fuzz/set_cookie_checks.lua; lua_host.h runs it.
 */
#define CHECKS "set_cookie"
#include "lua_host.h"
