-- response_parser_spec.lua: which bytes are responses, how long their bodies are, and what is
-- refused, whole and in pieces.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/response_parser.h")

local DONE, ERROR = 0, -1

local function limits_of(options)
  return ffi.new("jh_response_limits", {
    max_header_bytes = options.max_header_bytes or 8192,
    max_header_count = options.max_header_count or 50,
    max_interim_count = options.max_interim_count or 100,
    max_body_bytes = options.max_body_bytes or 100000,
  })
end

-- Feeds the bytes in pieces of `cut`, as a connection would.
local function read(bytes, options, cut)
  local parser, limits = ffi.new "jh_response_parser", limits_of(options)
  C.jh_response_parser_init(parser, options.to or C.JH_RESPONSE_TO_ANY)
  local out, given, at = { interim = {}, body = "", trailers = "" }, 0, 0
  local head_len, used, body_len = ffi.new "size_t[1]", ffi.new "size_t[1]", ffi.new "size_t[1]"
  local function fail()
    out.outcome, out.error = "error", tonumber(parser.error)
    out.problem = ffi.string(parser.problem)
    return out
  end
  while true do
    given = math.min(given + cut, #bytes)
    local piece = bytes:sub(at + 1, given)
    local data = ffi.new("char[?]", #piece + 1, piece)
    local parse = tonumber(C.jh_response_parser_head(parser, limits, data, #piece, head_len))
    if parse == ERROR then return fail() end
    if parse == DONE then
      local head = piece:sub(1, tonumber(head_len[0]))
      at = at + #head
      out.status, out.head = parser.status, head
      out.reason = head:sub(parser.reason_phrase.off + 1,
        parser.reason_phrase.off + parser.reason_phrase.len)
      if not C.jh_response_parser_is_interim(parser) then break end
      out.interim[#out.interim + 1] = parser.status
      given = at
    elseif given == #bytes then
      out.outcome = "more"
      return out
    end
  end
  out.minor, out.may_keep_alive = parser.http_minor, parser.may_keep_alive
  out.kind = tonumber(parser.body)
  while true do
    local piece = bytes:sub(at + 1, at + cut)
    local data = ffi.new("char[?]", #piece + 1, piece)
    local parse = tonumber(C.jh_response_parser_body(parser, limits, data, #piece, used, body_len))
    if parse == ERROR then return fail() end
    out.body = out.body .. ffi.string(data, body_len[0])
    if parser.trailers.len > 0 then
      out.trailers = out.trailers .. ffi.string(parser.trailers.ptr, parser.trailers.len)
    end
    at = at + tonumber(used[0])
    if parse == DONE then
      out.outcome = "done"
      break
    end
    if at == #bytes then
      local is_end = tonumber(C.jh_response_parser_end(parser)) == DONE
      out.outcome = is_end and "ended" or "cut"
      break
    end
  end
  out.rest = bytes:sub(at + 1)
  return out
end

local function each_cut(bytes, options, check)
  for _, cut in ipairs { 1, 2, 3, 7, math.max(#bytes, 1) } do
    check(read(bytes, options or {}, cut), ("%q in pieces of %d"):format(bytes, cut))
  end
end

local function accepts(bytes, want, options)
  each_cut(bytes, options, function(got, what)
    assert.are.equal(want.outcome or "done", got.outcome, what .. ": " .. (got.problem or ""))
    for name, value in pairs(want) do assert.are.same(value, got[name], name .. " of " .. what) end
  end)
end

local function refuses(bytes, problem, code, options)
  each_cut(bytes, options, function(got, what)
    assert.are.equal("error", got.outcome, what)
    assert.are.equal(problem, got.problem, what)
    assert.are.equal(tonumber(code or C.JH_EPROTO), got.error, what)
  end)
end

local OK = "HTTP/1.1 200 OK\r\n"

describe("response parser: status lines", function()
  it("are read, with and without a phrase", function()
    accepts(OK .. "Content-Length: 2\r\n\r\nhirest",
      { status = 200, reason = "OK", body = "hi", rest = "rest", may_keep_alive = true })
    accepts("HTTP/1.1 404 Not at all here\r\nContent-Length: 0\r\n\r\n",
      { status = 404, reason = "Not at all here", body = "" })
    accepts("HTTP/1.1 204\r\n\r\n", { status = 204, reason = "" })
    accepts("HTTP/1.1 204 \r\n\r\n", { status = 204, reason = "" })
    accepts("HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n", { status = 799 })
  end)

  it("are refused when they are none", function()
    refuses("HELO 200 OK\r\n\r\n", "the answer is not HTTP")
    refuses("\r\n" .. OK .. "\r\n", "the answer is not HTTP")
    refuses("HTTP/1.1\r\n\r\n", "bad status line")
    refuses("HTTP/2.0 200 OK\r\n\r\n", "unknown version of HTTP")
    refuses("HTTP/1.x 200 OK\r\n\r\n", "unknown version of HTTP")
    refuses("HTTP/1.1 2000 OK\r\n\r\n", "bad status code")
    refuses("HTTP/1.1 2x0 OK\r\n\r\n", "bad status code")
    refuses("HTTP/1.1 020 OK\r\n\r\n", "bad status code")
    refuses("HTTP/1.1  200 OK\r\n\r\n", "bad status code")
  end)
end)

describe("response parser: fields", function()
  it("are held to the grammar", function()
    refuses(OK .. "A : b\r\n\r\n", "space before the colon")
    refuses(OK .. "A: b\r\n c\r\n\r\n", "folded or indented header line")
    refuses(OK .. "A: b\nC: d\r\n\r\n", "bare LF")
    refuses(OK .. "A: b\rC: d\r\n\r\n", "bare CR")
    refuses(OK .. "A: \0\r\n\r\n", "NUL byte")
    refuses(OK .. "nocolon\r\n\r\n", "header line without a colon")
  end)

  it("are bounded in bytes and number", function()
    refuses(OK .. ("A: b\r\n"):rep(11) .. "\r\n", "too many header fields", C.JH_ELIMIT,
      { max_header_count = 10 })
    refuses(OK .. "A: " .. ("b"):rep(600) .. "\r\n\r\n", "the head is too large", C.JH_ELIMIT,
      { max_header_bytes = 600 })
  end)
end)

describe("response parser: bodies", function()
  it("have the declared length", function()
    accepts(OK .. "Content-Length: 5\r\n\r\nhello", { body = "hello" })
    accepts(OK .. "content-length:  5 \r\n\r\nhell", { body = "hell", outcome = "cut" })
  end)

  it("may declare it twice when it is the same", function()
    accepts(OK .. "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", { body = "x" })
    accepts(OK .. "Content-Length: 1, 1\r\n\r\nx", { body = "x" })
    refuses(OK .. "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
      "two Content-Lengths that differ")
    refuses(OK .. "Content-Length: 1, 2\r\n\r\nxx", "two Content-Lengths that differ")
    for _, bad in ipairs { "", "x", "-1", "+1", "1 1", "0x1", "99999999999999999999" } do
      refuses(OK .. "Content-Length: " .. bad .. "\r\n\r\nxx", "bad Content-Length")
    end
  end)

  it("come in chunks", function()
    accepts(OK .. "Transfer-Encoding: chunked\r\n\r\n"
      .. "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\nrest", { body = "hello world",
      rest = "rest", may_keep_alive = true })
    accepts(OK .. "transfer-encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n",
      { body = "x", trailers = "A: b\r\nC: d\r\n" })
    accepts(OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", { outcome = "cut", body = "hel" })
    refuses(OK .. "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "bad chunk size")
    refuses(OK .. "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", "no CRLF after chunk data")
    refuses(OK .. "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\n", "chunk size too large")
  end)

  it("are refused in other codings", function()
    refuses(OK .. "Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding other than chunked")
    refuses(OK .. "Transfer-Encoding: gzip, chunked\r\n\r\n",
      "Transfer-Encoding other than chunked")
    refuses(OK .. "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      "more than one Transfer-Encoding")
    refuses("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "Transfer-Encoding in HTTP/1.0")
  end)

  it("go by chunks beside a length, and the link is not used again", function()
    accepts(OK .. "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
      { body = "x", may_keep_alive = false })
  end)

  it("go to the end of the link without either", function()
    accepts(OK .. "\r\nall of it", { body = "all of it", outcome = "ended",
      may_keep_alive = false })
    accepts(OK .. "\r\n", { body = "", outcome = "ended" })
  end)

  it("are absent for HEAD, 204 and 304", function()
    accepts(OK .. "Content-Length: 5\r\n\r\nrest", { body = "", rest = "rest" },
      { to = C.JH_RESPONSE_TO_HEAD })
    accepts(OK .. "Transfer-Encoding: chunked\r\n\r\nrest", { body = "", rest = "rest" },
      { to = C.JH_RESPONSE_TO_HEAD })
    accepts("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nrest", { rest = "rest" })
    accepts("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\nrest", { rest = "rest" })
  end)

  it("are bounded", function()
    local small = { max_body_bytes = 4 }
    refuses(OK .. "Content-Length: 5\r\n\r\nhello", "the body is too large", C.JH_ELIMIT, small)
    refuses(OK .. "\r\nhello", "the body is too large", C.JH_ELIMIT, small)
    refuses(OK .. "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
      "body too large", C.JH_ELIMIT, small)
    accepts(OK .. "Content-Length: 4\r\n\r\nhell", { body = "hell" }, small)
  end)
end)

describe("response parser: what follows", function()
  it("depends on version and Connection", function()
    local function keeps(version, fields, want)
      accepts("HTTP/" .. version .. " 200 OK\r\nContent-Length: 0\r\n" .. fields .. "\r\n",
        { may_keep_alive = want })
    end
    keeps("1.1", "", true)
    keeps("1.1", "Connection: close\r\n", false)
    keeps("1.1", "connection: x, Close\r\n", false)
    keeps("1.0", "", false)
    keeps("1.0", "Connection: keep-alive\r\n", true)
    keeps("1.0", "Connection: keep-alive, close\r\n", false)
  end)

  it("is no HTTP after 101 and CONNECT", function()
    local TUNNEL = tonumber(C.JH_RESPONSE_TUNNEL)
    accepts("HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\nraw", { kind = TUNNEL, rest = "raw",
      may_keep_alive = false })
    accepts("HTTP/1.1 200 Go\r\nContent-Length: 3\r\n\r\nraw", { kind = TUNNEL, rest = "raw" },
      { to = C.JH_RESPONSE_TO_CONNECT })
    accepts("HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nraw", { body = "raw" },
      { to = C.JH_RESPONSE_TO_CONNECT })
  end)
end)

describe("response parser: interim responses", function()
  it("are passed over", function()
    accepts("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n" .. OK
      .. "Content-Length: 1\r\n\r\nx", { interim = { 100, 103 }, status = 200, body = "x" })
  end)

  it("are bounded", function()
    refuses(("HTTP/1.1 100 Continue\r\n\r\n"):rep(4) .. OK .. "\r\n", "too many interim responses",
      C.JH_ELIMIT, { max_interim_count = 3 })
  end)
end)
