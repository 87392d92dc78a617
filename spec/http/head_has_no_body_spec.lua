-- head_has_no_body_spec.lua: HEAD gets the head GET would get, and statuses without a body have
-- none.
local server = require "spec.support.server"

describe("a response without a body", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/small", function(ctx) ctx:set("X-Method", ctx.method) return "hello" end)
      app:get("/large", function(ctx) return ("x"):rep(200000) end)
      app:get("/json", function(ctx) return { a = 1 } end)
      app:get("/fail", function(ctx) error "on purpose" end)
      app:get("/status/:status", function(ctx)
        return tonumber(ctx.params.status), "no body here"
      end)
      app:head("/own", function(ctx) ctx:set("X-Own", "yes") return "counted, not sent" end)
      return app ]], options = { log_level = "off" } }
  end)
  teardown(function() s:stop() end)

  -- Both responses on one connection: a stray body would be taken for the next head.
  local function head_then_get(path)
    local c = s:connect()
    c:send("HEAD " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n"
      .. "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n")
    local head = c:response { method = "HEAD" }
    local get = c:response()
    c:close()
    return head, get
  end

  it("is the answer to HEAD, with the length GET has", function()
    for _, path in ipairs { "/small", "/large", "/json", "/missing" } do
      local head, get = head_then_get(path)
      assert.are.equal(get.status, head.status)
      assert.are.equal(tostring(#get.body), head.headers["content-length"])
      assert.are.equal(get.headers["content-type"], head.headers["content-type"])
      assert.is_true(#get.body > 0)
    end
    assert.are.equal("HEAD", (head_then_get "/small").headers["x-method"])
  end)

  it("is the answer to HEAD when the handler fails", function()
    local head, get = head_then_get "/fail"
    assert.are.equal(500, head.status)
    assert.are.equal(500, get.status)
  end)

  it("is the answer to HEAD from a handler of its own", function()
    local r = s:request { method = "HEAD", path = "/own" }
    assert.are.equal("yes", r.headers["x-own"])
    assert.are.equal("17", r.headers["content-length"])
    assert.are.equal(405, s:get("/own").status)
  end)

  it("has no length and no type when its status is 204 or 304", function()
    for _, status in ipairs { 204, 304 } do
      local c = s:connect()
      c:send("GET /status/" .. status .. " HTTP/1.1\r\nHost: a\r\n\r\n"
        .. "GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
      local r = c:response()
      assert.are.equal(status, r.status)
      assert.is_nil(r.headers["content-length"])
      assert.is_nil(r.headers["transfer-encoding"])
      assert.is_nil(r.headers["content-type"])
      assert.are.equal("hello", c:response().body)
      c:close()
    end
  end)

  it("still has a length of 0 when the body is merely empty", function()
    local r = s:get "/status/200"
    assert.are.equal("12", r.headers["content-length"])
  end)
end)
