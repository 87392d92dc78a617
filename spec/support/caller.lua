-- A server whose handlers are chunks that the spec sends: to run client code where it belongs.
--
--   local caller = require "spec.support.caller"
--   local c = caller.start()                   -- takes what spec.support.server.start takes
--   local status, body = c:run [[ local res = http.get(a.url); return res.status, res.body ]]
--   c:run(code, { url = p.url })               -- the table is `a` in the chunk
--   local pending = c:begin(code, arguments)   -- without waiting for its end
--   local res, err, kind = pending:finish()
--   pending:leave()                            -- its client goes away
--   c.seconds = 600                            -- how long a chunk may take (20)
--   c:stop()
--
-- Values come back through JSON; nil stays nil. An error in the chunk is raised here.
local server = require "spec.support.server"
local json = require "justhttp.json"

local M = {}
local caller, pending = {}, {}
caller.__index, pending.__index = caller, pending
caller.__name, pending.__name = "spec.caller", "spec.pending"

local APP = [[
local http = require "justhttp"
local app = http.app()
local door = require "justhttp.door"
local function pack(...) return { n = select("#", ...), ... } end
app:post("/run", http.middleware.limits { body = "64m" }, function(ctx)
  local sent = ctx:json()
  local chunk = assert(loadstring("local http, ctx, a = ... " .. sent.code, "=spec"))
  local results = pack(chunk(http, ctx, sent.arguments or {}))
  local list = {}
  for i = 1, results.n do list[i] = results[i] == nil and http.null or results[i] end
  return { n = results.n, list = http.json.array(list) }
end)
return app
]]

function M.start(how)
  local all = { code = APP, options = { max_body_bytes = "64m" } }
  for name, value in pairs(how or {}) do all[name] = value end
  return setmetatable({ server = server.start(all) }, caller)
end

function caller:begin(code, arguments)
  local connection = self.server:connect { deadline = self.seconds or 20 }
  local body = json.encode { code = code, arguments = arguments }
  connection:send(("POST /run HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(#body,
    body))
  return setmetatable({ connection = connection, server = self.server }, pending)
end

function pending:finish()
  local response = self.connection:response()
  self.connection:close()
  if response.status ~= 200 then
    error(("the chunk failed with %d: %s\n%s"):format(response.status, response.body,
      self.server:stderr()), 2)
  end
  local results = json.decode(response.body)
  local values = {}
  for i = 1, results.n do
    local value = results.list[i]
    if value ~= json.null then values[i] = value end
  end
  return unpack(values, 1, results.n)
end

function pending:leave() self.connection:close() end

function caller:run(code, arguments) return self:begin(code, arguments):finish() end

function caller:stop() self.server:stop() end

return M
