-- http2_random_spec.lua: random and broken frames on several HTTP/2 connections at once, their
-- reads, writes and answers interleaved at random, memory running out at random: nothing crashes,
-- nothing hangs, nothing is left behind. A failure names its seed; JUSTHTTP_SEED=n repeats it.
local ffi = require "ffi"
local bit = require "bit"
local core = require "spec.support.core"
local http2 = require "spec.support.http2"
local sim = require "spec.support.sim"
local C = core.load("justhttp.h", "base/alloc.h")

jit.off(true, true)

local random = math.random
local frame, number = http2.frame, http2.number
local scratch = ffi.new("char[?]", 70000)

local later -- things the app does at random moments

local function soon(fn)
  if random(3) == 1 then fn() else later[#later + 1] = fn end
end

local function respond(ctx, body)
  if C.jh_ctx_respond(ctx, 200, C.JH_TYPE_TEXT, body, #body) ~= 0 then C.jh_ctx_release(ctx) end
end

local function read(world, ctx)
  local function go_on()
    for _ = 1, random(5) do
      local id = world:wait(go_on)
      local got = tonumber(C.jh_ctx_read(ctx, scratch, random(30000), id))
      if got == C.JH_EWAIT then return end
      world.waits[id] = nil
      if got <= 0 then break end
    end
    respond(ctx, "read")
  end
  go_on()
end

local function stream(world, ctx)
  local length = random(2) == 1 and -1 or 50000
  if C.jh_ctx_start(ctx, 200, C.JH_TYPE_TEXT, length) ~= 0 then return C.jh_ctx_release(ctx) end
  local left = 10
  local function go_on(code)
    while code == 0 and left > 0 do
      left = left - 1
      local piece = ("s"):rep(random(10) == 1 and 70000 or 5000)
      local id = world:wait(go_on)
      code = C.jh_ctx_write(ctx, piece, #piece, id)
      if code == C.JH_EWAIT then return end
      world.waits[id] = nil
      if code == 0 and random(3) == 1 then
        later[#later + 1] = function() go_on(0) end
        return
      end
    end
    if code ~= 0 then return C.jh_ctx_release(ctx) end
    local trailers = random(2) == 1 and "X-End: yes\r\n" or ""
    C.jh_ctx_end(ctx, trailers, #trailers)
  end
  go_on(0)
end

local function detach(_, ctx)
  local slot = ffi.new "uint32_t[1]"
  local fresh = C.jh_ctx_detach(ctx, slot)
  if fresh == nil then return respond(ctx, "alone") end
  respond(fresh, "late")
  soon(function() C.jh_ctx_release(ctx) end)
end

local function on_request(world)
  local ways = {
    function(ctx) respond(ctx, ("b"):rep(random(4) == 1 and 100000 or random(100))) end,
    function(ctx) read(world, ctx) end,
    function(ctx) stream(world, ctx) end,
    function(ctx) detach(world, ctx) end,
    function(ctx) C.jh_ctx_release(ctx) end,
    function(ctx)
      local link = "Link: </a.css>\r\n"
      C.jh_ctx_inform(ctx, 103, link, #link)
      C.jh_ctx_set_header(ctx, "X-Some", 6, "value", 5, false)
      respond(ctx, "hinted")
    end,
  }
  return function(ctx)
    soon(function() ways[random(#ways)](ctx) end)
  end
end

local function a_block()
  local fields = http2.fields_of { method = ({ "GET", "POST", "HEAD", "PUT", "BREW" })[random(5)],
    path = ("/"):rep(random(3)) .. ("p"):rep(random(200)) }
  for _ = 1, random(5) == 1 and random(200) or random(4) - 1 do
    local some = { { "cookie", "a=" .. ("c"):rep(random(300)) }, { "x-y", "z" },
      { "content-length", tostring(random(100000)) }, { "host", "localhost" },
      { "expect", "100-continue" }, { "Bad", "x" }, { "x-long", ("l"):rep(random(3000)) } }
    fields[#fields + 1] = some[random(#some)]
  end
  if random(20) == 1 then table.remove(fields, random(#fields)) end
  return http2.block(fields)
end

-- One more frame of a client that knows what is open and does not care.
local function a_frame(client)
  local id = client.last_id > 0 and 2 * random(math.ceil(client.last_id / 2)) - 1 or 1
  local ways = {
    function()
      client.last_id = client.last_id + 2
      return frame(http2.HEADERS, 4 + random(2) - 1, client.last_id, a_block())
    end,
    function() return frame(http2.DATA, random(4) == 1 and 1 or 0, id, ("d"):rep(random(9000))) end,
    function() return frame(http2.DATA, 0, id, ("d"):rep(random(16384))) end,
    function() return frame(http2.RST_STREAM, 0, id, number(random(12), 4)) end,
    function() return frame(http2.WINDOW_UPDATE, 0, random(2) == 1 and 0 or id,
      number(random(3) == 1 and random(10) or random(100000), 4)) end,
    function() return frame(http2.SETTINGS, 0, 0, http2.settings { [4] = random(200000) }) end,
    function() return frame(http2.PING, random(2) - 1, 0, "12345678") end,
    function() return frame(http2.HEADERS, 5, id, http2.block { { "x-trailer", "t" } }) end,
    function() return frame(http2.PRIORITY_UPDATE, 0, 0, number(id, 4) .. "u=" .. random(7)) end,
    function()
      client.last_id = client.last_id + 2
      local block = a_block()
      return frame(http2.HEADERS, 1, client.last_id, block:sub(1, 10))
        .. frame(http2.CONTINUATION, 4, client.last_id, block:sub(11))
    end,
  }
  if random(60) == 1 then
    return frame(random(20), random(256) - 1, id, ("r"):rep(random(100)))
  end
  return ways[random(3) == 1 and 1 or random(#ways)]()
end

local function broken(bytes)
  local at = random(#bytes)
  return bytes:sub(1, at - 1) .. string.char(bit.bxor(bytes:byte(at), 2 ^ (random(8) - 1)))
    .. bytes:sub(at + 1)
end

local function a_move(client)
  local c = client.conn
  if c.is_closed then return end
  local roll = random(400)
  if roll == 1 then return c:give_end() end
  if roll == 2 then return c:give_error(sim.ECONNRESET) end
  if roll < 20 then
    c.room = random(3) == 1 and 0 or random(100000)
    return
  end
  if roll < 60 then
    c.room = nil
    return
  end
  local bytes = a_frame(client)
  if random(150) == 1 then bytes = broken(bytes) end
  while random(4) == 1 and #bytes > 1 do
    local cut = random(#bytes - 1)
    c:give(bytes:sub(1, cut))
    bytes = bytes:sub(cut + 1)
  end
  c:give(bytes)
end

local function converse(seed)
  math.randomseed(seed)
  later = {}
  local world = sim.open()
  world.on_request = on_request(world)
  local clients = {}
  for i = 1, 3 do
    clients[i] = { conn = world:connect(), last_id = -1 }
    clients[i].conn:give(http2.PREFACE .. frame(http2.SETTINGS, 0, 0))
  end
  for _ = 1, 150 do
    a_move(clients[random(#clients)])
    if random(40) == 1 then C.jh_alloc_fail_nth(random(30)) end
    if random(2) == 1 then world:turn() end
    if #later > 0 and random(2) == 1 then table.remove(later, random(#later))() end
  end
  C.jh_alloc_fail_nth(0)
  for _, client in ipairs(clients) do
    client.conn.room = nil
    if not client.conn.is_closed and random(2) == 1 then client.conn:give_end() end
  end
  world:settle()
  while #later > 0 do
    table.remove(later)()
    world:settle()
  end
  world:close()
end

describe("random HTTP/2 conversations", function()
  it("leave nothing behind", function()
    local only = tonumber(os.getenv "JUSTHTTP_SEED")
    for seed = only or 1, only or tonumber(os.getenv "JUSTHTTP_ROUNDS") or 60 do
      local ok, why = pcall(converse, seed)
      assert(ok, ("seed %d: %s"):format(seed, tostring(why)))
    end
  end)
end)
