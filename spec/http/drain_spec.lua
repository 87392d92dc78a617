-- drain_spec.lua: what SIGTERM means for the connections of a worker: what was begun is finished
-- and its answer says close, what has arrived is answered, the rest ends. (The processes have their
-- spec in spec/server/graceful_shutdown_spec.lua.)
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local is_open = false
app:get("/", function() return "here" end)
local function talk(ctx)
  ctx:hijack(function(conn)
    local line, err = conn:read_line()
    conn:write(tostring(line) .. " " .. tostring(err) .. "\n")
    conn:write("then " .. tostring(conn:read_line()) .. "\n")
  end)
end
app:get("/talk", talk)
app:get("/gate", function(ctx)
  while not is_open do http.sleep(0.005) end
  if ctx.query_string == "hijack" then return talk(ctx) end
  return "passed"
end)
app:get("/large", function() return ("x"):rep(3000000) end)
app:post("/echo", function(ctx) return ctx.body end)
app:get("/stream", function(ctx)
  ctx:stream(function(stream)
    stream:write "first"
    while not is_open do http.sleep(0.005) end
    stream:write "last"
  end)
end)
app:get("/ticks", function(ctx)
  ctx:events(function(events)
    while not http.is_stopping() do
      events:send "tick"
      http.sleep(0.01)
    end
    events:send "end"
  end)
end)
app:get("/open", function() is_open = true return "open" end)
app:every(0.01, function()
  local file = io.open(os.getenv "SPEC_GATE")
  if file then is_open = true file:close() end
end)
return app
]]

describe("a drain", function()
  local s, gate

  before_each(function()
    gate = sys.temp_dir()
    s = server.start { code = CODE, env = { SPEC_GATE = gate .. "/open" },
      options = { shutdown_timeout_ms = 5000 } }
  end)
  after_each(function()
    s:stop()
    sys.remove(gate)
  end)

  local function get(path) return "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n" end

  -- The worker has heard of it when it closes an idle connection.
  local function drain()
    local idle = s:connect():send(get "/")
    assert.are.equal("here", idle:response().body)
    s:signal(sys.SIGTERM)
    idle:expect_closed()
    assert.is_falsy(idle.reset_by_peer)
    idle:close()
  end

  local function open_gate() sys.write_file(gate .. "/open", "") end

  local function ends()
    assert.are.equal(0, (s:wait(5)))
  end

  it("lets a handler finish, and says close", function()
    local c = s:connect():send(get "/gate")
    drain()
    open_gate()
    local r = c:response()
    assert.are.equal("passed", r.body)
    assert.are.equal("close", r.headers.connection)
    c:close()
    ends()
  end)

  it("answers no further request of a pipeline", function()
    local c = s:connect():send(get "/gate" .. get "/" .. get "/")
    drain()
    open_gate()
    local r = c:response()
    assert.are.equal("passed", r.body)
    assert.are.equal("close", r.headers.connection)
    c:expect_closed()
    assert.is_falsy(c.reset_by_peer)
    c:close()
    ends()
  end)

  it("lets a client finish the request it has begun", function()
    local head = s:connect():send "GET / HTTP/1.1\r\nHo"
    local body = s:connect():send "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"
    local large = s:connect():send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n"
      .. ("x"):rep(20000))
    drain()
    head:send "st: a\r\n\r\n"
    body:send "llo"
    large:send(("x"):rep(30000))
    for want, c in pairs { here = head, hello = body, [("x"):rep(50000)] = large } do
      local r = c:response()
      assert.is_true(want == r.body)
      assert.are.equal("close", r.headers.connection)
      c:close()
    end
    ends()
  end)

  it("lets a slow reader have all of its answer", function()
    local c = s:connect { receive_bytes = 4096 }
    c:send(get "/large")
    c:read_until "\r\n\r\n"
    drain()
    assert.are.equal(3000000, #c:read(3000000))
    c:expect_closed()
    assert.is_falsy(c.reset_by_peer)
    c:close()
    ends()
  end)

  it("lets a stream end", function()
    local c = s:connect():send(get "/stream")
    c:read_until "first"
    drain()
    open_gate()
    c:read_until "last"
    c:read_until "0\r\n\r\n"
    c:expect_closed()
    c:close()
    ends()
  end)

  it("is told to endless streams that ask", function()
    local c = s:connect():send(get "/ticks")
    c:read_until "tick"
    drain()
    c:read_until "end"
    c:read_until "0\r\n\r\n"
    c:expect_closed()
    c:close()
    ends()
  end)

  it("is told to hijacked connections, which may go on to say goodbye", function()
    local quiet = s:connect():send(get "/talk")
    local gated = s:connect():send(get "/gate?hijack")
    drain()
    assert.are.equal("nil stopping\n", quiet:read_until "\n")
    quiet:send "bye\n"
    assert.are.equal("then bye\n", quiet:read_until "\n")
    quiet:expect_closed()
    open_gate()
    assert.are.equal("nil stopping\n", gated:read_until "\n")
    gated:half_close()
    assert.are.equal("then nil\n", gated:read_until "\n")
    gated:expect_closed()
    quiet:close()
    gated:close()
    ends()
  end)

  it("answers a request that arrived on an idle connection before it", function()
    local clients = {}
    for i = 1, 20 do
      clients[i] = s:connect():send(get "/")
      assert.are.equal("here", clients[i]:response().body)
    end
    local worker = s:workers()[1]
    s:freeze(worker)
    for _, c in ipairs(clients) do c:send(get "/") end
    s:signal(sys.SIGTERM)
    wait_for(function() return s:has_pending(sys.SIGTERM, worker) end)
    s:signal(sys.SIGCONT, worker)
    for _, c in ipairs(clients) do
      local r = c:response()
      assert.are.equal("here", r.body)
      assert.are.equal("close", r.headers.connection)
      c:close()
    end
    ends()
  end)

  it("does not wait for a client that neither finishes nor leaves", function()
    s:stop()
    s = server.start { code = CODE, env = { SPEC_GATE = gate .. "/open" },
      options = { shutdown_timeout_ms = 300 } }
    local half = s:connect():send "GET / HTTP/1.1\r\nHo"
    local slow = s:connect { receive_bytes = 4096 }
    slow:send(get "/large")
    local gated = s:connect():send(get "/gate")
    drain()
    ends()
    half:close()
    slow:close()
    gated:close()
  end)
end)
