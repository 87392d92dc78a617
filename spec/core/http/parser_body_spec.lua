-- parser_body_spec.lua: chunked bodies are decoded, checked and bounded, and messages end exactly
-- where the next one begins, all at once and byte by byte.
local parse = require "spec.support.parse"

local accepts, refuses = parse.accepts, parse.refuses

local HOST = "Host: example.com\r\n"

local function get(fields, target)
  return "GET " .. (target or "/") .. " HTTP/1.1\r\n" .. (fields or HOST) .. "\r\n"
end

describe("parser: chunked bodies", function()
  local HEAD = "POST / HTTP/1.1\r\n" .. HOST .. "Transfer-Encoding: chunked\r\n\r\n"

  it("are decoded", function()
    local cases = {
      { "0\r\n\r\n", "" },
      { "5\r\nhello\r\n0\r\n\r\n", "hello" },
      { "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world" },
      { "A\r\n0123456789\r\n000\r\n\r\n", "0123456789" },
      { "a\r\n0123456789\r\n0\r\n\r\n", "0123456789" },
      { "0000000000000005\r\nhello\r\n0\r\n\r\n", "hello" },
      { "2\r\n\r\n\r\n0\r\n\r\n", "\r\n" },
      { "1F\r\n" .. ("x"):rep(31) .. "\r\n0\r\n\r\n", ("x"):rep(31) },
      { "3\r\n0\r\n\r\n0\r\n\r\n", "0\r\n" },
    }
    for _, case in ipairs(cases) do
      accepts(HEAD .. case[1] .. "rest", { body = case[2], rest = "rest" })
    end
    local big = ("y"):rep(70000)
    local message = parse.message(HEAD .. ("%x\r\n%s\r\n0\r\n\r\n"):format(#big, big),
      { cut = 1000 })
    assert.are.same({ "done", big }, { message.outcome, message.body })
  end)

  it("may carry extensions, which are checked and dropped", function()
    for _, extension in ipairs { ";a", ";a=b", ";a=\"b\"", ";a=\"b;\\\"c\\\" \t\195\188\"",
      ";a;b;c=d", " ; a = b ; c", "\t;a", ";a= \"\"", ";a=\"0\\\\\"" } do
      accepts(HEAD .. "5" .. extension .. "\r\nhello\r\n0" .. extension .. "\r\n\r\nrest",
        { body = "hello", rest = "rest" })
    end
    for _, extension in ipairs { ";", " ", "\t", "; ", ";a=", ";=b", ";a=b=c", ";a;", ";a b",
      ";a =", ";a=b c", ";a ", ";a=b ", ";a=\"b", ";a=\"b\" ", ";a=\"b\"c", ";a\n", ";a=b\n", ";\n",
      ";a\r", ";a\0", ";a=\"\1\"", ";a=\"\\\r\n", ";a,b", ";(", "a=b;" } do
      refuses(HEAD .. "5" .. extension .. "\r\nhello\r\n0\r\n\r\n", 400)
    end
  end)

  it("may not have endless extensions", function()
    local function chunks(count, len)
      return ("1;" .. ("a"):rep(len - 1) .. "\r\nx\r\n"):rep(count) .. "0\r\n\r\n"
    end
    for _, cut in ipairs { 100, 99999 } do
      assert.are.equal("done", parse.message(HEAD .. chunks(1, 4096), { cut = cut }).outcome)
      assert.are.equal("done", parse.message(HEAD .. chunks(4, 1024), { cut = cut }).outcome)
      for _, bytes in ipairs { chunks(1, 4097), chunks(5, 1024), chunks(1, 200000) } do
        local message = parse.message(HEAD .. bytes, { cut = cut })
        assert.are.same({ 400, "chunk extensions too long" }, { message.status, message.reason })
      end
    end
  end)

  it("are refused when malformed", function()
    for _, body in ipairs { "x", "-1", "+5", " 5", "\t5", "0x5", "5 5", "g", "5\n", "5\rx",
      "5h", ";a", "\r\n", "\n", "5,", "5.", "\0", "00000000000000005", "FFFFFFFFFFFFFFFFF",
      "8000000000000000", "FFFFFFFFFFFFFFFF", "10000000000000005", "\239\188\149" } do
      refuses(HEAD .. body .. "\r\nhello\r\n0\r\n\r\n", 400)
    end
    for _, body in ipairs { "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n",
      "5\r\nhello!\r\n0\r\n\r\n", "5\r\nhell\r\n0\r\n\r\n", "5\r\nhello\r\n\r\n0\r\n\r\n",
      "5\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\n\r\n", "0\r\n\n", "0\r\n\rx", "0\r\r\n\r\n",
      "5\r\nhello\n\n0\r\n\r\n", "2\r\nabcd0\r\n\r\n" } do
      refuses(HEAD .. body, 400)
    end
  end)

  it("are limited", function()
    accepts(HEAD .. "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", { body = "helloworld" },
      { max_body_bytes = 10 })
    refuses(HEAD .. "5\r\nhello\r\n6\r\n", 413, "body too large", { max_body_bytes = 10 })
    refuses(HEAD .. "B\r\n", 413, "body too large", { max_body_bytes = 10 })
    refuses(HEAD .. "7FFFFFFFFFFFFFFF\r\n", 413, "body too large")
  end)

  it("may be followed by trailers, which are checked and shown", function()
    local function with(trailers) return HEAD .. "2\r\nab\r\n0\r\n" .. trailers .. "\r\nrest" end
    accepts(with "X-Sum: 1\r\nEmpty:\r\nVary:a\t \r\nDigest: \195\188\r\n",
      { body = "ab", rest = "rest",
        trailers = "X-Sum: 1\r\nEmpty:\r\nVary:a\t \r\nDigest: \195\188\r\n" })
    accepts(with "", { body = "ab", rest = "rest", trailers = "" })
    for _, name in ipairs { "Transfer-Encoding", "content-length", "HOST", "Connection", "Upgrade",
      "Expect", "TE", "Trailer" } do
      refuses(with(name .. ": x\r\n"), 400, "forbidden trailer field")
      refuses(with("A: b\r\n" .. name .. ":\r\n"), 400, "forbidden trailer field")
      accepts(with(name .. "1: x\r\n"), { body = "ab", rest = "rest" })
    end
    for _, line in ipairs { " a: b\r\n", "a : b\r\n", ": b\r\n", "a\r\n", "a: b\n", "a: b\rc\r\n",
      "a: \0\r\n", "a: \127\r\n", "a: b\r\n c\r\n", "a(: b\r\n", "\195\188: b\r\n" } do
      refuses(with(line), 400)
    end
  end)

  it("may not have endless trailers", function()
    local limits = { max_header_bytes = 150, max_header_count = 5 }
    accepts(HEAD .. "0\r\n" .. ("a: b\r\n"):rep(5) .. "\r\n", {}, limits)
    refuses(HEAD .. "0\r\n" .. ("a: b\r\n"):rep(6) .. "\r\n", 431, "too many trailers", limits)
    refuses(HEAD .. "0\r\na: " .. ("b"):rep(150), 431, "trailers too large", limits)
  end)
end)

describe("parser: pipelined messages", function()
  it("end exactly where the next one begins", function()
    local bytes = get(HOST) .. "POST /b HTTP/1.1\r\n" .. HOST .. "Content-Length: 3\r\n\r\nabc" ..
      "PUT /c HTTP/1.1\r\n" .. HOST ..
      "Transfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\nX: y\r\n\r\n" .. get(HOST, "/d")
    for _, cut in ipairs { 1, 10, #bytes } do
      local seen, rest = {}, bytes
      while rest ~= "" do
        local message = parse.message(rest, { cut = cut })
        assert.are.equal("done", message.outcome)
        seen[#seen + 1] = message.method .. message.path .. message.body
        rest = message.rest
      end
      assert.are.same({ "GET/", "POST/babc", "PUT/cdef", "GET/d" }, seen)
    end
  end)
end)
