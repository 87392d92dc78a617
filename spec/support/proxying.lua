-- A proxy with an upstream that the spec plays itself: both ends of the wire are visible.
--
--   local proxying = require "spec.support.proxying"
--   local x = proxying.start "timeout = 1"   -- options of http.proxy as Lua text, beside upstream
--   local c = x:client()                        -- a client of the proxy; routes are /p/*rest
--   c:send "GET /p/a HTTP/1.1\r\nHost: a\r\n\r\n"
--   local up = x:accept()                       -- the proxy's connection to the upstream
--   local head = up:read_until "\r\n\r\n"
--   x:resident()                             -- bytes of the worker's resident memory
--   x:stop()
--
-- proxying.server starts one without an upstream: `code` gets `http` and `app`, and UP is the table
-- given.
local peer = require "spec.support.peer"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local M = {}
local proxy = {}
proxy.__index = proxy
proxy.__name = "spec.proxying"

local APP = [[
local http = require "justhttp"
local app = http.app()
local UP = { %s }
local big = http.middleware.limits { body = "1g" }
%s
return app
]]

-- `code` makes the routes; `ups` is a list of URLs.
function M.server(code, ups, options)
  local urls = {}
  for i, url in ipairs(ups) do urls[i] = ("%q"):format(url) end
  local all = { log_level = "info" }
  for name, value in pairs(options or {}) do all[name] = value end
  local self = setmetatable({}, proxy)
  self.server = server.start { code = APP:format(table.concat(urls, ", "), code), options = all }
  return self
end

function M.start(options, server_options)
  local upstream = peer.listen()
  local self = M.server(("app:any('/p/*rest', big, http.proxy { upstream = UP[1], %s })")
    :format(options or ""), { upstream.url }, server_options)
  self.upstream = upstream
  return self
end

function proxy:client(more)
  local where = { deadline = 10 }
  for name, value in pairs(more or {}) do where[name] = value end
  return self.server:connect(where)
end

function proxy:accept(seconds) return self.upstream:accept(seconds) end

-- Sends a request on a connection of its own; returns it and the upstream's side of it.
function proxy:begin(bytes, more)
  local client = self:client(more)
  client:send(bytes)
  return client, self:accept()
end

function proxy:resident()
  local status = sys.read_file(("/proc/%d/status"):format(self.server:workers()[1]))
  return tonumber(status:match "VmRSS:%s*(%d+)") * 1024
end

function proxy:log() return self.server:stderr() end

function proxy:stop()
  if self.upstream then self.upstream:close() end
  self.server:stop()
end

function M.get(path, fields)
  return "GET " .. path .. " HTTP/1.1\r\nHost: front\r\n" .. (fields or "") .. "\r\n"
end

function M.post(path, body, fields)
  return ("POST %s HTTP/1.1\r\nHost: front\r\nContent-Length: %d\r\n%s\r\n%s"):format(path, #body,
    fields or "", body)
end

function M.ok(body, fields)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s"):format(#body, fields or "", body)
end

return M
