-- luacheck: checked by `make lint`.
std = "luajit"
max_line_length = 100
max_cyclomatic_complexity = false
-- A method that does not need self still has it.
self = false
exclude_files = { "build" }

files["spec"] = { std = "luajit+busted" }
files["apps/*/config.lua"] = { allow_defined_top = true }
-- A wait inside a coroutine of a handler suspends the whole task: this replaces resume and wrap.
files["lua/justhttp/scheduler.lua"] = { globals = { "coroutine" } }
-- wrk runs this one and brings its own globals.
files["spec/bench/load.lua"] = { globals = { "wrk", "init", "request", "response", "done", "setup", "delay" } }
