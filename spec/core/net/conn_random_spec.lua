-- conn_random_spec.lua: random conversations on several connections at once, their reads, writes
-- and answers interleaved at random: every answer arrives, in order and whole; connections that
-- break off at random leave nothing behind. A failure names its seed; JUSTHTTP_SEED=n repeats it.
local ffi = require "ffi"
local core = require "spec.support.core"
local sim = require "spec.support.sim"
local C = core.load("justhttp.h")

jit.off(true, true)

local random = math.random
local scratch = ffi.new("char[?]", 70000)
local out = ffi.new "jh_str"

local function path_of(ctx)
  C.jh_ctx_field(ctx, C.JH_FIELD_PATH, out)
  return ffi.string(out.ptr, out.len)
end

local function respond(ctx, body)
  local code = C.jh_ctx_respond(ctx, 200, C.JH_TYPE_TEXT, body, #body)
  if code ~= 0 then C.jh_ctx_release(ctx) end
end

-- Things the app does later: called one at a time, at random moments.
local later

local function soon(fn)
  if random(3) == 1 then fn() else later[#later + 1] = fn end
end

-- Reads at most `most` bytes in pieces of any size, with pauses; then done(count).
local function read_some(world, ctx, most, done)
  local count = 0
  if C.jh_ctx_body_state(ctx) == C.JH_BODY_WHOLE then
    C.jh_ctx_field(ctx, C.JH_FIELD_BODY, out)
    return done(tonumber(out.len))
  end
  local function go_on(code)
    while code == 0 and count < most do
      local id = world:wait(go_on)
      local piece = math.min(random(3) == 1 and random(50) or random(30000), most - count)
      local got = tonumber(C.jh_ctx_read(ctx, scratch, piece, id))
      if got == C.JH_EWAIT then return end
      world.waits[id] = nil
      if got <= 0 then break end
      count = count + got
      if random(4) == 1 then
        later[#later + 1] = function() go_on(0) end
        return
      end
    end
    return done(count)
  end
  return go_on(0)
end

local function stream(world, ctx)
  if C.jh_ctx_start(ctx, 200, C.JH_TYPE_TEXT, -1) ~= 0 then return C.jh_ctx_release(ctx) end
  local left = 20
  local function go_on(code)
    while code == 0 and left > 0 do
      left = left - 1
      local piece = ("s"):rep(5000)
      local id = world:wait(go_on)
      code = C.jh_ctx_write(ctx, piece, #piece, id)
      if code == C.JH_EWAIT then return end
      world.waits[id] = nil
      if code == 0 and random(5) == 1 then
        later[#later + 1] = function() go_on(0) end
        return
      end
    end
    if code ~= 0 then return C.jh_ctx_release(ctx) end
    C.jh_ctx_end(ctx, "", 0)
  end
  return go_on(0)
end

local function app(world)
  function world.on_request(ctx)
    local kind, rest = path_of(ctx):match "^/(%a+)/?(.*)$"
    if kind == "now" then
      respond(ctx, rest)
    elseif kind == "held" then
      soon(function() respond(ctx, rest) end)
    elseif kind == "read" then
      read_some(world, ctx, 1e9, function(count) respond(ctx, tostring(count)) end)
    elseif kind == "part" then
      read_some(world, ctx, random(20000), function() respond(ctx, "part") end)
    elseif kind == "stream" then
      stream(world, ctx)
    elseif kind == "large" then
      respond(ctx, ("l"):rep(tonumber(rest)))
    elseif kind == "detach" then
      local fresh = C.jh_ctx_detach(ctx, ffi.new "uint32_t[1]")
      if fresh == nil then return C.jh_ctx_release(ctx) end
      soon(function()
        assert(path_of(ctx):find("^/detach"))
        C.jh_ctx_release(ctx)
      end)
      soon(function() respond(fresh, "detached") end)
    elseif kind == "hints" then
      C.jh_ctx_inform(ctx, 103, "Link: </a>\r\n", 12)
      soon(function() respond(ctx, "hinted") end)
    else
      respond(ctx, "?")
    end
  end
end

local function get(path) return "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n" end

local function post(path)
  local size = random(3) == 1 and random(60000) or random(300)
  local body = ("b"):rep(size)
  local head = "POST " .. path .. " HTTP/1.1\r\nHost: a\r\n"
  if random(2) == 1 then
    return head .. "Content-Length: " .. size .. "\r\n\r\n" .. body, size
  end
  local chunks, at = { head, "Transfer-Encoding: chunked\r\n\r\n" }, 1
  while at <= size do
    local piece = body:sub(at, at + random(20000) - 1)
    chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
    at = at + #piece
  end
  return table.concat(chunks) .. "0\r\n\r\n", size, true
end

-- A body that nobody reads to its end. When it is chunked and its end is not there, the connection
-- ends with the answer.
local function unread(path, want)
  local bytes, _, is_chunked = post(path)
  return bytes, want, is_chunked
end

-- Each returns the bytes of a request, the body of its answer, and whether that may be the last.
local kinds = {
  function() local n = tostring(random(1e6)) return get("/now/" .. n), n end,
  function() local n = tostring(random(1e6)) return get("/held/" .. n), n end,
  function() local bytes, size = post "/read" return bytes, tostring(size) end,
  function() return unread("/part", "part") end,
  function() return unread("/now/unread", "unread") end,
  function() return unread("/held/unread", "unread") end,
  function() return get "/stream", ("s"):rep(100000) end,
  function() local n = random(40000) return get("/large/" .. n), ("l"):rep(n) end,
  function() return get "/detach", "detached" end,
  function() return unread("/detach", "detached") end,
  function() return get "/hints", "hinted" end,
}

-- Bodies of the answers in the bytes, and whether the last says close.
local function bodies(bytes)
  local all, at, is_closing = {}, 1, false
  while true do
    local _, head_end = bytes:find("\r\n\r\n", at, true)
    if not head_end then return all, is_closing end
    local head = bytes:sub(at, head_end)
    is_closing = head:find("Connection: close", 1, true) ~= nil
    local length = tonumber(head:match "Content%-Length: (%d+)")
    at = head_end + 1
    if length then
      all[#all + 1] = bytes:sub(at, at + length - 1)
      at = at + length
    elseif head:find("Transfer-Encoding: chunked", 1, true) then
      local pieces = {}
      repeat
        local size = tonumber(bytes:match("^(%x+)\r\n", at), 16)
        at = bytes:find("\r\n", at, true) + 2
        pieces[#pieces + 1] = bytes:sub(at, at + size - 1)
        at = at + size + 2
      until size == 0
      all[#all + 1] = table.concat(pieces)
    end
  end
end

local function new_client(world)
  local bytes, wants, may_close = {}, {}, {}
  for i = 1, random(8) do bytes[i], wants[i], may_close[i] = kinds[random(#kinds)]() end
  bytes = table.concat(bytes)
  local c, at = world:connect(), 1
  local step = ({ 100, 5000, 100000 })[random(3)]
  while at <= #bytes do
    local size = random(step)
    c:give(bytes:sub(at, at + size - 1))
    if random(5) == 1 then c:give(sim.EAGAIN) end
    at = at + size
  end
  c.wants, c.may_close = wants, may_close
  return c
end

-- One thing happens somewhere.
local function move(world, clients)
  local c, what = clients[random(#clients)], random(10)
  if what <= 5 then
    if random(4) == 1 then c.room = random(3) == 1 and 0 or random(40000) end
    c:turn()
  elseif what <= 7 and #later > 0 then
    table.remove(later, random(#later))()
  else
    world:drain()
    C.jh_standalone_turn(world.generation, false)
  end
end

local function settle(world, clients)
  for _, c in ipairs(clients) do c.room = nil end
  repeat
    world:settle()
    local count = #later
    for _ = 1, count do table.remove(later)() end
  until count == 0 and not world:turn()
end

describe("random interleavings", function()
  local seed = tonumber(os.getenv "JUSTHTTP_SEED") or os.time() % 1000003

  local function run(is_broken)
    math.randomseed(seed)
    for round = 1, 40 do
      local world, clients = sim.open(), {}
      later = {}
      app(world)
      for i = 1, 4 do clients[i] = new_client(world) end
      for _ = 1, random(400) do
        move(world, clients)
        if is_broken and random(60) == 1 then
          local c = clients[random(#clients)]
          local how = random(4)
          if how == 1 then c:give(sim.ECONNRESET)
          elseif how == 2 then c.write_error = sim.EPIPE
          elseif how == 3 then c:give_end()
          else c:give("garbage\r\n\r\n") end
        end
      end
      settle(world, clients)
      for i, c in ipairs(clients) do
        local what = ("seed %d, round %d, client %d"):format(seed, round, i)
        if not is_broken then
          local got, is_closing = bodies(c.output)
          for n, body in ipairs(got) do
            assert.is_true(c.wants[n] == body, what .. ", answer " .. n)
          end
          if is_closing then
            assert.is_true(c.may_close[#got], what)
          else
            assert.are.equal(#c.wants, #got, what)
            assert.is_falsy(c.is_closed, what)
          end
          c:give_end()
        elseif not c.is_closed then
          c:give(sim.ECONNRESET)
        end
      end
      settle(world, clients)
      assert.are.equal(0, C.jh_generation_in_flight(world.generation), "seed " .. seed)
      assert.are.equal(0, C.jh_generation_shadows(world.generation), "seed " .. seed)
      assert.are.equal(0, C.jh_generation_connections(world.generation), "seed " .. seed)
      world:close()
    end
  end

  it("give every client its answers", function() run(false) end)

  it("leave nothing of clients that break off", function() run(true) end)
end)
