-- What specs need of libuv: its types, for headers of core/net that hold them, and a loop.
--
--   local uv = require "spec.support.uv"       -- before core.load() of such a header
--   C.uv_run(loop, uv.RUN_ONCE)                -- C: the library that core.load() returns
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
typedef struct uv_timer_s { uint64_t words[19]; } uv_timer_t;
typedef struct uv_loop_s uv_loop_t;
size_t uv_handle_size(int kind);
size_t uv_loop_size(void);
int uv_loop_init(uv_loop_t *loop);
int uv_loop_close(uv_loop_t *loop);
int uv_run(uv_loop_t *loop, int mode);
void uv_update_time(uv_loop_t *loop);
]]

local UV_TIMER = 13
if core.library().uv_handle_size(UV_TIMER) ~= ffi.sizeof "uv_timer_t" then
  error "this libuv has another uv_timer_t; correct spec/support/uv.lua"
end

return { RUN_DEFAULT = 0, RUN_ONCE = 1, RUN_NOWAIT = 2 }
