-- out_of_memory_spec.lua: the client when memory runs out at any moment: a call fails with an
-- error, the next one works, and nothing is left behind. In a process of its own, which hosts a
-- worker.
local core = require "spec.support.core"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:get("/small", function() return "small" end)
app:get("/large", function() return ("x"):rep(200000) end)
app:get("/chunks", function(ctx)
  ctx:stream(function(stream) for i = 1, 100 do stream:write(("%04d"):format(i):rep(50)) end end)
end)
app:post("/echo", function(ctx) return ctx.body end)
return app
]]

local CHILD = [[
local url = arg[1]
local http = require "justhttp"
local alloc = require "spec.support.alloc"
local standalone = require "justhttp.standalone"
local app = http.app()

-- A link of its own for every request: dialling needs memory, too.
local client = http.client { retries = 0, timeout = 10, headers = { Connection = "close" } }
local pipeline = http.pipeline { url = url, retries = 0 }

local function body_of(res, err) return res and res:text(), err end
local function pieces()
  local left = 5
  return function()
    left = left - 1
    if left >= 0 then return ("p"):rep(1000) end
  end
end

local ways = {
  { "small", function() return body_of(client:get(url .. "/small")) end, "small" },
  { "large", function() return body_of(client:get(url .. "/large")) end, ("x"):rep(200000) },
  { "chunks", function() return body_of(client:get(url .. "/chunks")) end },
  { "stream", function() return body_of(client:get(url .. "/chunks", { stream = true })) end },
  { "post", function() return body_of(client:post(url .. "/echo", ("y"):rep(50000))) end,
    ("y"):rep(50000) },
  { "post stream", function() return body_of(client:post(url .. "/echo", { body = pieces() })) end,
    ("p"):rep(5000) },
  { "pipeline", function()
    local all = pipeline:all { "/small", "/small", "/small" }
    for i = 1, 3 do if all[i].err then return nil, all[i].err end end
    return all[3].body
  end, "small" },
}

for _, way in ipairs(ways) do
  local name, fn = way[1], way[2]
  local want = way[3] or standalone.run(app, fn)
  local failures = alloc.fail_each(function()
    -- Lua's own parts of the core (timers, tasks) raise when they have no memory.
    local ok, body, err = pcall(standalone.run, app, fn)
    if ok and body ~= nil then
      assert(body == want, name .. ": a wrong body")
    else
      assert(type(ok and err or body) == "string" or not ok, name .. ": no error")
    end
    collectgarbage()
    client:close()
    pipeline:close()
  end, 3000)
  local body, err = standalone.run(app, fn)
  assert(body == want, name .. ": " .. tostring(err))
  print(name, failures)
end

-- A warm client takes everything from its pools.
local warm = http.client()
local function get() return body_of(warm:get(url .. "/small")) end
for _ = 1, 20 do standalone.run(app, get) end
print("warm allocations", alloc.count(function() standalone.run(app, get) end))
]]

describe("the client without memory", function()
  it("fails with an error, and works again", function()
    local dir = sys.temp_dir()
    local s = server.start { code = APP }
    sys.write_file(dir .. "/child.lua", CHILD)
    local r = server.run { program = "luajit", dir .. "/child.lua", s.url, deadline = 60,
      env = {
        LUA_PATH = "lua/?.lua;lua/?/init.lua;./?.lua;;", ASAN_OPTIONS = "detect_leaks=0",
        LD_PRELOAD = sys.preload ~= "" and sys.preload or false,
        JUSTHTTP_LIBRARY = sys.absolute(core.path),
      } }
    sys.remove(dir)
    s:stop()
    assert.are.equal(0, r.code, r.stderr)
    local ways, failures = 0, 0
    for count in r.stdout:gmatch "\t(%d+)" do
      ways, failures = ways + 1, failures + count
    end
    assert.are.equal(8, ways)
    assert.truthy(r.stdout:find("warm allocations\t0\n", 1, true), r.stdout)
    assert.is_true(failures > 20, r.stdout)
  end)
end)
