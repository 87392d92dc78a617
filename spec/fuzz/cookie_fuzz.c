/* cookie_fuzz.c: feeds lua/justhttp/cookie.lua, which reads
 * the Cookie field of a request, and the Set-Cookie field of a response.
 *
 * What must hold is said in spec/fuzz/cookie_checks.lua; lua_host.h runs it.
 */
#define CHECKS "cookie"
#include "lua_host.h"
