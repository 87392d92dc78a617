-- client_disconnect_mid_request_spec.lua: clients that leave at any point cost their own request
-- only, whose waiting handler ends; one that is merely done sending is answered where that is
-- allowed.
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

local CODE = [[
local http = require "justhttp"
local door = require "justhttp.door"
local app = http.app()
local state = { done = 0 }
app:get("/", function() return "here" end)
app:get("/wait", function(ctx)
  http.sleep(0.05)
  return ("late"):rep(10000)
end)
app:get("/leave", function(ctx)
  ctx:on_abort(function() state.aborted = (state.aborted or 0) + 1 end)
  -- The wait is over with the client; the request can still be read.
  pcall(http.sleep, 60)
  local path, agent = ctx.path, ctx.headers["x-agent"]
  ctx:set("X-Late", "yes")
  state.done = state.done + 1
  state.seen = path .. " " .. tostring(agent) .. " " .. tostring(ctx.ip)
  return "late"
end)
app:get("/aborted", function() return tostring(state.aborted) end)
app:post("/whole", function(ctx)
  pcall(http.sleep, 60)
  state.seen = ctx.body
  state.done = state.done + 1
  return ctx.body
end)
app:post("/body", function(ctx)
  local count, piece, err = 0, nil, nil
  repeat
    piece, err = ctx:read()
    count = count + #(piece or "")
  until not piece
  state.seen = count .. " " .. tostring(err)
  state.done = state.done + 1
  return state.seen
end)
app:get("/large", function() return ("x"):rep(5000000) end)
app:get("/done", function() return tostring(state.done) end)
app:get("/seen", function() return state.seen end)
app:get("/counts", function()
  return ("%d in flight, %d connections"):format(door.C.jh_generation_in_flight(door.generation),
    door.C.jh_generation_connections(door.generation))
end)
return app
]]

describe("a client that leaves", function()
  local s

  before_each(function() s = server.start { code = CODE, options = { max_body_bytes = "4m" } } end)

  -- Afterwards nothing is left of it: one request in flight, the one that asks.
  after_each(function()
    local counts
    pcall(wait_for, function()
      counts = s:get("/counts").body
      return counts == "1 in flight, 1 connections"
    end)
    assert.are.equal("1 in flight, 1 connections", counts)
    s:stop()
  end)

  local LEAVE = "GET /leave HTTP/1.1\r\nHost: a\r\nX-Agent: spec\r\n\r\n"

  local function done(count)
    wait_for(function() return s:get("/done").body == tostring(count) end, 5, "the handlers")
  end

  for _, how in ipairs { "close", "reset" } do
    it("while its handler waits, ends the wait: " .. how, function()
      local c = s:connect():send(LEAVE)
      s:get "/"
      c[how](c)
      done(1)
      assert.are.equal("/leave spec 127.0.0.1", s:get("/seen").body)
      assert.are.equal("1", s:get("/aborted").body)
    end)

    it("while its handler waits, with more requests in the pipeline: " .. how, function()
      local c = s:connect():send(LEAVE .. LEAVE .. LEAVE)
      s:get "/"
      c[how](c)
      wait_for(function() return tonumber(s:get("/done").body) >= 1 end)
    end)

    it("while its handler has its body: " .. how, function()
      local c = s:connect()
      c:send("POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
      s:get "/"
      c[how](c)
      done(1)
      assert.are.equal("hello", s:get("/seen").body)
    end)

    it("in the middle of a head: " .. how, function()
      local c = s:connect():send "GET / HTTP/1.1\r\nHo"
      s:get "/"
      c[how](c)
    end)

    it("in the middle of a small body: " .. how, function()
      local c = s:connect():send "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc"
      s:get "/"
      c[how](c)
    end)

    it("in the middle of a body that is read: " .. how, function()
      for _, framing in ipairs { "Content-Length: 1000000", "Transfer-Encoding: chunked" } do
        local before = tonumber(s:get("/done").body)
        local c = s:connect():send("POST /body HTTP/1.1\r\nHost: a\r\n" .. framing .. "\r\n\r\n")
        c:send("ffff0\r\n" .. ("x"):rep(300000))
        s:get "/"
        c[how](c)
        done(before + 1)
        assert.is_truthy(s:get("/seen").body:find("the client closed the connection", 1, true))
      end
    end)

    it("in the middle of a large response: " .. how, function()
      local c = s:connect { receive_bytes = 4096 }
      c:send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"):read(1000)
      c[how](c)
    end)

    it("before its answer is written: " .. how, function()
      local clients = {}
      for i = 1, 20 do clients[i] = s:connect():send "GET /large HTTP/1.1\r\nHost: a\r\n\r\n" end
      for _, c in ipairs(clients) do c[how](c) end
    end)
  end

  it("at once, again and again", function()
    for i = 1, 200 do
      local c = s:connect()
      if i % 2 == 0 then c:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n" end
      if i % 3 == 0 then c:reset() else c:close() end
    end
    assert.are.equal("here", s:get("/").body)
  end)
end)

describe("a client that is done sending", function()
  local s

  setup(function()
    s = server.start { code = CODE, options = { max_body_bytes = "4m", allow_half_close = true } }
  end)
  teardown(function() s:stop() end)

  local function get(path) return "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n" end

  it("still gets its answer", function()
    local c = s:connect():send(get "/"):half_close()
    assert.are.equal("here", c:response().body)
    c:expect_closed()
    c:close()
  end)

  it("still gets the answer of a handler that waits", function()
    local c = s:connect():send(get "/wait"):half_close()
    assert.are.equal(40000, #c:response().body)
    c:expect_closed()
    c:close()
  end)

  it("still gets all answers of its pipeline", function()
    local c = s:connect()
    c:send(get "/" .. get "/wait" .. get "/" .. get "/wait" .. get "/"):half_close()
    assert.are.same({ 4, 40000, 4, 40000, 4 }, (function()
      local sizes = {}
      for i, r in ipairs(c:responses(5)) do sizes[i] = #r.body end
      return sizes
    end)())
    c:expect_closed()
    c:close()
  end)

  it("still gets a large answer that it reads slowly", function()
    local c = s:connect { receive_bytes = 4096 }
    c:send(get "/large" .. get "/large"):half_close()
    assert.are.equal(5000000, #c:response().body)
    assert.are.equal(5000000, #c:response().body)
    c:expect_closed()
    c:close()
  end)

  it("gets no answer to a request it did not finish, and those before it", function()
    local c = s:connect():send(get "/" .. get "/wait" .. "GET /wait HT"):half_close()
    assert.are.equal("here", c:response().body)
    assert.are.equal(40000, #c:response().body)
    c:expect_closed()
    c:close()
    c = s:connect()
    c:send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"):half_close()
    c:expect_closed()
    c:close()
  end)

  it("in the middle of a body that is read gets 400 or the handler's own answer", function()
    local c = s:connect():send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\nabc")
    c:half_close()
    local r = c:response()
    assert.are.equal("3 the client closed the connection", r.body)
    c:expect_closed()
    c:close()
  end)
end)
