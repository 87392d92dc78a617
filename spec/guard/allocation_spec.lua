-- A warm connection costs no allocation in C, and requests leave Lua's heap as it was. Counted in a
-- real worker, from inside: what malloc has handed out, and what the collector knows.
local json = require "justhttp.json"
local server = require "spec.support.server"
local asan = require "spec.support.asan"

local APP = [[
local ffi = require "ffi"
local http = require "justhttp"
local app = http.app()

ffi.cdef [=[
struct spec_info {
  size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};
struct spec_info mallinfo2(void);
]=]

-- Short cycles, so that what Lua holds at its worst is known after a few requests.
collectgarbage("setpause", 105)

local function put(name, value)
  return function(ctx, next)
    ctx.values[name] = value
    return next()
  end
end

-- Garbage is collected early here, so that what grows is what leaks.
require "justhttp.collector".ALLOWANCE_BYTES = 0
collectgarbage()

app:get("/text", function() return "Hello, World!" end)
app:get("/json", function() return { message = "Hello, World!", list = { 1, 2, 3 } } end)
app:get("/users/:id", function(ctx)
  ctx:set("X-User", ctx.params.id)
  return ctx.params.id .. (ctx.query.q or "") .. ctx.headers.host
end)
app:get("/values", put("a", 1), put("b", 2), put("c", 3), put("d", 4), function() return "x" end)
app:get("/wait", function() http.sleep(0) return "waited" end)
app:post("/body", function(ctx) return ctx.body end)
app:get("/error", function() error "on purpose" end)
app:get("/missing", function(ctx) return ctx:error(404) end)
app:get("/state", function()
  collectgarbage()
  collectgarbage()
  collectgarbage "stop"
  local info = ffi.C.mallinfo2()
  local state = { c_bytes = tonumber(info.uordblks + info.hblkhd), lua_kb = collectgarbage "count" }
  collectgarbage "restart"
  return state
end)
return app
]]

local GET = " HTTP/1.1\r\nHost: localhost\r\n\r\n"
local REQUESTS = {
  ["a text"] = "GET /text" .. GET,
  ["JSON"] = "GET /json" .. GET,
  ["params, query, headers"] = "GET /users/42?q=x" .. GET,
  ["middleware with values"] = "GET /values" .. GET,
  ["a handler that waits"] = "GET /wait" .. GET,
  ["a body"] = "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
  ["a large body"] = "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    .. ("x"):rep(100000),
  ["a chunked body"] = "POST /body HTTP/1.1\r\nHost: localhost\r\n"
    .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ["an error"] = "GET /error" .. GET,
  ["a miss"] = "GET /missing" .. GET,
}

describe("a worker on a warm connection", function()
  local s, conn

  before_each(function()
    s = server.start { code = APP, options = { log_level = "off" } }
    conn = s:connect()
  end)
  after_each(function()
    conn:close()
    s:stop()
  end)

  local function ask(request, count)
    local depth = #request > 1000 and 1 or 20
    local batch = request:rep(depth)
    for _ = 1, count / depth do
      conn:send(batch)
      conn:responses(depth)
    end
  end

  local function state()
    return json.decode(conn:request({ path = "/state" }).body)
  end

  for what, request in pairs(REQUESTS) do
    it("keeps its memory over many requests: " .. what, function()
      local count = #request > 1000 and 500 or 10000
      ask(request, count)
      local before = state()
      ask(request, count)
      local after = state()
      assert.is_true(after.lua_kb - before.lua_kb < 16,
        ("Lua's heap grew by %.1f KB"):format(after.lua_kb - before.lua_kb))
      if not asan.is_poisoned then
        -- Some slabs of Lua's heap (64 KiB each): where a collection begins moves its peak. What
        -- requests leak besides is held by the exact counts above and below.
        assert.is_true(after.c_bytes - before.c_bytes < 5 * 65536,
          ("C's heap grew by %d bytes"):format(after.c_bytes - before.c_bytes))
      end
    end)
  end
end)

describe("the core on a warm connection", function()
  it("allocates nothing for a request", function()
    local core, worker = require "spec.support.core", require "spec.support.worker"
    local C = core.load("base/alloc.h")
    local ffi = require "ffi"
    local counts = {}
    local w = worker.new(function(app)
      app:get("/", function(ctx)
        counts[#counts + 1] = tonumber(C.jh_alloc_count())
        ctx:set("X-A", "b")
        return "Hello, World!"
      end)
    end)
    local bytes = ("GET /?a=b HTTP/1.1\r\nHost: localhost\r\nX-Header: value\r\n\r\n"):rep(200)
    w:run(function()
      local door, scheduler = w.modules.door, w.modules.scheduler
      local id = scheduler.new_id()
      local conn = door.C.jh_memory_conn_open(door.generation, bytes, #bytes, id)
      scheduler.park(id)
      door.C.jh_memory_conn_output(conn, door.out)
      assert(select(2, ffi.string(door.out.ptr, door.out.len):gsub("HTTP/1.1 200", "")) == 200)
      door.C.jh_memory_conn_close(conn)
    end)
    w:close()
    assert.equal(200, #counts)
    -- The first ones fill the pools; a connection in memory keeps its output, which grows at times.
    local allocating = 0
    for i = 51, 200 do
      if counts[i] > counts[i - 1] then allocating = allocating + 1 end
    end
    assert.is_true(allocating <= 3, allocating .. " of 150 requests allocated")
  end)
end)
