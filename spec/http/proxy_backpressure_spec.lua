-- proxy_backpressure_spec.lua: large bodies pass through a proxy in bounded memory, whoever is
-- slow; a side is not read while the other does not take.
local proxying = require "spec.support.proxying"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local get, post = proxying.get, proxying.post

local UPSTREAM = [[
local http = require "justhttp"
local app = http.app()
local block = {}
for i = 1, 4096 do block[i] = ("%015d\n"):format(i) end
block = table.concat(block)
app:get("/down/:mib", function(ctx)
  local options = ctx.query.known and { length = ctx.params.mib * 1048576 } or nil
  ctx:stream(function(stream)
    for _ = 1, ctx.params.mib * 16 do stream:write(block) end
  end, options)
end)
app:post("/up", http.middleware.limits { body = "1g" }, function(ctx)
  local count, sum = 0, 0
  for piece in ctx:pieces() do
    count = count + #piece
    sum = (sum + piece:byte(1) + piece:byte(-1)) % 65536
  end
  return tostring(count)
end)
return app
]]

local BLOCK = {}
for i = 1, 4096 do BLOCK[i] = ("%015d\n"):format(i) end
BLOCK = table.concat(BLOCK)

describe("a large body through http.proxy", function()
  local x, back
  setup(function() back = server.start { code = UPSTREAM } end)
  teardown(function() back:stop() end)
  before_each(function()
    x = proxying.server("app:any('/p/*rest', big, http.proxy { upstream = UP[1] })", { back.url })
  end)
  after_each(function() x:stop() end)

  -- Reads `mib` MiB of BLOCKs.
  local function read_blocks(c, mib)
    for _ = 1, mib * 16 do
      if c:read(65536) ~= BLOCK then return false end
    end
    return true
  end

  it("comes down whole, 100 MiB of it, in little memory", function()
    local c = x:client { deadline = 60 }
    c:send(get "/p/down/1?known")
    c:response()
    local before = x:resident()
    c:send(get "/p/down/100?known")
    assert.matches("\r\nContent%-Length: 104857600\r\n", c:read_until "\r\n\r\n")
    assert.is_true(read_blocks(c, 100))
    assert.is_true(x:resident() - before < 3e6, "grew by " .. x:resident() - before)
    c:send(get "/p/down/1")
    local r = c:response()
    assert.equal("chunked", r.headers["transfer-encoding"])
    assert.is_true(r.body == BLOCK:rep(16))
  end)

  it("goes up whole, 100 MiB of it, in little memory", function()
    local c = x:client { deadline = 60 }
    c:send(post("/p/up", ("x"):rep(100000)))
    c:response()
    local before = x:resident()
    c:send "POST /p/up HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n"
    for _ = 1, 1600 do c:send(BLOCK) end
    assert.equal("104857600", c:response().body)
    c:send "POST /p/up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ = 1, 160 do c:send("10000\r\n" .. BLOCK .. "\r\n") end
    c:send "0\r\n\r\n"
    assert.equal("10485760", c:response().body)
    assert.is_true(x:resident() - before < 3e6, "grew by " .. x:resident() - before)
  end)

  it("waits for a reader that is slow", function()
    local c = x:client { receive_bytes = 4096, deadline = 60 }
    c:send(get "/p/down/1")
    c:response()
    local before, clients = x:resident(), {}
    for i = 1, 10 do
      clients[i] = x:client { receive_bytes = 4096, deadline = 60 }
      clients[i]:send(get "/p/down/50?known")
    end
    for i = 1, 10 do clients[i]:read(1000) end
    -- What the others do meanwhile takes long enough to fetch far more than is allowed.
    for _ = 1, 20 do
      c:send(get "/p/down/1")
      c:response()
    end
    local grown = x:resident() - before
    assert.is_true(grown < 10 * 400000, "ten slow readers cost " .. grown)
    c:send(get "/p/down/1")
    assert.equal(1048576, #c:response().body)
    for i = 1, 10 do clients[i]:close() end
  end)

  it("waits for an upstream that is slow", function()
    local y = proxying.start()
    local before = y:resident()
    local c = y:client()
    c:send("POST /p/a HTTP/1.1\r\nHost: a\r\nContent-Length: 500000000\r\n\r\n")
    c.patience = 0.5
    local sent = 0
    local up
    for _ = 1, 2000 do
      local ok, _, part = c:try_send(BLOCK)
      sent = sent + (ok and #BLOCK or part)
      up = up or y:accept()
      if not ok then break end
    end
    assert.is_true(sent < 100e6, "the client was never held back")
    assert.is_true(y:resident() - before < 3e6, "grew by " .. y:resident() - before)
    local head = up:read_until "\r\n\r\n"
    assert.matches("Content%-Length: 500000000", head)
    for _ = 1, sent / 65536 - 1 do assert.is_true(up:read(65536) == BLOCK) end
    c:close()
    up:close()
    y:stop()
  end)

  it("is cut for a reader that never reads", function()
    local y = proxying.server("app:any('/p/*rest', http.proxy { upstream = UP[1] })", { back.url },
      { write_timeout_ms = 300 })
    local c = y:client { receive_bytes = 4096 }
    c:send(get "/p/down/50")
    c:read(1000)
    sys.sleep(0.8) -- what is read now would have to have been sent before the timeout
    local got = 0
    while not c.at_end and got < 50e6 do got = got + #c:read_available(2) end
    assert.is_true(c.at_end and got < 50e6)
    c:close()
    y:stop()
  end)
end)
