-- random_client_spec.lua: many clients at once that do anything: pipeline every kind of request,
-- cut their bytes anywhere, read when they like, break off, send garbage. Well-behaved ones get
-- exactly their answers in order; afterwards the worker is the same process and holds nothing.
--
-- A failure names its seed; JUSTHTTP_SEED=n runs that one again, JUSTHTTP_SECONDS=n runs longer.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local CODE = [[
local http = require "justhttp"
local door = require "justhttp.door"
local app = http.app()
app:get("/n/:n", function(ctx) return ctx.params.n end)
app:get("/wait/:ms", function(ctx) http.sleep(ctx.params.ms / 1000) return "waited" end)
app:post("/echo", function(ctx) return ctx.body end)
app:post("/late", function(ctx) http.sleep(0.002) return ctx.body end)
app:post("/read", function(ctx)
  local count = 0
  for piece in function() return ctx:read(777) end do
    count = count + #piece
    if count % 5 == 0 then http.sleep(0) end
  end
  return tostring(count)
end)
app:post("/ignore", function(ctx) return "ignored" end)
app:post("/some", function(ctx) return "some" .. #(ctx:read(10) or "") end)
app:get("/large", function() return ("large "):rep(50000) end)
app:get("/stream", function(ctx)
  ctx:stream(function(stream)
    for i = 1, 20 do
      stream:write(("s"):rep(i * 300))
      if i % 7 == 0 then http.sleep(0.001) end
    end
  end)
end)
app:get("/fail", function(ctx) error "on purpose" end)
app:get("/slow", http.middleware.timeout(0.002), function(ctx)
  pcall(http.sleep, 0.3)
  return ctx.path .. tostring(ctx.headers.host)
end)
app:get("/hints", function(ctx) ctx:early_hints { "</a>" } return "hinted" end)
app:static("/files", "public")
app:post("/files", function(ctx) return ctx:file("public/large.txt") end)
app:get("/counts", function()
  local C, generation = door.C, door.generation
  return ("%d in flight, %d shadows, %d connections"):format(C.jh_generation_in_flight(generation),
    C.jh_generation_shadows(generation), C.jh_generation_connections(generation))
end)
return app
]]

local FILES = {
  ["app.lua"] = CODE, ["public/1000"] = ("s"):rep(1000), ["public/40000"] = ("m"):rep(40000),
  ["public/2000000"] = ("l"):rep(2000000), ["public/large.txt"] = ("p"):rep(2000000),
}

local random = math.random

local function get(path, method)
  return ("%s %s HTTP/1.1\r\nHost: a\r\n\r\n"):format(method or "GET", path)
end

local function body_of(most)
  local size = random(0, 3) == 0 and random(0, most) or random(0, 300)
  return string.char(random(97, 122)):rep(size)
end

local function framed(path, body, fields)
  local head = "POST " .. path .. " HTTP/1.1\r\nHost: a\r\n" .. (fields or "")
  if random(2) == 1 then
    return ("%sContent-Length: %d\r\n\r\n%s"):format(head, #body, body)
  end
  local chunks, at = { head, "Transfer-Encoding: chunked\r\n\r\n" }, 1
  while at <= #body do
    local size = random(4) == 1 and random(1, 20) or random(1, 20000)
    local piece = body:sub(at, at + size - 1)
    chunks[#chunks + 1] = ("%x%s\r\n%s\r\n"):format(#piece, random(9) == 1 and ";a=b" or "", piece)
    at = at + size
  end
  chunks[#chunks + 1] = random(5) == 1 and "0\r\nX-Trailer: t\r\n\r\n" or "0\r\n\r\n"
  return table.concat(chunks), true
end

-- A body that its handler leaves. When it is chunked and its end is not there yet, the connection
-- ends with the answer.
local function unread(path, body, want)
  local bytes, is_chunked = framed(path, body)
  want.may_close = is_chunked
  return bytes, want
end

local STREAMED = 20 * 21 / 2 * 300

-- Each returns the bytes of a request and what must be true of its answer.
local kinds = {
  function() local n = tostring(random(1e6)) return get("/n/" .. n), { body = n } end,
  function() return get("/n/" .. random(1e6), "HEAD"), { method = "HEAD" } end,
  function() return get("/wait/" .. random(0, 3)), { body = "waited" } end,
  function() local body = body_of(60000) return (framed("/echo", body)), { body = body } end,
  function() local body = body_of(60000) return (framed("/late", body)), { body = body } end,
  function()
    local body = body_of(90000)
    return (framed("/read", body)), { body = tostring(#body) }
  end,
  function() return unread("/ignore", body_of(90000), { body = "ignored" }) end,
  function() return unread("/some", body_of(90000), { status = 200 }) end,
  function()
    local body = body_of(40000)
    return (framed("/echo", body, "Expect: 100-continue\r\n")), { body = body }
  end,
  function() return get "/large", { bytes = 300000 } end,
  function() return get "/stream", { bytes = STREAMED } end,
  function() return get "/fail", { status = 500 } end,
  function() return get "/missing", { status = 404 } end,
  function() return get("/n/1", "DELETE"), { status = 405 } end,
  function() return get("/n/1", "OPTIONS"), { status = 204 } end,
  function() return get "/slow", { status = 503 } end,
  function() return get "/hints", { body = "hinted" } end,
}

for _, bytes in ipairs { 1000, 40000, 2000000 } do
  local path = "/files/" .. bytes
  kinds[#kinds + 1] = function() return get(path), { bytes = bytes } end
  kinds[#kinds + 1] = function() return get(path, "HEAD"), { method = "HEAD" } end
  kinds[#kinds + 1] = function()
    local first = random(0, bytes - 1)
    local fields = ("Range: bytes=%d-\r\n\r\n"):format(first)
    return get(path):sub(1, -3) .. fields, { status = 206, bytes = bytes - first }
  end
  kinds[#kinds + 1] = function()
    return get(path):sub(1, -3) .. "Range: bytes=0-9,50-59,-10\r\n\r\n", { status = 206 }
  end
end
kinds[#kinds + 1] = function()
  return unread("/files", body_of(90000), { bytes = 2000000 })
end

local function new_conversation()
  local bytes, wants = {}, {}
  for i = 1, random(4) == 1 and random(30) or random(5) do
    bytes[i], wants[i] = kinds[random(#kinds)]()
  end
  return table.concat(bytes), wants
end

local JUNK = { "\r\n", "\0", "\n", " ", ":", "0", "GET ", "\255", "chunked", "\r" }

-- Changes a few bytes somewhere.
local function spoil(bytes)
  for _ = 1, random(3) do
    local at, what = random(#bytes), random(4)
    local junk = JUNK[random(#JUNK)]
    if what == 1 then bytes = bytes:sub(1, at - 1) .. junk .. bytes:sub(at)
    elseif what == 2 then bytes = bytes:sub(1, at - 1) .. bytes:sub(at + random(20))
    elseif what == 3 then bytes = bytes:sub(1, at - 1) .. junk .. bytes:sub(at + #junk)
    else bytes = bytes:sub(1, at) end
    if bytes == "" then return "\r" end
  end
  return bytes
end

local Client = {}
Client.__index = Client

local function new_client(s, is_good)
  local bytes, wants = new_conversation()
  if not is_good then bytes = spoil(bytes) end
  local self = setmetatable({ is_good = is_good, bytes = bytes, wants = wants, sent = 0, got = {} },
    Client)
  self.c = s:connect { receive_bytes = random(4) == 1 and 4096 or nil,
    send_bytes = random(4) == 1 and 4096 or nil }
  self.c.patience = 0
  self.step_bytes = random(3) == 1 and random(1, 50) or random(50, 100000)
  -- Bad ones break off somewhere, or say nothing more.
  if not is_good then
    self.stops_at = random(2) == 1 and random(0, #bytes) or #bytes
    self.stop = ({ "reset", "close", "half_close", "wait" })[random(4)]
  end
  return self
end

function Client:send_some()
  local till = math.min(#self.bytes, self.stops_at or #self.bytes, self.sent + self.step_bytes)
  local ok, _, count = self.c:try_send(self.bytes:sub(self.sent + 1, till))
  self.sent = ok and till or self.sent + (count or 0)
end

function Client:read_some()
  self.got[#self.got + 1] = self.c:read_available(0)
end

function Client:check_answers(seed)
  local c = self.c
  c.buffer = table.concat(self.got) .. c.buffer
  c.patience = 10
  for i, want in ipairs(self.wants) do
    local what = ("answer %d of %d, seed %d"):format(i, #self.wants, seed)
    local ok, r = pcall(c.response, c, { method = want.method })
    assert(ok, what .. ": " .. tostring(r))
    assert.are.equal(want.status or 200, r.status, what)
    if want.body then assert.is_true(want.body == r.body, what .. ": wrong body") end
    if want.bytes then assert.are.equal(want.bytes, #r.body, what) end
    if want.may_close and r.headers.connection == "close" then break end
    assert.is_nil(r.headers.connection, what)
  end
  assert.are.equal("", c.buffer, "seed " .. seed)
end

-- One step. True when the client is done.
function Client:step(seed)
  local is_sent = self.sent >= math.min(#self.bytes, self.stops_at or #self.bytes)
    or self.is_good and self.c.at_end
  if not is_sent then
    self:send_some()
    if random(3) == 1 then self:read_some() end
    -- The server may have closed on a client that is bad.
    if not self.is_good and self.c.at_end then
      self.c:close()
      return true
    end
    return false
  end
  if self.is_good then
    self:check_answers(seed)
    if random(2) == 1 then self.c:close() else self.c:reset() end
    return true
  end
  if self.stop == "half_close" then pcall(self.c.half_close, self.c) end
  if self.stop == "reset" then
    self.c:reset()
    return true
  end
  if self.stop ~= "close" then self.c:read_available(random() * 0.01) end
  self.c:close()
  return true
end

local function new_seed(more)
  local seed = tonumber(os.getenv "JUSTHTTP_SEED") or os.time() % 1000003 + more
  math.randomseed(seed)
  return seed
end

local function run(s, is_good, seconds)
  local seed = new_seed(is_good and 0 or 500000)
  local clients, deadline, done = {}, sys.now() + seconds, 0
  while true do
    local is_over = sys.now() > deadline and done > 20
    while #clients < 16 and not is_over do clients[#clients + 1] = new_client(s, is_good) end
    if #clients == 0 then break end
    local i = random(#clients)
    local client = clients[i]
    -- Bytes must not wait for answers for ever: the client reads in between.
    if random(4) == 1 then client:read_some() end
    if client:step(seed) then
      table.remove(clients, i)
      done = done + 1
    end
  end
  return seed
end

-- Stops the server while clients of both sorts are at it; it raises when that was not clean.
local function run_to_end(s, seed)
  local clients = {}
  for i = 1, random(20) do clients[i] = new_client(s, random(2) == 1) end
  for _ = 1, random(60) do
    local client = clients[random(#clients)]
    if random(3) == 1 then client:read_some() else client:send_some() end
  end
  local ok, why = pcall(s.stop, s, { signal = random(2) == 1 and sys.SIGTERM or sys.SIGQUIT })
  for _, client in ipairs(clients) do client.c:close() end
  assert(ok, ("seed %d: %s"):format(seed, tostring(why)))
end

describe("random clients", function()
  local seconds = tonumber(os.getenv "JUSTHTTP_SECONDS") or 1

  local function check(is_good, options)
    options.log_level = "off"
    local s = server.start { options = options, files = FILES }
    local worker = s:workers()[1]
    local seed = run(s, is_good, seconds)
    local counts
    pcall(wait_for, function()
      counts = s:get("/counts").body
      return counts == "1 in flight, 0 shadows, 1 connections"
    end, 10)
    assert.are.equal("1 in flight, 0 shadows, 1 connections", counts, "seed " .. seed)
    assert.are.same({ worker }, s:workers(), "seed " .. seed)
    s:stop()
  end

  it("that behave get their answers in order", function()
    check(true, { max_body_bytes = "1m" })
  end)

  it("that behave get their answers in order with small buffers as well", function()
    check(true, { max_body_bytes = "1m", body_buffer_bytes = 100 })
  end)

  it("that misbehave harm nobody", function()
    check(false, { header_timeout_ms = 300, body_timeout_ms = 300, write_timeout_ms = 300,
      keepalive_timeout_ms = 300, max_body_bytes = 50000 })
  end)

  it("do not keep a server from ending cleanly, at whatever moment it is stopped", function()
    local deadline, count = sys.now() + seconds, 0
    repeat
      local seed = new_seed(count)
      local s = server.start { options = { log_level = "off", shutdown_timeout_ms = random(0, 30) },
        files = FILES }
      run_to_end(s, seed)
      count = count + 1
    until sys.now() > deadline
  end)

  it("that misbehave harm nobody, with half-closes allowed and tight limits", function()
    check(false, { header_timeout_ms = 300, body_timeout_ms = 300, write_timeout_ms = 300,
      keepalive_timeout_ms = 300, max_body_bytes = 50000, allow_half_close = true, concurrency = 5,
      max_connections = 12, max_requests_per_connection = 4, body_buffer_bytes = 1000,
      max_header_count = 5 })
  end)
end)
