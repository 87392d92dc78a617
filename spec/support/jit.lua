-- Asserting that LuaJIT compiles a loop, and that no trace was given up on the way.
--
--   local jit_support = require "spec.support.jit"
--   jit_support.assert_compiles(function(n)
--     local sum = 0
--     for i = 1, n do sum = sum + #tostring(i) end
--     return sum
--   end)
--
-- The function is called with an iteration count (default 2000) after the compiler's memory was
-- wiped. Raises with the place and reason of every aborted trace, or when no loop became a trace.
-- watch() looks on while a program runs: an app in a server, which may require this file.
-- `how`: iterations, allow (list of plain texts: abort reasons that are all right), warm (called
-- once before recording starts). Returns what observe() returns.
local M = {}

local jit = require "jit"
local jit_util = require "jit.util"
local vmdef = require "jit.vmdef"

-- Reasons that only mean "try again later": an inner loop is compiled first, a side exit taken
-- while recording.
local harmless = { "leaving loop in root trace", "inner loop in root trace",
                   "down-recursion", "loop unroll limit reached" }

local function place(func, pc)
  local info = jit_util.funcinfo(func, pc)
  return info.loc or (info.ffid and vmdef.ffnames[info.ffid]) or "C function"
end

local function reason(code, detail)
  local text = vmdef.traceerr[code]
  if not text then return "error " .. tostring(code) end
  if type(detail) == "function" then detail = place(detail) end
  if text:find("%%d") and type(detail) ~= "number" then text = text:gsub("%%d", "%%s") end
  local ok, formatted = pcall(string.format, text, detail)
  return ok and formatted or text
end

-- Notes every trace from now on. The table that is returned grows: `roots`, a list of { at = place,
-- link = "return" }; `sides`, a count; `aborts`, a list of { at =, why =, began = }.
function M.watch()
  local seen, pending = { roots = {}, sides = 0, aborts = {} }, {}
  local function on_trace(what, trace, func, pc, other_trace, other_exit)
    if what == "start" then
      pending[trace] = { at = place(func, pc), is_side = other_trace ~= nil }
    elseif what == "stop" then
      local start, info = pending[trace] or {}, jit_util.traceinfo(trace)
      if start.is_side then
        seen.sides = seen.sides + 1
      else
        seen.roots[#seen.roots + 1] = { at = start.at, link = info and info.linktype }
      end
    elseif what == "abort" then
      seen.aborts[#seen.aborts + 1] = { at = place(func, pc), why = reason(other_trace, other_exit),
                                        began = pending[trace] and pending[trace].at }
    end
  end
  jit.off(on_trace, true)
  -- One function can be attached; a worker of justhttp has one, which goes on.
  local _, others = next(debug.getregistry()._VMEVENTS or {})
  local function both(...)
    if others then others(...) end
    on_trace(...)
  end
  jit.off(both)
  jit.attach(both, "trace")
  return seen
end

-- Runs fn(...) under the eye of the compiler. Returns { traces = n, loops = n, aborts = { text } }.
function M.observe(fn, ...)
  local seen = { traces = 0, loops = 0, aborts = {} }
  local pending = {}
  local function on_trace(what, trace, func, pc, other_trace, other_exit)
    if what == "start" then
      pending[trace] = { at = place(func, pc), is_side = other_trace ~= nil }
    elseif what == "stop" then
      seen.traces = seen.traces + 1
      local info = jit_util.traceinfo(trace)
      if info and info.linktype == "loop" then seen.loops = seen.loops + 1 end
      pending[trace] = nil
    elseif what == "abort" then
      local start = pending[trace]
      seen.aborts[#seen.aborts + 1] = ("%s: %s (trace began at %s)"):format(place(func, pc),
        reason(other_trace, other_exit), start and start.at or "?")
      pending[trace] = nil
    end
  end
  jit.off(on_trace, true)
  jit.off(M.observe)
  jit.flush()
  -- Flushing keeps the counters of hot loops, where aborted traces of other code may have left a
  -- long penalty; setting the threshold (to its default) starts them anew.
  jit.opt.start("hotloop=56")
  jit.attach(on_trace, "trace")
  local ok, err = pcall(fn, ...)
  jit.attach(on_trace)
  if not ok then error(err, 0) end
  return seen
end

local function is_allowed(text, more)
  for _, list in ipairs { harmless, more or {} } do
    for _, wanted in ipairs(list) do
      if text:find(wanted, 1, true) then return true end
    end
  end
  return false
end

function M.assert_compiles(fn, how)
  how = how or {}
  if how.warm then how.warm() end
  local seen = M.observe(fn, how.iterations or 2000)
  local bad = {}
  for _, text in ipairs(seen.aborts) do
    if not is_allowed(text, how.allow) then bad[#bad + 1] = "  " .. text end
  end
  if #bad > 0 then
    error("LuaJIT gave up recording:\n" .. table.concat(bad, "\n"), 2)
  end
  if seen.loops == 0 then error("no loop became a trace", 2) end
  return seen
end

return M
