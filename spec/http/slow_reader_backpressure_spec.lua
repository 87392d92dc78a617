-- slow_reader_backpressure_spec.lua: who does not read his answers gets no further ones made, costs
-- bounded memory, and is let go after write_timeout_ms. Others do not notice.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local made = 0
app:get("/large", function() made = made + 1 return ("x"):rep(1000000) end)
app:get("/medium", function() made = made + 1 return ("x"):rep(8000) end)
app:get("/made", function() return tostring(made) end)
app:post("/large", function(ctx) return ("y"):rep(4000000) end)
local counts = require "justhttp.door"
app:get("/connections", function()
  return tostring(counts.C.jh_generation_connections(counts.generation))
end)
return app
]]

local function get(path) return "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n" end

local function resident_bytes(pid)
  return tonumber(sys.read_file(("/proc/%d/status"):format(pid)):match("VmRSS:%s*(%d+)")) * 1024
end

describe("a slow reader", function()
  local s
  after_each(function() s:stop() end)

  it("gets everything in the end", function()
    s = server.start { code = CODE }
    local c = s:connect { receive_bytes = 4096 }
    c:send(get("/large"):rep(5) .. get "/made")
    for _ = 1, 5 do
      local r = c:response()
      assert.are.equal(1000000, #r.body)
    end
    assert.are.equal("5", c:response().body)
    c:close()
  end)

  it("gets everything even when its connection is to be closed and it goes on sending", function()
    s = server.start { code = CODE }
    local c = s:connect { receive_bytes = 4096 }
    c:send(get("/large") .. "garbage\r\n\r\n")
    -- Longer than a connection lingers whose client has everything.
    for _ = 1, 6 do
      sys.sleep(0.4)
      c:send "more"
    end
    assert.are.equal(1000000, #c:response().body)
    assert.are.equal(400, c:response().status)
    c:expect_closed()
    c:close()
  end)

  it("is let go after write_timeout_ms when its connection is to be closed, too", function()
    s = server.start { code = CODE, options = { write_timeout_ms = 200 } }
    local c = s:connect { receive_bytes = 4096 }
    c:send(get("/large") .. "garbage\r\n\r\n")
    wait_for(function() return s:get("/connections").body == "1" end, 10)
    c:close()
  end)

  it("has no further answers made for it while one waits", function()
    s = server.start { code = CODE }
    local c = s:connect { receive_bytes = 4096 }
    c:send(get("/large"):rep(300))
    c:read(100)
    -- One or two answers fill the kernel's buffers; the next waits for them to drain.
    assert.is_true(tonumber(s:get("/made").body) <= 8)
    c:close()
  end)

  it("costs bounded memory, whatever it asks for", function()
    s = server.start { code = CODE }
    assert.are.equal(200, s:get("/large").status)
    local worker = s:workers()[1]
    local before = resident_bytes(worker)
    local clients = {}
    for i = 1, 10 do
      clients[i] = s:connect { receive_bytes = 4096 }
      clients[i]:send(get(i % 2 == 0 and "/large" or "/medium"):rep(300))
    end
    for i = 1, 10 do clients[i]:read(10) end
    assert.are.equal(200, s:get("/made").status)
    -- About one answer and what Lua has not collected yet; 3000 answers would be 1.5 GB.
    if sys.patience == 1 then
      assert.is_true(resident_bytes(worker) - before < 60e6)
    end
    for _, c in ipairs(clients) do c:close() end
  end)

  it("is let go after write_timeout_ms", function()
    s = server.start { code = CODE, options = { write_timeout_ms = 200 } }
    local c = s:connect { receive_bytes = 4096 }
    c:send(get("/large"):rep(20))
    c:read(10)
    wait_for(function() return s:get("/connections").body == "1" end, 5, "the end of the slow one")
    c:close()
  end)

  it("is not let go while it reads, however slowly", function()
    s = server.start { code = CODE, options = { write_timeout_ms = 400 } }
    local c = s:connect { receive_bytes = 65536 }
    c:send(get "/large")
    local got, started = 0, sys.now()
    local head = c:read_until "\r\n\r\n"
    while got < 1000000 do
      got = got + #c:read(math.min(100000, 1000000 - got))
      sys.sleep(0.08)
    end
    assert.is_true(sys.now() - started > 0.4)
    assert.is_truthy(head:find "^HTTP/1.1 200")
    assert.are.equal("1", c:send(get "/made"):response().body)
    c:close()
  end)

  it("may send a whole body before it reads the answer to it", function()
    s = server.start { code = CODE, options = { write_timeout_ms = 2000 } }
    for _, size in ipairs { 200000, 900000 } do
      local c = s:connect { receive_bytes = 4096, send_bytes = 4096 }
      c:send(("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"):format(size))
      c:send(("z"):rep(size))
      assert.are.equal(4000000, #c:response().body)
      c:close()
    end
  end)
end)

describe("a large response", function()
  it("arrives whole, at every size around the borders", function()
    local s = server.start { code = [[
      return function(ctx)
        local size = tonumber(ctx.query.size)
        return ("0123456789abcdef"):rep(math.ceil(size / 16)):sub(1, size)
      end ]] }
    local c = s:connect()
    for _, size in ipairs { 8191, 8192, 8193, 16000, 16384, 65536, 100000, 1000000, 20000000 } do
      local r = c:send(get("/?size=" .. size)):response()
      assert.are.equal(tostring(size), r.headers["content-length"])
      assert.is_true(r.body == ("0123456789abcdef"):rep(math.ceil(size / 16)):sub(1, size))
    end
    c:close()
    s:stop()
  end)
end)
