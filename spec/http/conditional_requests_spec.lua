-- conditional_requests_spec.lua: preconditions on files, in the order of RFC 9110 §13.2.2.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local LATER, EARLIER = "Fri, 31 Dec 2100 23:59:59 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"

describe("a precondition on a file", function()
  local s, etag, modified

  setup(function()
    s = server.start { files = { ["app.lua"] = [[
      local http = require "justhttp"
      local app = http.app()
      app:static("/", "public")
      app:get("/vary", function(ctx) ctx:set("Vary", "Cookie") return ctx:file("public/a.txt") end)
      return app ]], ["public/a.txt"] = "text", ["public/b.txt"] = "other" } }
    sys.write_file(s.dir .. "/app/public/large.bin", ("x"):rep(200000))
    local r = s:get "/a.txt"
    etag, modified = r.headers.etag, r.headers["last-modified"]
  end)
  teardown(function() s:stop() end)

  local function status(headers, method, path)
    return s:request({ path = path or "/a.txt", method = method, headers = headers }).status
  end

  it("spares the body of what the client has", function()
    for _, headers in ipairs {
      { ["If-None-Match"] = etag }, { ["If-None-Match"] = "W/" .. etag }, {
        ["If-None-Match"] = "*" },
      { ["If-None-Match"] = '"x", ' .. etag .. ', "y"' }, { ["If-Modified-Since"] = modified },
      { ["If-Modified-Since"] = LATER }, { ["if-none-match"] = etag,
        ["If-Modified-Since"] = EARLIER },
      { { "If-None-Match", '"x"' }, { "If-None-Match", etag } },
      { ["If-None-Match"] = etag, Range = "bytes=0-1" },
    } do
      for _, method in ipairs { "GET", "HEAD" } do
        local r = s:request { path = "/a.txt", method = method, headers = headers }
        assert.equal(304, r.status)
        assert.equal(etag, r.headers.etag)
        assert.equal("no-cache", r.headers["cache-control"])
        assert.equal(modified, r.headers["last-modified"])
        assert.is_nil(r.headers["content-length"])
        assert.is_nil(r.headers["content-type"])
      end
    end
    assert.equal(304, status({ ["If-None-Match"] = "*" }, "GET", "/large.bin"))
  end)

  it("sends the body of what the client does not have", function()
    for _, headers in ipairs {
      { ["If-None-Match"] = '"x"' }, { ["If-None-Match"] = "x" }, {
        ["If-Modified-Since"] = EARLIER },
      { ["If-Modified-Since"] = "yesterday" }, { ["If-None-Match"] = '"x"',
        ["If-Modified-Since"] = LATER },
    } do
      local r = s:get("/a.txt", headers)
      assert.equal(200, r.status)
      assert.equal("text", r.body)
    end
  end)

  it("fails for another state of the file", function()
    for _, headers in ipairs {
      { ["If-Match"] = '"x"' }, { ["If-Match"] = "W/" .. etag }, {
        ["If-Unmodified-Since"] = EARLIER },
      { ["If-Match"] = '"x"', ["If-None-Match"] = etag },
    } do
      assert.equal(412, status(headers))
      assert.equal(412, status(headers, "HEAD"))
    end
    for _, headers in ipairs {
      { ["If-Match"] = etag }, { ["If-Match"] = "*" }, { ["If-Unmodified-Since"] = LATER },
      { ["If-Match"] = etag, ["If-Unmodified-Since"] = EARLIER }, { ["If-Unmodified-Since"] = "x" },
    } do assert.equal(200, status(headers)) end
  end)

  it("does not matter where there is no file", function()
    assert.equal(404, status({ ["If-None-Match"] = "*" }, "GET", "/missing"))
    assert.equal(404, status({ ["If-Match"] = "*" }, "GET", "/missing"))
  end)

  it("is told by names, sizes and times apart", function()
    assert.are_not.equal(etag, s:get("/b.txt").headers.etag)
    local seen, path = {}, s.dir .. "/app/public/c.txt"
    for i = 1, 20 do
      sys.write_file(path, ("%02d"):format(i))
      local r = s:get "/c.txt"
      assert.is_nil(seen[r.headers.etag])
      seen[r.headers.etag] = true
      assert.equal(304, status({ ["If-None-Match"] = r.headers.etag }, "GET", "/c.txt"))
    end
  end)

  it("keeps what other headers a 304 needs", function()
    assert.equal("Cookie", s:get("/vary", { ["If-None-Match"] = "*" }).headers.vary)
  end)

  it("leaves the connection in step", function()
    local c = s:connect()
    for _ = 1, 5 do
      assert.equal(304, c:request({ path = "/a.txt", headers = {
        ["If-None-Match"] = etag } }).status)
      assert.equal("text", c:request({ path = "/a.txt" }).body)
    end
    c:close()
  end)
end)
