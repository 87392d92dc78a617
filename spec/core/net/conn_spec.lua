-- conn_spec.lua: the states of a connection under every interleaving of reads, writes and answers:
-- all cuts of the input, all sizes of writes, failures at every step, memory running out.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local sim = require "spec.support.sim"
local core = require "spec.support.core"
local C = core.load("justhttp.h")

jit.off(true, true)

local function get(path) return "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n" end

local function post(path, body)
  return ("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(path, #body, body)
end

local function chunked(path, body, size)
  local chunks = {}
  for at = 1, #body, size do
    local piece = body:sub(at, at + size - 1)
    chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  return ("POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    .. "%s0\r\n\r\n"):format(path, table.concat(chunks))
end

local out = ffi.new "jh_str"
local scratch = ffi.new("char[?]", 70000)

local function field(ctx, which)
  if C.jh_ctx_field(ctx, which, out) ~= 0 then return nil end
  return ffi.string(out.ptr, out.len)
end

-- As lua/justhttp/context.lua does: what could not be sent is let go.
local function respond(ctx, body, status)
  local code = C.jh_ctx_respond(ctx, status or 200, C.JH_TYPE_TEXT, body, #body)
  if code ~= 0 then C.jh_ctx_release(ctx) end
  return code
end

-- Calls done(body, error) when the whole body is there.
local function read_body(world, ctx, done, piece_bytes)
  local pieces = {}
  local function go_on(code)
    while code == 0 do
      local id = world:wait(go_on)
      local count = tonumber(C.jh_ctx_read(ctx, scratch, piece_bytes or 5000, id))
      if count == C.JH_EWAIT then return end
      world.waits[id] = nil
      if count == 0 then return done(table.concat(pieces), 0) end
      if count < 0 then code = count else pieces[#pieces + 1] = ffi.string(scratch, count) end
    end
    return done(table.concat(pieces), code)
  end
  if C.jh_ctx_body_state(ctx) == C.JH_BODY_WHOLE then
    return done(field(ctx, C.JH_FIELD_BODY), 0)
  end
  return go_on(0)
end

-- The app: answers say what was asked.
local function app(world)
  local late = {}
  function world.on_request(ctx)
    local path = field(ctx, C.JH_FIELD_PATH)
    if path == "/echo" then
      read_body(world, ctx, function(body, code)
        respond(ctx, code == 0 and body or "error " .. code, code == 0 and 200 or 400)
      end)
    elseif path == "/late" then
      local id = world:wait(function() respond(ctx, "late") end)
      if C.jh_timer_start(world.generation, id, 0) == nil then respond(ctx, "not late", 500) end
    elseif path == "/duplex" then
      C.jh_ctx_start(ctx, 200, C.JH_TYPE_TEXT, -1)
      read_body(world, ctx, function(body)
        C.jh_ctx_write(ctx, tostring(#body), #tostring(#body), 0)
        C.jh_ctx_end(ctx, "", 0)
      end)
    elseif path == "/held" then
      late[#late + 1] = ctx
    elseif path == "/large" then
      respond(ctx, ("x"):rep(100000))
    elseif path == "/release" then
      C.jh_ctx_release(ctx)
    elseif path == "/hints" then
      C.jh_ctx_inform(ctx, 103, "Link: </a>\r\n", 12)
      respond(ctx, "hinted")
    elseif path == "/stream" then
      local i = 0
      local function go_on()
        while i < 5 do
          i = i + 1
          local id = world:wait(go_on)
          local code = C.jh_ctx_write(ctx, ("s"):rep(i * 20000), i * 20000, id)
          if code == C.JH_EWAIT then return end
          world.waits[id] = nil
          if code ~= 0 then return C.jh_ctx_release(ctx) end
        end
        C.jh_ctx_end(ctx, "", 0)
      end
      if C.jh_ctx_start(ctx, 200, C.JH_TYPE_TEXT, -1) ~= 0 then return C.jh_ctx_release(ctx) end
      go_on()
    elseif path == "/detach" then
      local slot = ffi.new "uint32_t[1]"
      local fresh = C.jh_ctx_detach(ctx, slot)
      if fresh == nil then return respond(ctx, "not detached") end
      respond(fresh, "detached")
      assert.are.equal("/detach", field(ctx, C.JH_FIELD_PATH))
      C.jh_ctx_release(ctx)
    else
      respond(ctx, path, path == "/missing" and 404 or 200)
    end
  end
  return late
end

-- What the answers in the bytes come to: { "200 body", … }, and what follows the last whole one.
local function answers(bytes)
  local all, at = {}, 1
  while true do
    local _, head_end = bytes:find("\r\n\r\n", at, true)
    if not head_end then break end
    local head = bytes:sub(at, head_end)
    local status = head:match "^HTTP/1.1 (%d+)"
    local length = tonumber(head:match "Content%-Length: (%d+)")
    local body = ""
    at = head_end + 1
    if head:find("Transfer-Encoding: chunked", 1, true) then
      local size
      repeat
        size = tonumber(bytes:match("^(%x+)\r\n", at), 16)
        at = bytes:find("\r\n", at, true) + 2
        body = body .. bytes:sub(at, at + size - 1)
        at = at + size + 2
      until size == 0
    elseif length then
      body = bytes:sub(at, at + length - 1)
      at = at + length
    end
    all[#all + 1] = status .. (body ~= "" and " " .. body or "")
  end
  return all, bytes:sub(at)
end

local function same_answers(want, c, what)
  local got, rest = answers(c.output)
  for i = 1, math.max(#want, #got) do
    if want[i] ~= got[i] then
      assert.are.equal((want[i] or "none"):sub(1, 80), (got[i] or "none"):sub(1, 80),
        ("answer %d, %s"):format(i, what))
      error(("answer %d, %s: differs"):format(i, what))
    end
  end
  assert.are.equal("", rest, what)
end

describe("a connection", function()
  local world, held

  before_each(function()
    world = sim.open()
    held = app(world)
  end)
  after_each(function() world:close() end)

  local BODY = ("0123456789abcdef"):rep(1100)

  it("answers a batch with one write", function()
    local c = world:connect():give(get("/a"):rep(20))
    world:settle()
    same_answers({ "200 /a", "200 /a" }, { output = c.output:sub(1, #c.output / 10) }, "one")
    assert.are.equal(1, c.write_count)
  end)

  it("goes on after a read that finds nothing, in every state", function()
    local all = get "/a" .. post("/echo", "small body") .. chunked("/echo", "small chunks", 5)
      .. post("/echo", BODY) .. chunked("/echo", BODY, 3000) .. post("/b", BODY) .. get "/c"
    local c = world:connect()
    for at = 1, #all, 997 do c:give(sim.EAGAIN, all:sub(at, at + 996), sim.EAGAIN, sim.EAGAIN) end
    world:settle()
    same_answers({ "200 /a", "200 small body", "200 small chunks", "200 " .. BODY, "200 " .. BODY,
      "200 /b", "200 /c" }, c, "with empty reads")
  end)

  local conversation = get "/a" .. post("/echo", "b") .. chunked("/echo", "chunked body", 5)
    .. get "/late" .. post("/c", "unread") .. get "/hints" .. chunked("/d", "unread", 4)
    .. get "/detach" .. get "/missing" .. "\r\n" .. get "/e"
  local wanted = { "200 /a", "200 b", "200 chunked body", "200 late", "200 /c", "103", "200 hinted",
    "200 /d", "200 detached", "404 /missing", "200 /e" }

  it("does not care where its input is cut", function()
    for at = 1, #conversation - 1 do
      local c = world:connect():give(conversation:sub(1, at), conversation:sub(at + 1))
      world:settle()
      same_answers(wanted, c, "cut at " .. at)
      c:give_end()
      world:settle()
      assert.is_true(c.is_closed)
    end
    for step = 1, 40 do
      local c = world:connect()
      for at = 1, #conversation, step do c:give(conversation:sub(at, at + step - 1)) end
      world:settle()
      same_answers(wanted, c, "in pieces of " .. step)
    end
  end)

  it("does not care how much the peer takes at a time", function()
    local bytes = conversation .. get "/large" .. get "/stream" .. get "/f"
    for _, room in ipairs { 1, 2, 3, 50, 1000, 16383, 16384, 70000 } do
      local c = world:connect():give(bytes)
      c.room = 0
      repeat
        c.room = room
        if room < 50 and #c.outputs > 5000 then c.room = nil end
        local is_moved = world:turn()
      until not is_moved
      local got = answers(c.output)
      assert.are.equal("200 /f", got[#got], "room " .. room)
      assert.are.equal(#wanted + 3, #got, "room " .. room)
    end
  end)

  it("makes no further answers for a peer that takes nothing", function()
    for _, path in ipairs { "/large", "/stream" } do
      local c = world:connect():give(get(path):rep(100))
      c.room = 10
      world:settle()
      assert.are.equal(1, C.jh_generation_in_flight(world.generation)
        + (path == "/large" and 1 or 0))
      c.room = nil
      world:settle()
      assert.are.equal(100, #answers(c.output))
    end
  end)

  it("takes a whole body that nobody wants although its answer is stuck", function()
    local c = world:connect():give(post("/large", ("y"):rep(200000)) .. get "/g")
    c.room = 0
    world:settle()
    assert.are.equal(0, #c.input)
    c.room = nil
    world:settle()
    assert.are.equal("200 /g", answers(c.output)[2])
  end)

  it("throws away chunks that nobody wants, within bounds", function()
    local c = world:connect():give(chunked("/g", ("y"):rep(200000), 6000) .. get "/h"):give_end()
    world:settle()
    same_answers({ "200 /g", "200 /h" }, c, "chunks")
    c = world:connect():give(chunked("/g", ("y"):rep(600000), 6000) .. get "/h"):give_end()
    world:settle()
    same_answers({ "200 /g" }, c, "too many chunks")
    assert.truthy(c.output:find("Connection: close", 1, true))
    c = world:connect():give(chunked("/g", "", 1):gsub("0\r\n\r\n$", "") ..
      ("1770\r\n" .. ("y"):rep(6000) .. "\r\n"):rep(5) .. "zz\r\n")
    c:give_end()
    world:settle()
    assert.are.equal("200 /g", answers(c.output)[1])
    assert.is_true(c.is_closed)
  end)

  it("says close when the end of chunks that nobody wants has not come", function()
    local bytes = chunked("/g", ("y"):rep(40000), 6000)
    local c = world:connect():give(bytes:sub(1, -10))
    world:settle()
    same_answers({ "200 /g" }, c, "without their end")
    assert.truthy(c.output:find("Connection: close", 1, true))
    assert.is_true(c.is_shut)
    c:give(bytes:sub(-9) .. get "/h"):give_end()
    world:settle()
    same_answers({ "200 /g" }, c, "what comes late")
    assert.is_true(c.is_closed)
  end)

  it("does not say close while chunks may be read behind the head of the answer", function()
    local bytes = chunked("/duplex", ("y"):rep(40000), 6000)
    local c = world:connect():give(bytes:sub(1, 30000))
    world:settle()
    assert.falsy(c.output:find("Connection: close", 1, true))
    c:give(bytes:sub(30001) .. get "/h")
    world:settle()
    same_answers({ "200 40000", "200 /h" }, c, "duplex")
  end)

  it("sends what is queued before it gives up an exchange without an answer", function()
    local c = world:connect():give(get "/a" .. get "/b" .. get "/release" .. get "/c")
    world:settle()
    same_answers({ "200 /a", "200 /b" }, c, "released")
    assert.is_true(c.is_closed)
  end)

  it("reads the body for one task at a time", function()
    local codes = {}
    function world.on_request(ctx)
      local function wake(code) codes[#codes + 1] = code end
      codes[1] = tonumber(C.jh_ctx_read(ctx, scratch, 100, world:wait(wake)))
      codes[2] = tonumber(C.jh_ctx_read(ctx, scratch, 100, world:wait(wake)))
      held[1] = ctx
    end
    local c = world:connect():give(post("/x", BODY):sub(1, 70))
    world:settle()
    -- What had come with the head is read first.
    assert.is_true(codes[1] > 0)
    assert.are.equal(C.JH_EWAIT, codes[2])
    assert.are.equal(C.JH_EBUSY, tonumber(C.jh_ctx_read(held[1], scratch, 100, world:wait(print))))
    c:give "more"
    assert.is_true(c:turn())
    assert.are.equal(C.JH_EBUSY, tonumber(C.jh_ctx_read(held[1], scratch, 100, world:wait(print))))
    world:settle()
    assert.are.equal(0, codes[3])
    assert.are.equal(4, tonumber(C.jh_ctx_read(held[1], scratch, 100, 99)))
    respond(held[1], "done")
    world:settle()
    assert.are.equal("200 done", answers(c.output)[1])
  end)

  it("does not detach an exchange whose streamed answer has begun", function()
    function world.on_request(ctx)
      C.jh_ctx_start(ctx, 200, C.JH_TYPE_TEXT, -1)
      assert.is_true(C.jh_ctx_detach(ctx, ffi.new "uint32_t[1]") == nil)
      C.jh_ctx_end(ctx, "", 0)
    end
    local c = world:connect():give(get "/")
    world:settle()
    same_answers({ "200" }, c, "streamed")
  end)

  it("finds the next request behind a body that was on its way when it was detached", function()
    local body = ("GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"):rep(1500)
    for _, bytes in ipairs { post("/detach", body), chunked("/detach", body, 4000) } do
      for _, size in ipairs { 300, 17000, 60000 } do
        local all, c = bytes .. get "/next", world:connect()
        for at = 1, #all, size do c:give(all:sub(at, at + size - 1)) end
        world:settle()
        same_answers({ "200 detached", "200 /next" }, c, "in pieces of " .. size)
      end
    end
  end)

  it("keeps the input of a shadow, with requests behind it and after its end", function()
    local shadow
    function world.on_request(ctx)
      if field(ctx, C.JH_FIELD_PATH) ~= "/shadow" then
        respond(ctx, "behind")
        return
      end
      shadow = ctx
      respond(C.jh_ctx_detach(ctx, ffi.new "uint32_t[1]"), "fresh")
    end
    local c = world:connect():give(post("/shadow", "its body") .. get "/x" .. get "/y")
    world:settle()
    same_answers({ "200 fresh", "200 behind", "200 behind" }, c, "detached")
    c:give_end()
    world:settle()
    assert.are.equal("its body", field(shadow, C.JH_FIELD_BODY))
    assert.are.equal(C.JH_ECLOSED, respond(shadow, "into the void"))
    assert.are.equal(C.JH_ESTALE, respond(shadow, "again"))
  end)

  it("survives its end and a reset at every byte", function()
    local bytes = conversation .. post("/echo", BODY) .. get "/stream" .. get "/large"
    for at = 1, #bytes, 1 do
      if at < #conversation + 200 or at % 331 == 0 then
        for _, how in ipairs { 0, sim.ECONNRESET } do
          local c = world:connect():give(bytes:sub(1, at), how)
          world:settle()
          assert.is_true(c.is_closed, "at " .. at)
        end
      end
    end
    assert.are.equal(0, C.jh_generation_in_flight(world.generation))
    assert.are.equal(0, C.jh_generation_connections(world.generation))
  end)

  it("survives a failing write, whatever is written", function()
    for allowed = 0, 12 do
      local c = world:connect():give(conversation, post("/echo", BODY), get "/stream", get "/large")
      for _ = 1, allowed do world:turn() end
      c.write_error = sim.EPIPE
      c:give(get "/a")
      world:settle()
      if not c.is_closed then
        c:give_end()
        world:settle()
      end
      assert.is_true(c.is_closed)
    end
    assert.are.equal(0, C.jh_generation_in_flight(world.generation))
  end)

  it("survives the end of its client while a handler works, reads and writes", function()
    for _, bytes in ipairs { get "/held", get "/held" .. get "/a", post("/held", BODY) } do
      for _, how in ipairs { 0, sim.ECONNRESET } do
        local c = world:connect():give(bytes, how)
        world:settle()
        assert.are.equal(1, #held)
        assert.are.equal("/held", field(held[1], C.JH_FIELD_PATH))
        respond(table.remove(held), "who is there")
        world:settle()
        if not c.is_closed then
          c:give_end()
          world:settle()
        end
        assert.is_true(c.is_closed)
      end
    end
  end)
end)

describe("a connection without memory", function()
  it("fails alone and gives everything back", function()
    local bytes = get "/a" .. post("/echo", "b") .. chunked("/echo", ("c"):rep(30000), 7000)
      .. get "/stream" .. get "/hints" .. get "/detach" .. get "/large" .. get "/a%20b"
    local runs = alloc.fail_each(function()
      local world = sim.open()
      app(world)
      local on_request = world.on_request
      function world.on_request(ctx)
        C.jh_ctx_set_header(ctx, "X-A", 3, "b", 1, false)
        return on_request(ctx)
      end
      local c = world:connect()
      if c then
        c.room = 50000
        c:give(bytes)
        world:settle()
        c.room = nil
        c:give_end()
        world:settle()
        assert(c.is_closed, "it is still open")
      end
      assert(C.jh_generation_in_flight(world.generation) == 0, "something is in flight")
      world:close()
    end)
    assert.is_true(runs > 10)
  end)
end)
