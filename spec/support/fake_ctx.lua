-- A ctx in Lua alone, for specs of middleware: the public fields and methods, and what the server
-- side offers to middleware. `ctx.sent` holds the response headers, names in lower case.
local M = {}

local Ctx = {}
Ctx.__index = Ctx

function Ctx:set(name, value) self.sent[name:lower()] = { tostring(value) } end

function Ctx:append(name, value)
  local values = self.sent[name:lower()] or {}
  values[#values + 1] = tostring(value)
  self.sent[name:lower()] = values
end

function Ctx:error(status, message)
  self.status, self.message, self.has_answer = status, message, true
end

function Ctx:defer(fn) self.deferred[#self.deferred + 1] = fn end

function Ctx:_on_outcome(fn) self.outcome_hooks[#self.outcome_hooks + 1] = fn end

function Ctx:_fail(fault)
  self.status, self.fault = 500, fault
end

function Ctx:_limit_body(bytes)
  self.body_limit = bytes
  return self:_body_fits()
end

function Ctx:_limit_body_time(ms) self.body_time_ms = ms end

function Ctx:_body_fits()
  return not self.content_length or self.content_length <= (self.body_limit or math.huge)
end

function Ctx:_has_answer() return self.has_answer or false end

function Ctx:_expects_continue() return self.expects_continue or false end

function Ctx:_continue() self.has_continued = true end

-- `request`: method, headers (names in lower case), path, scheme, content_length, expects_continue.
function M.new(request)
  request = request or {}
  local headers = setmetatable({}, { __index = function(_, name)
    return (request.headers or {})[name:lower()]
  end })
  return setmetatable({
    method = request.method or "GET", path = request.path or "/", url = request.url or "/",
    version = "HTTP/1.1", ip = "192.0.2.1", host = "localhost", scheme = request.scheme or "http",
    headers = headers, content_length = request.content_length,
    expects_continue = request.expects_continue,
    values = {}, status = 200, sent = {}, deferred = {}, outcome_hooks = {},
  }, Ctx)
end

-- Runs middleware as the dispatcher would, with `handler` behind it; then what was deferred, also
-- after an error. Returns whether the handler ran, and the error.
function M.run(middleware, ctx, handler)
  local was_called = false
  local ok, err = pcall(middleware, ctx, function()
    was_called = true
    if handler then handler(ctx) end
  end)
  if not ok then ctx.status = 500 end
  for i = #ctx.deferred, 1, -1 do ctx.deferred[i](ctx) end
  for i = 1, #ctx.outcome_hooks do ctx.outcome_hooks[i](ctx) end
  return was_called, (not ok) and err or nil
end

return M
