-- The server inside a C program: spec/embed/embedder.c, in every way a program may use it.
local json = require "justhttp.json"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local program = sys.absolute(server.build .. "/embed_embedder")

-- Starts a mode of the program and waits until its servers listen. Returns it and a function that
-- sends a GET to the nth of them.
local function start(mode, count)
  local self = server.launch { program = program, mode }
  local ports
  wait_for(function()
    ports = {}
    for port in self:stdout():gmatch "listening on http://127%.0%.0%.1:(%d+)" do
      ports[#ports + 1] = tonumber(port)
    end
    return #ports >= (count or 1) or not self:is_running()
  end, 20, "the program to listen")
  return self, function(path, more)
    local request = { path = path }
    for key, value in pairs(more or {}) do request[key] = value end
    return wire.request({ host = "127.0.0.1", port = ports[request.server or 1] }, request)
  end, ports
end

describe("a server inside a C program", function()
  local self, get, ports
  setup(function() self, get, ports = start "alone" end)
  teardown(function() self:stop() end)

  it("answers with C handlers, whose requests and responses are whole", function()
    local res = get "/native"
    assert.equal(200, res.status)
    assert.equal("GET /native - q=-\n", res.body)
    assert.equal("yes", res.headers["x-native"])
    assert.equal("GET /native/a b a b q=1&2\n", get("/native/a%20b?q=1%262").body)
    assert.equal("PUT /native/x x q=-\n", get("/native/x", { method = "PUT" }).body)
  end)

  it("has C and Lua handlers in one router, with one middleware around both", function()
    assert.equal("around /native", get("/native").headers["x-lua"])
    assert.equal("around /lua", get("/lua").headers["x-lua"])
    assert.equal(405, get("/native", { method = "POST" }).status)
    assert.equal(404, get("/nothing").status)
  end)

  it("lets C's middleware answer in Lua's place", function()
    local res = get("/lua", { headers = { ["X-Token"] = "bad" } })
    assert.equal(403, res.status)
    assert.equal("no\n", res.body)
  end)

  it("passes values both ways through the store of the request", function()
    assert.equal("ann 42 true", get("/lua").body)
    assert.equal("lua says hi; ann; 1\n", get("/values?word=hi").body)
  end)

  it("hands Lua functions of C, and their errors", function()
    local res = get "/tools"
    assert.same({ sum = 42, text = "text", flag = true, none = true }, json.decode(res.body))
    assert.equal(500, get("/tools/wrong").status)
    assert.truthy(self:stderr():find("-e:%d+: add: argument 1 is no number"))
  end)

  it("gives C handlers the whole body, however long", function()
    for _, bytes in ipairs { 0, 3, 20000, 300000 } do
      local body = ("x"):rep(bytes)
      local res = get("/echo", { method = "POST", body = body })
      assert.equal(201, res.status)
      assert.equal(body, res.body)
    end
  end)

  it("answers 500 when a C handler fails, and logs why", function()
    assert.equal(500, get("/fail").status)
    assert.truthy(self:stderr():find("the C side gave up", 1, true))
  end)

  it("waits for a C handler that answers later, from a thread of its own", function()
    assert.equal("later\n", get("/later").body)
    assert.equal("after late", get("/values/next").body)
  end)

  it("keeps what a C handler holds when its client leaves meanwhile", function()
    local where = { host = "127.0.0.1", port = ports[1] }
    local leaves, stays = wire.connect(where), wire.connect(where)
    leaves:send "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
    stays:send "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
    wait_for(function() return get("/held").body == "2 held, 0 gone\n" end, 5)
    leaves:reset()
    wait_for(function() return get("/held").body == "2 held, 1 gone\n" end, 5)
    assert.equal("done\n", get("/release").body)
    assert.equal("released\n", stays:response().body)
    stays:close()
    assert.equal(200, get("/native").status)
  end)
end)

describe("servers inside a C program", function()
  it("live beside each other on threads of their own", function()
    local self, get = start("threads", 2)
    for i = 1, 6 do
      assert.equal("ann 42 true", get("/lua", { server = i % 2 + 1 }).body)
      assert.equal("later\n", get("/later", { server = i % 2 + 1 }).body)
    end
    self:stop()
  end)

  it("live beside each other on the loop of the program", function()
    local self, get, ports = start("host", 2)
    for i = 1, 10 do
      assert.equal("ann 42 true", get("/lua", { server = i % 2 + 1 }).body)
      assert.equal("later\n", get("/later", { server = i % 2 + 1 }).body)
    end
    local conn = wire.connect { host = "127.0.0.1", port = ports[1] }
    for _ = 1, 20 do
      conn:send "GET /native HTTP/1.1\r\nHost: x\r\n\r\n"
      assert.equal(200, conn:response().status)
    end
    conn:close()
    self:signal(sys.SIGTERM)
    assert.equal(0, self:wait(10))
    assert.truthy(self:stdout():find "the loop ended, ticks: some")
    self:stop()
  end)

  it("can be freed in every state, and say why they do not start", function()
    local self, get = start "lives"
    assert.truthy(self:stdout():find("failed: 1 -e:2:", 1, true), self:output())
    assert.truthy(self:stdout():find("refused: 1 [^\n]*max_body_bytes"))
    assert.equal("ann 42 true", get("/lua").body)
    self:stop()
  end)

  it("keep SIGPIPE from the program", function()
    -- SIGPIPE has its default there: it would end the program.
    local self, get, ports = start "lives"
    for _ = 1, 20 do
      local conn = wire.connect { host = "127.0.0.1", port = ports[1] }
      conn:send(("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"):rep(3))
      conn:reset()
    end
    assert.equal("ann 42 true", get("/lua").body)
    self:stop()
  end)
end)
