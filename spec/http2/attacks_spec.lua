-- attacks_spec.lua: HTTP/2 clients that mean harm: floods, bombs, tiny windows. Each is sent away
-- or costs a bounded amount of memory, and the others are served as ever.
local http2 = require "spec.support.http2"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local frame, number = http2.frame, http2.number

local APP = [[
  local http = require "justhttp"
  local app = http.app()
  local calls = 0
  app:get("/", function() calls = calls + 1 return "hello" end)
  app:get("/calls", function() return tostring(calls) end)
  app:get("/big", function() return ("x"):rep(4000000) end)
  app:get("/endless", function(ctx)
    ctx:stream(function(out)
      local piece = ("x"):rep(16384)
      while true do out:write(piece) end
    end)
  end)
  app:post("/slow", function(ctx) http.sleep(30) return "late" end)
  return app
]]

describe("an attacker over HTTP/2", function()
  local s

  setup(function()
    s = server.start { code = APP, workers = 1, options = { write_timeout_ms = 700,
      header_timeout_ms = 700, body_timeout_ms = 700, keepalive_timeout_ms = 60000 } }
  end)
  teardown(function() s:stop() end)

  -- Bytes of memory the worker has.
  local function resident()
    local pages = sys.read_file(("/proc/%d/statm"):format(s:workers()[1])):match "%d+ (%d+)"
    return tonumber(pages) * 4096
  end

  local function serves()
    local c = http2.connect(s)
    assert.are.equal("hello", c:request {}.body)
    c:close()
  end

  -- What the server does within this must not grow its memory by more. Sanitizers keep what is
  -- freed.
  local function costs_less_than(bytes, attack)
    local before = resident()
    attack()
    if not server.build:find "asan" then
      local grown = resident() - before
      assert.is_true(grown < bytes, ("%d bytes more"):format(grown))
    end
    serves()
  end

  -- Sends the bytes again and again until the server has had enough; how many times.
  local function flood(c, bytes, times)
    for i = 1, times do
      if not c:try_send(bytes) then return i end
    end
    return times
  end

  -- The connection is ended, and with that code when the client still gets to read it.
  local function sent_away(c, code)
    local said = c:wait_goaway()
    assert.is_true(said == nil or said == code, "GOAWAY " .. tostring(said))
    c:wait_end()
    c:close()
    serves()
  end

  local HEAD = http2.block(http2.fields_of {})

  local function get_and_reset(from, count)
    local out = {}
    for i = 0, count - 1 do
      local id = from + 2 * i
      out[#out + 1] = frame(http2.HEADERS, 5, id, HEAD)
        .. frame(http2.RST_STREAM, 0, id, number(http2.CANCEL, 4))
    end
    return table.concat(out)
  end

  it("who resets what it asks for at once is sent away", function()
    local c = http2.connect(s)
    local before = tonumber(http2.connect(s):request { path = "/calls" }.body)
    for i = 0, 99 do
      if not c:try_send(get_and_reset(1 + 200 * i, 100)) then break end
    end
    sent_away(c, http2.ENHANCE_YOUR_CALM)
    -- What was reset in the same breath never reached a handler.
    local calls = tonumber(http2.connect(s):request { path = "/calls" }.body) - before
    assert.is_true(calls < 1100, calls .. " handlers ran")
  end)

  it("may reset some hundred", function()
    local c = http2.connect(s)
    c:send(get_and_reset(1, 400))
    c.last_id = 801
    assert.are.equal("hello", c:request {}.body)
    c:close()
  end)

  for name, bytes in pairs {
    SETTINGS = frame(http2.SETTINGS, 0, 0, number(3, 2) .. number(100, 4)),
    ["empty SETTINGS"] = frame(http2.SETTINGS, 0, 0),
    PING = frame(http2.PING, 0, 0, ("p"):rep(8)),
    PRIORITY = frame(http2.PRIORITY, 0, 7, number(3, 4) .. "\1"),
    PRIORITY_UPDATE = frame(http2.PRIORITY_UPDATE, 0, 0, number(1, 4) .. "u=1"),
    WINDOW_UPDATE = frame(http2.WINDOW_UPDATE, 0, 0, number(1, 4)),
  } do
    it("who floods with " .. name .. " is sent away", function()
      costs_less_than(8000000, function()
        local c = http2.connect(s, { is_passive = true })
        flood(c, bytes:rep(100), 1000)
        sent_away(c, http2.ENHANCE_YOUR_CALM)
      end)
    end)
  end

  it("who floods with empty DATA is sent away", function()
    local c = http2.connect(s)
    local id = c:open { method = "POST", path = "/slow", ends = false }
    flood(c, frame(http2.DATA, 0, id):rep(100), 1000)
    sent_away(c, http2.ENHANCE_YOUR_CALM)
  end)

  it("who never ends its fields is sent away", function()
    costs_less_than(8000000, function()
      local c = http2.connect(s)
      c:frame(http2.HEADERS, 1, 1, HEAD)
      flood(c, frame(http2.CONTINUATION, 0, 1, http2.block { { "x-a", ("a"):rep(1000) } }), 100000)
      sent_away(c, http2.ENHANCE_YOUR_CALM)
    end)
  end)

  it("who never ends its fields with frames of nothing is sent away", function()
    local c = http2.connect(s)
    c:frame(http2.HEADERS, 1, 1, HEAD)
    flood(c, frame(http2.CONTINUATION, 0, 1):rep(100), 10000)
    sent_away(c, http2.ENHANCE_YOUR_CALM)
  end)

  -- A field of 4,000 bytes goes into the table of the server, and each further byte asks for it.
  local function bomb(count)
    local name, value = "x-bomb", ("b"):rep(4000)
    return HEAD .. "\64" .. http2.integer(#name, 7, 0) .. name .. http2.integer(#value, 7, 0)
      .. value .. ("\190"):rep(count)
  end

  it("a small bomb of compressed fields is refused with 431", function()
    local c = http2.connect(s)
    c:frame(http2.HEADERS, 5, 1, bomb(20))
    c.last_id = 1
    assert.are.equal(431, c:response(1).status)
    assert.are.equal("hello", c:request {}.body)
    c:close()
  end)

  it("a large one ends its stream, and many end the connection", function()
    costs_less_than(8000000, function()
      local c = http2.connect(s)
      c:frame(http2.HEADERS, 5, 1, bomb(12000))
      assert.is_truthy(c:response(1).reset)
      c.last_id = 1
      assert.are.equal("hello", c:request {}.body)
      for i = 2, 100 do
        local block = HEAD .. ("\190"):rep(16000)
        if not c:try_send(frame(http2.HEADERS, 5, 2 * i + 1, block)) then break end
      end
      sent_away(c, http2.ENHANCE_YOUR_CALM)
    end)
  end)

  it("who opens no window waits, and is reset in time", function()
    local before = resident()
    local c = http2.connect(s, { settings = { [4] = 0 } })
    local ids = {}
    for i = 1, 20 do ids[i] = c:open { path = "/endless" } end
    for _, id in ipairs(ids) do
      assert.are.equal(200, c:wait_head(id).status)
    end
    for _, id in ipairs(ids) do
      local r = c:response(id)
      assert.are.equal(http2.CANCEL, r.reset)
      assert.are.equal("", r.body)
    end
    if not server.build:find "asan" then assert.is_true(resident() - before < 20000000) end
    c:close()
    serves()
  end)

  it("who opens the window byte by byte is sent away or reset", function()
    local c = http2.connect(s, { settings = { [4] = 1 }, is_passive = true })
    local id = c:open { path = "/big" }
    local update = frame(http2.WINDOW_UPDATE, 0, id, number(1, 4))
    flood(c, update:rep(50), 200)
    sent_away(c, http2.ENHANCE_YOUR_CALM)
  end)

  it("who does not read costs little and is cut off", function()
    costs_less_than(25000000, function()
      local c = http2.connect({ host = s.host, port = s.port, receive_bytes = 4096 },
        { settings = { [4] = 2 ^ 31 - 1 }, window = 2 ^ 31 - 1 - 65535 })
      for _ = 1, 5 do c:open { path = "/endless" } end
      local ping = frame(http2.PING, 0, 0, ("p"):rep(8))
      wait_for(function() return not c:try_send(ping) end, 5, "the end")
      c:close()
    end)
  end)

  it("who asks for more streams than allowed has them refused", function()
    local c = http2.connect(s)
    local ids = {}
    for i = 1, 300 do ids[i] = c:open { method = "POST", path = "/slow", ends = false } end
    local refused = 0
    for i = 129, 300 do
      local r = c:response(ids[i])
      refused = refused + (r.reset == http2.REFUSED_STREAM and 1 or 0)
    end
    assert.are.equal(172, refused)
    c:close()
    serves()
  end)

  it("whose bodies nobody reads fills its windows and no more", function()
    costs_less_than(12000000, function()
      local c = http2.connect(s, { is_passive = true })
      local piece = ("x"):rep(16384)
      local ids = {}
      for i = 1, 10 do
        ids[i] = c:open { method = "POST", path = "/slow", ends = false,
          headers = { ["content-length"] = 900000 } }
      end
      -- The answer to the first one may come in front of the windows.
      c:ping()
      c:ping()
      local sent = 0
      for _, id in ipairs(ids) do
        local stream = c:stream(id)
        while stream.send_window >= #piece and c.send_window >= #piece do
          stream.send_window, c.send_window = stream.send_window - #piece, c.send_window - #piece
          sent = sent + #piece
          c:frame(http2.DATA, 0, id, piece)
        end
      end
      c:ping()
      assert.is_true(sent <= 1048576 and sent > 900000, tostring(sent))
      c:close()
    end)
  end)

  it("who overruns a window is refused", function()
    local c = http2.connect(s, { is_passive = true })
    local id = c:open { method = "POST", path = "/slow", ends = false }
    flood(c, frame(http2.DATA, 0, id, ("x"):rep(16384)), 100)
    assert.are.equal(http2.FLOW_CONTROL_ERROR, c:response(id).reset)
    assert.are.equal("hello", c:request {}.body)
    c:close()
  end)

  it("who overflows a window is refused", function()
    local c = http2.connect(s)
    c:frame(http2.WINDOW_UPDATE, 0, 0, number(2 ^ 31 - 1, 4))
    sent_away(c, http2.FLOW_CONTROL_ERROR)
  end)

  it("may use the last stream, and none after it", function()
    local c = http2.connect(s)
    c.last_id = 2 ^ 31 - 3
    assert.are.equal("hello", c:request {}.body)
    c:frame(http2.HEADERS, 5, 1, HEAD)
    c:ping()
    assert.is_nil(c:stream(1).status)
    c:close()
  end)

  it("who stops in the middle of its fields is not waited for", function()
    local c = http2.connect(s)
    c:ping()
    c:frame(http2.HEADERS, 1, 1, HEAD)
    local start = sys.now()
    c:wait_end()
    assert.is_true(sys.now() - start < 4 * sys.patience)
    serves()
  end)

  it("who trickles in its fields is not waited for", function()
    local c = http2.connect(s)
    c:ping()
    c:frame(http2.HEADERS, 1, 1, HEAD)
    local start = sys.now()
    while sys.now() - start < 5 * sys.patience do
      sys.sleep(0.05)
      local block = http2.block { { "x", "y" } }
      if not c:try_send(frame(http2.CONTINUATION, 0, 1, block)) then break end
    end
    assert.is_true(sys.now() - start < 4 * sys.patience)
    serves()
  end)

  it("who stops in the middle of the preface is not waited for", function()
    local c = require "spec.support.wire".connect(s)
    c:send(http2.PREFACE:sub(1, 20))
    c:read_all()
    c:close()
    serves()
  end)

  it("who stops in the middle of a small body gets 408", function()
    local c = http2.connect(s)
    local id = c:open { method = "POST", path = "/slow", ends = false }
    c:data(id, "some", false)
    assert.are.equal(408, c:response(id).status)
    assert.are.equal("hello", c:request {}.body)
    c:close()
  end)

  it("who sends what is no HTTP/2 is cut off", function()
    for _, bytes in ipairs {
      http2.PREFACE:sub(1, 3) .. "X", http2.PREFACE .. ("\255"):rep(100),
      http2.PREFACE .. frame(http2.PING, 0, 0, "12345678"),
      http2.PREFACE .. frame(http2.SETTINGS, 0, 0) .. frame(http2.HEADERS, 5, 2, HEAD),
      http2.PREFACE .. frame(http2.SETTINGS, 0, 0) .. frame(http2.HEADERS, 5, 1, "\255\255\255"),
      http2.PREFACE .. frame(http2.SETTINGS, 0, 0) .. frame(http2.PUSH_PROMISE, 4, 1, HEAD),
      http2.PREFACE .. frame(http2.SETTINGS, 0, 0) .. frame(http2.DATA, 0, 1, "x"),
      http2.PREFACE .. frame(http2.SETTINGS, 0, 0, "odd"),
    } do
      local c = require "spec.support.wire".connect(s)
      c:send(bytes)
      c:read_all()
      c:close()
      serves()
    end
    assert.are.equal(1, #s:workers())
  end)
end)

