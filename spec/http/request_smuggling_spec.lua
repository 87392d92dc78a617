-- request_smuggling_spec.lua: no bytes of a request can pass for another request.
--
-- Every case is sent together with a second request behind (or inside) it, as an attacker would.
-- An ambiguous request is answered 400, its connection is closed, and neither it nor what follows
-- reaches a handler.
local server = require "spec.support.server"

local CODE = [[
local seen = {}
return function(ctx)
  if ctx.path == "/seen" then return table.concat(seen, "|") end
  seen[#seen + 1] = ctx.method .. " " .. ctx.path .. " " .. (ctx.body or "")
  return seen[#seen]
end
]]

local SECOND = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

local function post(fields, body)
  return "POST /first HTTP/1.1\r\nHost: a\r\n" .. fields .. "\r\n" .. (body or "") .. SECOND
end

local TE = "Transfer-Encoding: chunked\r\n"
local CHUNKS = "0\r\n\r\n"

-- What it is => the bytes.
local ambiguous = {
  ["Content-Length beside Transfer-Encoding"] = post("Content-Length: 5\r\n" .. TE, CHUNKS),
  ["Transfer-Encoding beside Content-Length"] = post(TE .. "Content-Length: 5\r\n", CHUNKS),
  ["Content-Length of zero beside Transfer-Encoding"] = post("Content-Length: 0\r\n" .. TE, CHUNKS),
  ["two Content-Lengths"] = post("Content-Length: 0\r\nContent-Length: 40\r\n"),
  ["two equal Content-Lengths"] = post("Content-Length: 0\r\nContent-Length: 0\r\n"),
  ["a list of Content-Lengths"] = post("Content-Length: 0, 0\r\n"),
  ["Content-Length with a sign"] = post("Content-Length: +0\r\n"),
  ["negative Content-Length"] = post("Content-Length: -1\r\n"),
  ["hexadecimal Content-Length"] = post("Content-Length: 0x0\r\n"),
  ["Content-Length with a space inside"] = post("Content-Length: 0 0\r\n"),
  ["empty Content-Length"] = post("Content-Length:\r\n"),
  ["Content-Length that overflows"] = post("Content-Length: 18446744073709551616\r\n"),
  ["space before the colon of Content-Length"] = post("Content-Length : 0\r\n"),
  ["tab before the colon of Transfer-Encoding"] = post("Transfer-Encoding\t: chunked\r\n", CHUNKS),
  ["Content-Length behind a space"] = post(" Content-Length: 0\r\n"),
  ["folded Transfer-Encoding"] = post("Transfer-Encoding:\r\n chunked\r\n", CHUNKS),
  ["Transfer-Encoding folded behind another field"] =
    post("A: b\r\n Transfer-Encoding: chunked\r\n", CHUNKS),
  ["Transfer-Encoding twice"] = post(TE .. TE, CHUNKS),
  ["Transfer-Encoding: chunked, then identity"] =
    post(TE .. "Transfer-Encoding: identity\r\n", CHUNKS),
  ["chunked twice in one list"] = post("Transfer-Encoding: chunked, chunked\r\n", CHUNKS),
  ["chunked that is not last"] = post("Transfer-Encoding: chunked, identity\r\n", CHUNKS),
  ["Transfer-Encoding: identity"] = post("Transfer-Encoding: identity\r\n"),
  ["Transfer-Encoding: xchunked"] = post("Transfer-Encoding: xchunked\r\n", CHUNKS),
  ["quoted chunked"] = post("Transfer-Encoding: \"chunked\"\r\n", CHUNKS),
  ["chunked behind a vertical tab"] = post("Transfer-Encoding: \11chunked\r\n", CHUNKS),
  ["chunked before a form feed"] = post("Transfer-Encoding: chunked\12\r\n", CHUNKS),
  ["chunked behind a NUL"] = post("Transfer-Encoding: \0chunked\r\n", CHUNKS),
  ["chunked before a bare CR"] = post("Transfer-Encoding: chunked\rX: y\r\n", CHUNKS),
  ["Transfer-Encoding behind a bare LF"] = post("A: b\nTransfer-Encoding: chunked\r\n", CHUNKS),
  ["Transfer-Encoding behind a bare CR"] = post("A: b\rTransfer-Encoding: chunked\r\n", CHUNKS),
  ["a field name that ends in NUL"] = post("Content-Length\0: 0\r\n"),
  ["an empty field name"] = post(": chunked\r\n"),
  ["an end of head in bare LF"] = "GET /first HTTP/1.1\r\nHost: a\r\n\n" .. SECOND,
  ["a head in bare LF"] = "GET /first HTTP/1.1\nHost: a\n\n" .. SECOND,
  ["Transfer-Encoding in HTTP/1.0"] =
    "POST /first HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n" .. TE .. "\r\n" .. CHUNKS ..
      SECOND,
  ["a chunk size in bare LF"] = post(TE, "0\n\r\n"),
  ["an end of trailers in bare LF"] = post(TE, "0\r\n\n"),
  ["a chunk size with a sign"] = post(TE, "+0\r\n\r\n"),
  ["a chunk size behind a space"] = post(TE, " 0\r\n\r\n"),
  ["a chunk size before a space"] = post(TE, "0 \r\n\r\n"),
  ["a chunk size with 0x"] = post(TE, "0x0\r\n\r\n"),
  ["a chunk size that overflows"] = post(TE, "10000000000000000\r\n\r\n"),
  ["an empty chunk size"] = post(TE, "\r\n\r\n"),
  ["a chunk extension in bare LF"] = post(TE, "0;a\n\r\n"),
  ["a chunk extension with a bare CR"] = post(TE, "0;a\rb\r\n\r\n"),
  ["chunk data that is longer than its size"] = post(TE, "1\r\nab\r\n0\r\n\r\n"),
  ["chunk data that is shorter than its size"] = post(TE, "3\r\nab\r\n0\r\n\r\n"),
  ["chunk data that ends in bare LF"] = post(TE, "1\r\na\n0\r\n\r\n"),
  ["a Content-Length trailer"] = post(TE, "0\r\nContent-Length: 40\r\n\r\n"),
  ["a Transfer-Encoding trailer"] = post(TE, "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
  ["a Host trailer"] = post(TE, "0\r\nHost: b\r\n\r\n"),
  ["a folded trailer"] = post(TE, "0\r\nA: b\r\n c\r\n\r\n"),
  ["two Hosts"] = "GET /first HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" .. SECOND,
  ["two equal Hosts"] = "GET /first HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" .. SECOND,
  ["a list of Hosts"] = "GET /first HTTP/1.1\r\nHost: a, b\r\n\r\n" .. SECOND,
  ["a Host with userinfo"] = "GET /first HTTP/1.1\r\nHost: b@a\r\n\r\n" .. SECOND,
  ["a Host with a path"] = "GET /first HTTP/1.1\r\nHost: a/b\r\n\r\n" .. SECOND,
  ["no Host"] = "GET /first HTTP/1.1\r\n\r\n" .. SECOND,
  ["a request without a version"] = "GET /first\r\n\r\n" .. SECOND,
  ["a target with a space"] = "GET /first HTTP/1.1 x HTTP/1.1\r\nHost: a\r\n\r\n" .. SECOND,
}

local names = {}
for name in pairs(ambiguous) do names[#names + 1] = name end
table.sort(names)

describe("request smuggling", function()
  local s

  setup(function() s = server.start { code = CODE } end)
  teardown(function() s:stop() end)

  for _, name in ipairs(names) do
    it("is refused: " .. name, function()
      local before = s:get("/seen").body
      local c = s:connect():send(ambiguous[name])
      local r = c:response()
      assert.are.equal(400, r.status)
      assert.are.equal("close", r.headers.connection)
      c:expect_closed()
      c:close()
      assert.are.equal(before, s:get("/seen").body)
    end)
  end

  -- Sends `bytes` and SECOND; `want` is what the handler saw of the first one.
  local function stays_apart(bytes, want)
    local c = s:connect():send(bytes)
    assert.are.equal(want, c:response().body)
    assert.are.equal("GET /smuggled ", c:response().body)
    assert.is_true(c:is_quiet(0.02))
    c:close()
  end

  it("does not happen with a request as a body", function()
    stays_apart(post("Content-Length: " .. #SECOND .. "\r\n", SECOND), "POST /first " .. SECOND)
    local chunk = ("%x\r\n%s\r\n"):format(#SECOND, SECOND)
    stays_apart(post(TE, chunk .. CHUNKS), "POST /first " .. SECOND)
  end)

  it("does not happen with bodies of methods that seldom have one", function()
    for _, method in ipairs { "GET", "DELETE", "OPTIONS", "PATCH" } do
      local bytes = post("Content-Length: 3\r\n", "abc"):gsub("^POST", method)
      stays_apart(bytes, method .. " /first abc")
    end
  end)

  it("does not happen behind a wish to upgrade that nobody grants", function()
    local upgrade = "Connection: Upgrade\r\nUpgrade: h2c\r\n"
    stays_apart(post(upgrade .. "Content-Length: 3\r\n", "abc"), "POST /first abc")
    stays_apart(post(upgrade .. TE, "3\r\nabc\r\n" .. CHUNKS), "POST /first abc")
    stays_apart(post(upgrade), "POST /first ")
  end)

  it("does not happen with fields that only look like framing", function()
    local fields = "Transfer-Encodings: chunked\r\nContent_Length: 40\r\nX: Content-Length: 40\r\n"
    stays_apart(post(fields), "POST /first ")
  end)

  it("does not happen with chunk extensions and trailers", function()
    stays_apart(post(TE, "1;a=\"0\\\"\"\r\nx\r\n0;b\r\nX-Sum: 1\r\nContent-Lengt: 40\r\n\r\n"),
      "POST /first x")
  end)
end)
