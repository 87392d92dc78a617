/* query_fuzz.c: feeds lua/justhttp/query.lua, which reads
 * urlencoded text: queries and forms.
 *
 * What must hold is said in spec/fuzz/query_checks.lua; lua_host.h runs it.
 */
#define CHECKS "query"
#include "lua_host.h"
