-- random_calls_spec.lua: calls of every kind at the same time, given up at any moment, against a
-- server that answers late, in pieces, or not at all: whatever gets an answer gets its own, and in
-- the end no link is busy and none of the calls is left.
local caller = require "spec.support.caller"
local server = require "spec.support.server"

local seed = tonumber(os.getenv "JUSTHTTP_SPEC_SEED") or 7

local APP = [[
local http = require "justhttp"
local app = http.app()
math.randomseed(%d)
local random = math.random
local function answer(ctx)
  local path = ctx.path
  local how = random(12)
  if how <= 3 then http.sleep(random() * 0.02) end
  if how == 4 then ctx:hijack(function(conn) conn:close() end) return end
  if how == 5 then
    ctx:hijack(function(conn)
      conn:write("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" .. path)
      http.sleep(random() * 0.01)
      conn:close()
    end)
    return
  end
  if how == 6 then ctx:set("Connection", "close") end
  if how >= 10 then
    local text = path .. ("x"):rep(random(100000))
    ctx:stream(function(stream)
      for at = 1, #text, 9999 do stream:write(text:sub(at, at + 9998)) end
    end)
    return
  end
  return path .. ("x"):rep(random(30000))
end
app:get("/*rest", answer)
app:post("/*rest", function(ctx)
  if random(3) == 1 then return 413, ctx.path end
  assert(ctx.body ~= nil)
  return answer(ctx)
end)
return app
]]

local CHUNK = [[
math.randomseed(a.seed)
local random = math.random
local kinds, wrong = {}, {}
local pool = http.client { max_connections = 8, retries = 1, wait_timeout = 0.05,
  max_idle_connections = 4, idle_timeout = 0.02, max_connection_age = 0.3 }
local pipeline = http.client { max_connections = 2, max_pending = 8, max_waiting = 8, retries = 0 }

local function check(path, body)
  if body:match "^(.-)x*$" ~= path then wrong[#wrong + 1] = path .. ": " .. body:sub(1, 60) end
end

local function body()
  if random(2) == 1 then return "b" .. ("y"):rep(random(200000)) end
  local left = random(20)
  return function()
    left = left - 1
    if random(4) == 1 then http.sleep(random() * 0.002) end
    if left >= 0 then return "b" .. ("z"):rep(random(20000)) end
  end
end

local function one(number)
  local client = random(3) == 1 and pipeline or pool
  local path = "/" .. number .. "-"
  local options = { timeout = random(3) == 1 and random() * 0.03 + 0.001 or nil,
    stream = random(3) == 1 or nil, read_timeout = 0.5 }
  local res, err, kind
  if random(3) == 1 then
    options.body = body()
    if random(4) == 1 then options.headers = { Expect = "100-continue" } end
    res, err, kind = client:post(a.url .. path, options)
  else
    res, err, kind = client:get(a.url .. path, options)
  end
  if not res then
    kinds[kind] = (kinds[kind] or 0) + 1
    assert(type(err) == "string")
    return
  end
  if options.stream and random(3) == 1 then
    if random(2) == 1 then res:read(random(5000)) end
    return res:close()
  end
  local text, _, why = res:text()
  if text then check(path, text) else kinds[why] = (kinds[why] or 0) + 1 end
end

local tasks, done = {}, 0
for i = 1, 40 do
  tasks[i] = http.spawn(function()
    for n = 1, a.rounds do
      local task = http.spawn(one, i * 1000 + n)
      if random(5) == 1 then
        http.sleep(random() * 0.01)
        task:cancel()
      end
      pcall(http.wait, task)
      done = done + 1
    end
  end)
end
for i = 1, 40 do http.wait(tasks[i]) end
collectgarbage()
collectgarbage()
local calm
for _ = 1, 500 do
  local p, q = pool:stats()[a.url], pipeline:stats()[a.url]
  calm = p.waiting + q.waiting == 0 and p.idle == p.connections and q.idle == q.connections
  if calm then break end
  http.sleep(0.01)
end
return { done = done, wrong = wrong, kinds = kinds, calm = calm }
]]

describe("random calls", function()
  it("get their own answers or none, and leave nothing behind", function()
    local s = server.start { code = APP:format(seed) }
    local c = caller.start()
    c.seconds = 60
    local result = c:run(CHUNK, { url = s.url, seed = seed, rounds = 25 })
    local what = "JUSTHTTP_SPEC_SEED=" .. seed
    assert.are.same({}, result.wrong, what)
    assert.are.equal(1000, result.done, what)
    assert.is_true(result.calm, what)
    for kind in pairs(result.kinds) do
      local is_expected = kind == "timeout" or kind == "closed" or kind == "busy"
      assert.is_true(is_expected or kind == "protocol", kind .. " " .. what)
    end
    c:stop()
    s:stop()
  end)
end)
