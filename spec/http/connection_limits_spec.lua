-- connection_limits_spec.lua: over max_connections and over concurrency the answer is 503, is
-- logged once, and stops as soon as there is room again; out of descriptors the worker waits for
-- some.
local ffi = require "ffi"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local CODE = [[
local http = require "justhttp"
local app = http.app()
app:get("/", function() return "here" end)
app:get("/wait", function() http.sleep(0.2) return "waited" end)
app:post("/echo", function(ctx) return ctx.body end)
return app
]]

local function get(path) return "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n" end

local function count_lines(text, plain)
  local count, at = 0, 1
  while true do
    local from, to = text:find(plain, at, true)
    if not from then return count end
    count, at = count + 1, to + 1
  end
end

describe("max_connections", function()
  it("refuses further connections with 503 until one closes", function()
    local s = server.start { code = CODE, options = { max_connections = 3 } }
    local open = {}
    for i = 1, 3 do
      open[i] = s:connect():send(get "/")
      assert.are.equal("here", open[i]:response().body)
    end
    for _ = 1, 5 do
      local c = s:connect()
      c:try_send(get "/")
      local r = c:response()
      assert.are.equal(503, r.status)
      assert.are.equal("close", r.headers.connection)
      assert.are.equal("1", r.headers["retry-after"])
      c:expect_closed()
      c:close()
    end
    assert.are.equal(1, count_lines(s:stderr(), "max_connections (3) are open"))
    for i = 1, 3 do assert.are.equal("here", open[i]:send(get "/"):response().body) end
    open[1]:close()
    wait_for(function() return s:get("/").status == 200 end, 5, "room")
    s:stop()
  end)
end)

describe("concurrency", function()
  local s

  setup(function() s = server.start { code = CODE, options = { concurrency = 2 } } end)
  teardown(function() s:stop() end)

  it("refuses further requests with 503 and keeps their connections", function()
    local busy = { s:connect():send(get "/wait"), s:connect():send(get "/wait") }
    local c = s:connect()
    local refused = 0
    wait_for(function()
      local r = c:send(get "/"):response()
      if r.status == 503 then
        refused = refused + 1
        assert.is_nil(r.headers.connection)
      end
      return refused == 3
    end, 2, "three refusals")
    for _, size in ipairs { 5, 50000 } do
      local refusal = c:request { method = "POST", path = "/echo", body = ("x"):rep(size) }
      assert.are.equal(503, refusal.status)
    end
    for i = 1, 2 do assert.are.equal("waited", busy[i]:response().body) end
    assert.are.equal("here", c:send(get "/"):response().body)
    assert.are.equal(1, count_lines(s:stderr(), "concurrency (2) is reached"))
    c:close()
    for i = 1, 2 do busy[i]:close() end
  end)

  it("refuses in the middle of a pipeline, in order", function()
    local busy = { s:connect():send(get "/wait"), s:connect():send(get "/wait") }
    local c = s:connect()
    wait_for(function() return c:send(get "/"):response().status == 503 end, 2, "a refusal")
    c:send(get "/" .. get "/" .. get "/missing")
    for _ = 1, 3 do assert.are.equal(503, c:response().status) end
    c:close()
    for i = 1, 2 do
      assert.are.equal("waited", busy[i]:response().body)
      busy[i]:close()
    end
  end)
end)

ffi.cdef [[
struct spec_rlimit { uint64_t soft, hard; };
int prlimit(spec_pid pid, int resource, const struct spec_rlimit *limit, struct spec_rlimit *old);
]]

describe("out of descriptors", function()
  it("a worker serves what it has and accepts again when there are some", function()
    local RLIMIT_NOFILE = 7
    local s = server.start { code = CODE }
    local worker = s:workers()[1]
    local held = s:connect():send(get "/")
    assert.are.equal("here", held:response().body)
    local before, none = ffi.new "struct spec_rlimit[1]", ffi.new "struct spec_rlimit[1]"
    sys.check(ffi.C.prlimit(worker, RLIMIT_NOFILE, nil, before), "prlimit")
    none[0].soft, none[0].hard = 3, before[0].hard
    sys.check(ffi.C.prlimit(worker, RLIMIT_NOFILE, none, nil), "prlimit")
    local waiting = s:connect():send(get "/")
    wait_for(function() return s:stderr():find("cannot accept connections", 1, true) end)
    assert.are.equal("here", held:send(get "/"):response().body)
    assert.is_false(waiting:is_closed())
    sys.check(ffi.C.prlimit(worker, RLIMIT_NOFILE, before, nil), "prlimit")
    assert.are.equal("here", waiting:response().body)
    assert.are.equal("here", s:get("/").body)
    held:close()
    waiting:close()
    s:stop()
  end)
end)
