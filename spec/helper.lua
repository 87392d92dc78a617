-- Runs once before any spec (see .busted): module paths, and the end of what a spec left running.
--
-- FFI declarations live as long as the process, so modules do too: .busted turns off busted's
-- reloading of modules per file. A spec that needs a fresh copy of a module says so itself with
-- `package.loaded[name] = nil`.
package.path = "./?.lua;./?/init.lua;./lua/?.lua;./lua/?/init.lua;" .. package.path

local busted = require "busted"
local core = require "spec.support.core"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

-- On sanitizer builds this process runs with their libraries preloaded; the programs it starts are
-- linked with them or are not ours (curl under them may hang for ever). A LuaJIT that loads the
-- library as well is given sys.preload.
require "ffi".C.unsetenv "LD_PRELOAD"

-- Where lua/justhttp/door.lua finds the core when a spec requires a module of the Lua side.
require "ffi".C.setenv("JUSTHTTP_LIBRARY", sys.absolute(core.path), 1)

io.stdout:setvbuf("line")

-- A server that outlives its spec file is stopped here; what went wrong in it (a crash, a sanitizer
-- report) then counts as an error of that file, because busted catches what a subscriber raises.
busted.subscribe({ "file", "end" }, function()
  local complaints = server.stop_all()
  if #complaints > 0 then error(table.concat(complaints, "\n"), 0) end
end)
