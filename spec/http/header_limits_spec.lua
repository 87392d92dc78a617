-- header_limits_spec.lua: heads are bounded in bytes, in fields and in the length of their target,
-- and what is just inside the bounds is served.
local server = require "spec.support.server"

describe("header limits", function()
  local s

  setup(function()
    s = server.start {
      code = [[return function(ctx) return #ctx.url .. " " ..
        (ctx.headers["x-last"] or "none") end]],
      options = { max_header_bytes = 20000, max_header_count = 50, max_target_bytes = 3000 },
    }
  end)
  teardown(function() s:stop() end)

  -- The request is refused with `status`, and not later than it must be.
  local function refused(status, bytes)
    local c = s:connect()
    c:try_send(bytes)
    local r = c:response()
    assert.are.equal(status, r.status)
    assert.are.equal("close", r.headers.connection)
    c:expect_closed()
    c:close()
  end

  local function served(want, bytes)
    local c = s:connect():send(bytes)
    local r = c:response()
    assert.are.equal(200, r.status)
    assert.are.equal(want, r.body)
    c:close()
  end

  local function get(target, fields)
    return "GET " .. target .. " HTTP/1.1\r\nHost: a\r\n" .. (fields or "") .. "\r\n"
  end

  it("bound the target: 414", function()
    served("3000 none", get("/" .. ("a"):rep(2999)))
    refused(414, get("/" .. ("a"):rep(3000)))
    refused(414, "GET /" .. ("a"):rep(30000))
  end)

  it("bound the number of fields: 431", function()
    local fields = ("X: y\r\n"):rep(48) .. "X-Last: yes\r\n"
    served("1 yes", get("/", fields))
    refused(431, get("/", fields .. "X: y\r\n"))
  end)

  it("bound the size of the head: 431", function()
    local before = #get("/", "X: \r\n")
    served("1 none", get("/", "X: " .. ("b"):rep(20000 - before) .. "\r\n"))
    refused(431, get("/", "X: " .. ("b"):rep(20001 - before) .. "\r\n"))
    refused(431, get("/", "X: " .. ("b"):rep(100000)))
    refused(431, get("/", ("X: " .. ("b"):rep(1000) .. "\r\n"):rep(40)))
  end)

  it("hold for heads that come in pieces", function()
    local bytes = get("/", "X-Last: yes\r\nX: " .. ("b"):rep(15000) .. "\r\n")
    local c = s:connect():send_slowly(bytes, { bytes = 1000 })
    assert.are.equal("1 yes", c:response().body)
    c:close()
  end)

  it("hold for the second request of a connection", function()
    local c = s:connect():send(get "/")
    assert.are.equal(200, c:response().status)
    c:try_send(get("/" .. ("a"):rep(3000)))
    assert.are.equal(414, c:response().status)
    c:expect_closed()
    c:close()
  end)
end)
