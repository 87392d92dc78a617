--- Certificates that the app finds: what is behind app:tls_certificate.
--
-- One task takes the handshakes that wait, and starts a task for each. What goes wrong is logged
-- with the name that was asked for, and the handshake is refused: nobody is there to be told.

local ffi = require "ffi"
local door = require "justhttp.door"
local scheduler = require "justhttp.scheduler"
local traceback = require "justhttp.traceback"

local C, format = door.C, string.format

local M = {}

local function complain(name, problem)
  door.log("error", format("app:tls_certificate, for %s: %s", name or "no name", problem))
end

local function give(lookup, cert, key)
  local reason = ffi.new "jh_str"
  if C.jh_tls_lookup_answer(lookup, cert, #cert, key, #key, reason) == 0 then return end
  return ffi.string(reason.ptr, reason.len)
end

local function refuse(lookup) C.jh_tls_lookup_answer(lookup, nil, 0, nil, 0, nil) end

local function answer(fn, lookup, name)
  local ok, found = xpcall(fn, traceback.capture, name)
  if not ok then
    complain(name, traceback.full(found))
    return refuse(lookup)
  end
  if found == nil then return give(lookup, "", "") end
  if type(found) ~= "table" or type(found.cert) ~= "string"
    or (found.key ~= nil and type(found.key) ~= "string") then
    complain(name, "return { cert = …, key = … } or nil")
    return refuse(lookup)
  end
  local problem = give(lookup, found.cert, found.key or "")
  if problem then complain(name, problem) end
end

--- Answers handshakes from now on, with what `fn` returns.
---@param fn fun(server_name: string?): table?
function M.start(fn)
  local out = ffi.new "jh_str"
  C.jh_tls_lookup_enable(door.generation)
  scheduler.spawn(function()
    while true do
      local id = scheduler.new_id()
      local lookup = C.jh_tls_lookup_next(door.generation, id, out)
      if lookup == nil then
        scheduler.park(id)
      else
        local name = out.len > 0 and ffi.string(out.ptr, out.len) or nil
        scheduler.spawn(answer, fn, lookup, name)
      end
    end
  end)
end

return M
