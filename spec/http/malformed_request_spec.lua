-- malformed_request_spec.lua: what is no request gets one clear answer and the connection closes,
-- whether it comes at once or byte by byte, and valid requests before it are answered.
local server = require "spec.support.server"

local GOOD = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n"

local cases = {
  { 400, "a TLS handshake", "\22\3\1\0\165\1\0\0\161\3\3" },
  { 400, "an HTTP/0.9 request", "GET /\r\n" },
  { 400, "a request line of one word", "GET\r\nHost: a\r\n\r\n" },
  { 400, "two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n" },
  { 400, "a space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a method that is no token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a lower-case protocol", "GET / http/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a version of one digit", "GET / HTTP/1\r\nHost: a\r\n\r\n" },
  { 400, "a version of three digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n" },
  { 400, "a target without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a target with a fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a target with a control byte", "GET /\1 HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a target that is not ASCII", "GET /\195\188 HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a target with userinfo", "GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "an asterisk that is not for OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a path with an encoded NUL", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a header without a colon", "GET / HTTP/1.1\r\nHost: a\r\nB\r\n\r\n" },
  { 400, "a header with a NUL", "GET / HTTP/1.1\r\nHost: a\r\nB: \0\r\n\r\n" },
  { 400, "a header name that is no token", "GET / HTTP/1.1\r\nHost: a\r\nB(: c\r\n\r\n" },
  { 400, "a folded header", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n d\r\n\r\n" },
  { 400, "a bare LF", "GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n" },
  { 400, "a bare CR", "GET / HTTP/1.1\r\nHost: a\rB: c\r\n\r\n" },
  { 400, "no Host", "GET / HTTP/1.1\r\n\r\n" },
  { 400, "an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n" },
  { 400, "a Host with a bad port", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n" },
  { 400, "a bad Content-Length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\n" },
  { 417, "an unknown expectation", "GET / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n" },
  { 501, "an unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 501, "a lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 505, "HTTP/2.0 in words", "GET / HTTP/2.0\r\nHost: a\r\n\r\n" },
  { 505, "HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n" },
}

describe("malformed request", function()
  local s

  setup(function()
    s = server.start { code = [[
      local count = 0
      return function(ctx)
        count = count + 1
        return ctx.path .. " " .. count
      end]] }
  end)
  teardown(function() s:stop() end)

  local function handled() return tonumber(s:get("/count").body:match("%d+")) end

  for _, case in ipairs(cases) do
    local status, name, bytes = unpack(case)
    it(("gets %d: %s"):format(status, name), function()
      local before = handled()
      for _, how in ipairs { "at once", "byte by byte" } do
        local c = s:connect()
        -- The answer may come, and the connection close, before the last byte is sent.
        local step = how == "at once" and #bytes or 1
        for at = 1, #bytes, step do
          if not c:try_send(bytes:sub(at, at + step - 1)) then break end
        end
        local r = c:response()
        assert.are.equal(status, r.status, how)
        assert.are.equal("close", r.headers.connection, how)
        assert.is_not_nil(r.headers["content-length"], how)
        c:expect_closed()
        c:close()
      end
      assert.are.equal(before + 1, handled())
    end)
  end

  it("does not harm the valid requests before it", function()
    local c = s:connect():send(GOOD .. GOOD .. "BAD\r\n" .. GOOD)
    assert.are.equal(200, c:response().status)
    assert.are.equal(200, c:response().status)
    assert.are.equal(400, c:response().status)
    c:expect_closed()
    c:close()
  end)

  it("is not an empty line before a request", function()
    local c = s:connect():send("\r\n" .. GOOD .. "\r\n" .. GOOD)
    assert.are.equal(200, c:response().status)
    assert.are.equal(200, c:response().status)
    c:close()
  end)
end)
