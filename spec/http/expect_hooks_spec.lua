-- expect_hooks_spec.lua: what a client that waits for 100 Continue is told, and by whom.
local server = require "spec.support.server"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local on_expect = http.middleware.on_expect
app:use(function(ctx, next)
  next()
  ctx:set("X-Seen", ctx.status)
end)
local function count(ctx) return tostring(#ctx.body) end
app:post("/plain", count)
app:post("/unread", function() return "unread" end)
app:post("/now", on_expect(function() return 100 end), function(ctx)
  http.sleep(0.2)
  return count(ctx)
end)
app:post("/decide", on_expect(function(ctx)
  local wish = ctx.headers["x-wish"]
  if wish == "417" then return false end
  if wish == "text" then return 409, "no room" end
  if wish == "error" then return ctx:error(401, "who?") end
  return tonumber(wish)
end), count)
app:post("/hook", http.middleware.on_headers(function(ctx)
  if ctx.headers["x-wish"] then return 403, "refused" end
end), count)
app:group("/scope", function(scope)
  scope:on_expect(function() return false end)
  scope:post("/a", count)
end)
app:get("/", function() return "here" end)
return app
]]

local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

describe("Expect: 100-continue", function()
  local s

  setup(function() s = server.start { code = CODE, options = { log_level = "off" } } end)
  teardown(function() s:stop() end)

  local function head(path, fields, length)
    return ("POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n%sContent-Length: %d\r\n\r\n")
      :format(path, fields or "", length or 5)
  end

  local function wish(name) return "X-Wish: " .. name .. "\r\n" end

  it("is answered when the body is read", function()
    for _, path in ipairs { "/plain", "/decide", "/hook" } do
      local c = s:connect():send(head(path))
      assert.are.equal(100, c:response({ interim = true }).status)
      c:send("xxxxx" .. GET)
      assert.are.equal("5", c:response().body)
      assert.are.equal("here", c:response().body)
      c:close()
    end
  end)

  it("is answered at once when the hook says 100, and only once", function()
    local c = s:connect():send(head "/now")
    c.patience = 0.1
    assert.are.equal(100, c:response({ interim = true }).status)
    c:send "xxxxx"
    c.patience = 5
    local r = c:response()
    assert.are.same({ "5", 0 }, { r.body, #r.interim })
    c:close()
  end)

  -- A final answer instead of 100, and the end of the connection.
  local function refuses(path, fields, status, body)
    for _, length in ipairs { 5, 100000 } do
      local c = s:connect():send(head(path, fields, length))
      local r = c:response()
      assert.are.same({ status, 0, "close", tostring(status) },
        { r.status, #r.interim, r.headers.connection, r.headers["x-seen"] })
      if body then assert.are.equal(body, r.body) end
      c:expect_closed()
      c:close()
    end
  end

  it("is refused by the hook, without the handler", function()
    refuses("/decide", wish "417", 417, "Expectation Failed\n")
    refuses("/decide", wish "403", 403, "Forbidden\n")
    refuses("/decide", wish "text", 409, "no room")
    refuses("/decide", wish "error", 401, "who?\n")
    refuses("/scope/a", nil, 417)
  end)

  it("is refused by whatever answers without reading", function()
    refuses("/unread", nil, 200, "unread")
    refuses("/hook", wish "1", 403, "refused")
    refuses("/nowhere", nil, 404)
  end)

  it("does not ask about a body above the limit", function()
    local c = s:connect():send(head("/decide", wish "100", 2000000))
    assert.are.equal(413, c:response().status)
    c:expect_closed()
    c:close()
  end)

  it("is not waited for when the body comes with the head", function()
    for _, path in ipairs { "/plain", "/decide", "/now" } do
      local c = s:connect():send(head(path, wish "417") .. "xxxxx" .. GET)
      local r = c:response()
      assert.are.same({ "5", 0 }, { r.body, #r.interim })
      assert.are.equal("here", c:response().body)
      c:close()
    end
  end)

  it("is nothing that HTTP/1.0 knows", function()
    local c = s:connect()
    c:send("POST /decide HTTP/1.0\r\nExpect: 100-continue\r\nX-Wish: 417\r\nContent-Length: 2\r\n"
      .. "\r\nab")
    assert.are.equal("2", c:response().body)
    c:close()
  end)
end)
