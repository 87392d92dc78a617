-- parser_spec.lua: which heads are requests and which are not, all at once and byte by byte.
--
-- The cases are those RFC 9110 and 9112 name, and the ways to hide a second request in a first one
-- (request smuggling). Bodies: parser_body_spec.lua.
local parse = require "spec.support.parse"

local accepts, refuses = parse.accepts, parse.refuses

local HOST = "Host: example.com\r\n"

local function get(fields, target)
  return "GET " .. (target or "/") .. " HTTP/1.1\r\n" .. (fields or HOST) .. "\r\n"
end

describe("parser: heads", function()
  it("reads a request line and its fields", function()
    accepts("GET /a/b?c=d&e HTTP/1.1\r\nHost: example.com:80\r\nX-Tag:  one two\t\r\n\r\nrest", {
      method = "GET", target = "/a/b?c=d&e", version = "1.1",
      path = "/a/b", query = "c=d&e", has_query = true, path_is_plain = true,
      host = "example.com:80", headers = { { "Host", "example.com:80" }, { "X-Tag", "one two" } },
      is_keep_alive = true, is_chunked = false, is_upgrade = false, body = "", rest = "rest",
    })
  end)

  it("waits for the whole head", function()
    local bytes = get()
    for len = 0, #bytes - 1 do
      assert.are.equal("more", parse.message(bytes:sub(1, len)).outcome, len .. " bytes")
    end
  end)

  it("knows every method that http-parser knows", function()
    for method in ([[
      DELETE GET HEAD POST PUT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK
      BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE
      PATCH PURGE MKCALENDAR LINK UNLINK SOURCE]]):gmatch("%S+") do
      accepts(method .. " / HTTP/1.1\r\n" .. HOST .. "\r\n", { method = method })
    end
  end)

  it("skips a few empty lines before the request line", function()
    accepts("\r\n\r\n" .. get(), { method = "GET", headers = { { "Host", "example.com" } } })
    refuses(("\r\n"):rep(5) .. get(), 400, "too many empty lines before the request line")
  end)

  it("reads the four forms of a target", function()
    accepts(get(), { target_form = 0 })
    accepts(get(HOST, "http://other.example:81/p?q"),
      { target_form = 1, host = "other.example:81", path = "/p", query = "q" })
    accepts(get(HOST, "http://other.example"), { target_form = 1, host = "other.example",
      path = "/" })
    accepts("CONNECT a.example:443 HTTP/1.1\r\n" .. HOST .. "\r\nrest",
      { target_form = 2, method = "CONNECT", is_upgrade = false, body = "", rest = "rest" })
    accepts("OPTIONS * HTTP/1.1\r\n" .. HOST .. "\r\n", { target_form = 3, host = "example.com" })
  end)

  it("lets the authority of an absolute target win over Host, wherever Host stands", function()
    accepts(get("A: b\r\nHost: wrong.example\r\n", "http://right.example/"),
      { host = "right.example" })
  end)

  it("frames CONNECT like any other method", function()
    accepts("CONNECT a:1 HTTP/1.1\r\n" .. HOST .. "Content-Length: 2\r\n\r\nabGET", { body = "ab",
      rest = "GET" })
  end)

  it("answers 414 for a target that is too long, 431 for a head that is", function()
    local options = { max_target_bytes = 20, max_header_bytes = 200, max_header_count = 3 }
    accepts(get(HOST, "/" .. ("a"):rep(19)), {}, options)
    refuses(get(HOST, "/" .. ("a"):rep(20)), 414, nil, options)
    refuses("GET /" .. ("a"):rep(200), 414, nil, options)
    refuses(get(HOST .. "A: " .. ("b"):rep(200) .. "\r\n"), 431, nil, options)
    refuses(get(HOST .. "A: " .. ("b"):rep(200)), 431, nil, options)
    refuses(get(HOST .. "A: b\r\nC: d\r\nE: f\r\n"), 431, "too many headers", options)
    accepts(get(HOST .. "A: b\r\nC: d\r\n"), {}, options)
  end)

  it("takes a head of exactly the allowed size", function()
    local head = get(HOST .. "A: " .. ("b"):rep(50) .. "\r\n")
    accepts(head, { head_bytes = #head }, { max_header_bytes = #head })
    refuses(head, 431, nil, { max_header_bytes = #head - 1 })
  end)
end)

describe("parser: malformed request lines get 400", function()
  local lines = {
    "GET /", "GET", "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ", "GET / HTTP/1.1 x",
    " GET / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1", "GET / http/1.1", "GET / HTTP/1",
    "GET / HTTP/1.", "GET / HTTP/11", "GET / HTTP/1.1.1", "GET / HTTP/01.1", "GET / HTTP/1.01",
    "GET / HTTP/-1.1", "GET / HTTP/+1.1", "GET / HTTP/a.b", "GET / HTTP 1.1", "GET / HTTPS/1.1",
    "GET / ICE/1.0", "GET /", "G(T / HTTP/1.1", "G@T / HTTP/1.1", " / HTTP/1.1", "GET HTTP/1.1",
    "GET  HTTP/1.1", "GET a HTTP/1.1", "GET /a b HTTP/1.1", "GET /#a HTTP/1.1", "GET \\a HTTP/1.1",
    "GET * HTTP/1.1", "GET /\195\188 HTTP/1.1", "GET http://user@a/ HTTP/1.1",
    "GET http:///a HTTP/1.1", "GET http://a:b/ HTTP/1.1", "GET ftp://a/ HTTP/1.1",
    "GET //a\127 HTTP/1.1", "CONNECT / HTTP/1.1", "CONNECT a HTTP/1.1",
    "CONNECT http://a/ HTTP/1.1", "GET a:1 HTTP/1.1", "\22\3\1\2", "{\"json\": true}",
  }
  for _, line in ipairs(lines) do
    it(("%q"):format(line), function() refuses(line .. "\r\n" .. HOST .. "\r\n", 400) end)
  end
end)

describe("parser: versions and methods", function()
  it("answers 505 for other versions of HTTP", function()
    for _, version in ipairs { "0.9", "1.2", "1.9", "2.0", "3.0", "9.9" } do
      refuses("GET / HTTP/" .. version .. "\r\n" .. HOST .. "\r\n", 505, "unsupported HTTP version")
    end
    refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
  end)

  it("answers 501 for tokens that are no method it knows", function()
    for _, method in ipairs { "get", "Get", "BREW", "GETT", "GE", "G", "X-Y", "!#$%&'*+-.^_`|~",
      ("A"):rep(99) } do
      refuses(method .. " / HTTP/1.1\r\n" .. HOST .. "\r\n", 501, "unknown method")
    end
  end)
end)

describe("parser: malformed fields get 400", function()
  local cases = {
    ["bare CR"] = { "A: b\rc\r\n", "A: b\r\r\n", "A\r: b\r\n", "\rA: b\r\n" },
    ["bare LF"] = { "A: b\n", "A: b\nC: d\r\n", "\nA: b\r\n" },
    ["NUL byte"] = { "A: b\0c\r\n", "A\0: b\r\n", "\0\r\n" },
    ["control byte"] = { "A: b\1c\r\n", "A: b\127\r\n", "A\27: b\r\n", "A: \11b\r\n",
      "A: b\12\r\n" },
    ["folded or indented header line"] = { "A: b\r\n c\r\n", "A: b\r\n\tc\r\n", " A: b\r\n",
      "\tA: b\r\n", "A: b\r\n \r\n" },
    ["space before the colon"] = { "A : b\r\n", "A\t: b\r\n", "A B: c\r\n",
      "Content-Length : 1\r\n" },
    ["empty header name"] = { ": b\r\n", ":\r\n" },
    ["header line without a colon"] = { "A\r\n", "GET\r\n" },
    ["bad byte in a header name"] = { "A(: b\r\n", "\195\188: b\r\n", "A/B: c\r\n", "[a]: b\r\n",
      "\"a\": b\r\n", "a=b\r\n", "GET / HTTP/1.1\r\n" },
  }
  for reason, fields in pairs(cases) do
    it(reason, function()
      for _, field in ipairs(fields) do
        -- "GET / HTTP/1.1" has a space behind a token.
        local want = field:find("^GET /") and "space before the colon" or reason
        refuses(get(HOST .. field), 400, want)
        -- Behind the first field it is the same as in front of it.
        if not field:find("^[ \t\n\r]") then refuses(get(field .. HOST), 400, want) end
      end
    end)
  end

  it("takes what only looks odd", function()
    accepts(get(HOST .. "A:\r\nB:c\r\nC: \r\nd: e:f\r\ng: \195\188\t\"\r\n~: x\r\n"), { headers = {
      { "Host", "example.com" }, { "A", "" }, { "B", "c" }, { "C", "" }, { "d", "e:f" }, { "g",
        "\195\188\t\"" },
      { "~", "x" } } })
  end)
end)

describe("parser: Host", function()
  it("is required once, and well-formed, in HTTP/1.1", function()
    refuses(get(""), 400, "no Host")
    refuses(get("A: b\r\n"), 400, "no Host")
    refuses(get(HOST .. HOST), 400, "more than one Host")
    refuses(get("Host: a\r\nhOST: b\r\n"), 400, "more than one Host")
    refuses(get("Host:\r\n"), 400, "empty Host")
    refuses(get("Host: \t \r\n"), 400, "empty Host")
    for _, host in ipairs { "a b", "a,b, c", "user@a", "a/b", "a?b", "a#b", "a\\b", "a:b",
      "a:80:80", "a:65536", "a:-1", "a:8 0", "[::1", "::1", "[::1]a", "[::1]:x", "[g::1]", "[]",
      "http://a", "a%", "a%zz", "\"a\"", "<a>", "{a}", "\195\188", ":80", "a:+80" } do
      refuses(get("Host: " .. host .. "\r\n"), 400, "bad Host")
    end
  end)

  it("takes names, addresses and ports", function()
    for _, host in ipairs { "a", "a.example", "a-b.example:8080", "127.0.0.1", "127.0.0.1:1",
      "[::1]", "[::1]:65535", "A", "a_b", "localhost:0", "xn--bcher-kva.example", "a." } do
      accepts(get("Host: " .. host .. "\r\n"), { host = host, has_host = true })
    end
  end)

  it("may be missing, but not malformed or doubled, in HTTP/1.0", function()
    accepts("GET / HTTP/1.0\r\n\r\n", { host = "", has_host = false, version = "1.0" })
    accepts("GET / HTTP/1.0\r\n" .. HOST .. "\r\n", { host = "example.com" })
    refuses("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400, "bad Host")
    refuses("GET / HTTP/1.0\r\n" .. HOST .. HOST .. "\r\n", 400, "more than one Host")
  end)

  it("is required and checked beside an absolute target, and may be empty there", function()
    refuses(get("", "http://a/"), 400, "no Host")
    refuses(get("Host: a b\r\n", "http://a/"), 400, "bad Host")
    refuses(get(HOST .. HOST, "http://a/"), 400, "more than one Host")
    accepts(get("Host:\r\n", "http://a/"), { host = "a" })
    accepts("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", { host = "" })
  end)
end)

describe("parser: Content-Length", function()
  local function post(value) return "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length:" .. value ..
    "\r\n\r\nhello world" end

  it("frames a body", function()
    accepts(post " 5", { content_length = 5, body = "hello", rest = " world" })
    accepts(post "\t5 \t", { content_length = 5, body = "hello", rest = " world" })
    accepts(post "005", { content_length = 5, body = "hello", rest = " world" })
    accepts(post((" %030d"):format(5)), { content_length = 5, body = "hello", rest = " world" })
    accepts(post " 0", { content_length = 0, body = "", rest = "hello world", has_body = false })
    accepts(get(HOST .. "content-LENGTH: 2\r\n") .. "abc", { body = "ab", rest = "c" })
  end)

  it("is digits and nothing else", function()
    for _, value in ipairs { "", " ", " +5", " -5", " 5,5", " 5, 5", " 5 5", " 0x5", " 5;a", " 5.0",
      " 5e0", " five", " '5'", " \"5\"", " 5\t5", " ,5", " 5,", " \239\188\149",
      " 9223372036854775808", " 18446744073709551616", " 18446744073709551621",
      " 99999999999999999999999999999999999" } do
      refuses(post(value), 400, "bad Content-Length")
    end
  end)

  it("comes once", function()
    for _, second in ipairs { "5", "6", "0", "" } do
      refuses(post(" 5\r\nContent-Length: " .. second), 400, "more than one Content-Length")
    end
    refuses(post " 5\r\nA: b\r\ncontent-length: 5", 400, "more than one Content-Length")
  end)

  it("may not exceed the limit of bodies", function()
    accepts(post " 11", { body = "hello world" }, { max_body_bytes = 11 })
    refuses(post " 12", 413, "body too large", { max_body_bytes = 11 })
    refuses(post " 9223372036854775807", 413, "body too large")
  end)

  it("waits for the whole body", function()
    local message = parse.message(post " 12")
    assert.are.same({ "more", "hello world" }, { message.outcome, message.body })
  end)
end)

describe("parser: Transfer-Encoding", function()
  local function post(fields, version)
    return "POST / HTTP/" .. (version or "1.1") .. "\r\n" .. HOST .. fields .. "\r\n0\r\n\r\nGET"
  end

  it("is chunked", function()
    for _, field in ipairs { "Transfer-Encoding: chunked\r\n", "transfer-encoding:CHUNKED\r\n",
      "TRANSFER-ENCODING:\tChunked\t \r\n" } do
      accepts(post(field), { is_chunked = true, body = "", rest = "GET" })
    end
  end)

  it("is nothing else", function()
    for _, value in ipairs { "", "identity", "gzip", "gzip, chunked", "chunked, gzip",
      "chunked, chunked", "chunked,", ", chunked", "chunked, identity", "identity, chunked",
      "xchunked", "chunkedx", "chunked;a=b", "chunked; q=1", "\"chunked\"", "'chunked'",
      "chunked chunked", "cow", "chun ked", "chunked\t,", "x\tchunked", "chunked\194\160",
      "c\196\184unked" } do
      refuses(post("Transfer-Encoding: " .. value .. "\r\n"), 400,
        "Transfer-Encoding other than chunked")
    end
  end)

  it("comes once", function()
    refuses(post "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400,
      "more than one Transfer-Encoding")
    refuses(post "Transfer-Encoding: chunked\r\nTransfer-encoding: identity\r\n", 400,
      "more than one Transfer-Encoding")
    refuses(post "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 400)
  end)

  it("does not come with Content-Length, in either order", function()
    for _, value in ipairs { "0", "5", "6" } do
      local te, cl = "Transfer-Encoding: chunked\r\n", "Content-Length: " .. value .. "\r\n"
      refuses(post(te .. cl), 400, "Content-Length with Transfer-Encoding")
      refuses(post(cl .. te), 400, "Content-Length with Transfer-Encoding")
      refuses(post(cl .. "A: b\r\n" .. te), 400, "Content-Length with Transfer-Encoding")
    end
  end)

  it("does not exist in HTTP/1.0", function()
    refuses(post("Transfer-Encoding: chunked\r\n", "1.0"), 400, "Transfer-Encoding in HTTP/1.0")
    refuses(post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "1.0"), 400)
  end)

  it("is not read out of fields with similar names", function()
    for _, name in ipairs { "Transfer-Encoding1", "XTransfer-Encoding", "Transfer_Encoding",
      "Transfer-Encodin", "Transfer.Encoding", "ransfer-Encoding" } do
      accepts(post(name .. ": chunked\r\n"), { is_chunked = false, rest = "0\r\n\r\nGET" })
    end
    accepts(post "Content-Lengt: 5\r\nContent-Length1: 5\r\nContent_Length: 5\r\n",
      { body = "", rest = "0\r\n\r\nGET" })
  end)
end)

describe("parser: Connection, Upgrade, Expect", function()
  it("decides about keep-alive", function()
    local cases = { -- fields, HTTP/1.1, HTTP/1.0
      { "", true, false },
      { "Connection: close\r\n", false, false },
      { "Connection: CLOSE\r\n", false, false },
      { "Connection: keep-alive\r\n", true, true },
      { "Connection: Keep-Alive\r\n", true, true },
      { "connection: x , close\t\r\n", false, false },
      { "Connection: ,,close,\r\n", false, false },
      { "Connection: keep-alive, close\r\n", false, false },
      { "Connection: x\r\nConnection: close\r\n", false, false },
      { "Connection: closed\r\n", true, false },
      { "Connection: clos\r\n", true, false },
      { "Connection: close;x\r\n", true, false },
      { "Connection:\r\n", true, false },
      { "Proxy-Connection: close\r\n", true, false },
      { "Connections: close\r\n", true, false },
    }
    for _, case in ipairs(cases) do
      accepts(get(HOST .. case[1]), { is_keep_alive = case[2] })
      accepts("GET / HTTP/1.0\r\n" .. HOST .. case[1] .. "\r\n", { is_keep_alive = case[3] })
    end
  end)

  it("sees a wish to upgrade and frames the body as ever", function()
    local upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    accepts(get(HOST .. upgrade) .. "raw",
      { is_upgrade = true, is_keep_alive = true, body = "", rest = "raw" })
    accepts(get(HOST .. "Upgrade: websocket\r\nConnection: upgrade\r\n"), { is_upgrade = true })
    accepts(get(HOST .. "Upgrade: websocket\r\n"), { is_upgrade = false })
    accepts(get(HOST .. "Connection: upgrade\r\n"), { is_upgrade = false })
    accepts(get(HOST .. "Connection: upgrade\r\nUpgrade:\r\n"), { is_upgrade = false })
    accepts("GET / HTTP/1.0\r\n" .. HOST .. upgrade .. "\r\n", { is_upgrade = false })
    accepts("POST / HTTP/1.1\r\n" .. HOST .. upgrade .. "Content-Length: 2\r\n\r\nabcd",
      { is_upgrade = true, body = "ab", rest = "cd" })
    accepts("POST / HTTP/1.1\r\n" .. HOST .. upgrade ..
      "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\ncd",
      { is_upgrade = true, body = "ab", rest = "cd" })
  end)

  it("knows one expectation, of HTTP/1.1 requests that have a body", function()
    local function post(version, fields)
      return "POST / HTTP/" .. version .. "\r\n" .. HOST .. fields .. "\r\nab"
    end
    accepts(post("1.1", "Expect: 100-continue\r\nContent-Length: 2\r\n"),
      { expects_continue = true, body = "ab" })
    accepts(post("1.1", "Expect: 100-Continue\r\nContent-Length: 2\r\n"),
      { expects_continue = true, body = "ab" })
    accepts(post("1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n"),
      { expects_continue = false })
    accepts(post("1.1", "Expect: 100-continue\r\n"), { expects_continue = false })
    accepts(post("1.0", "Expect: 100-continue\r\nContent-Length: 2\r\n"),
      { expects_continue = false, body = "ab" })
    accepts(post("1.1", "Expect:\r\nContent-Length: 2\r\n"), { expects_continue = false })
    refuses(post("1.1", "Expect: 200-ok\r\nContent-Length: 2\r\n"), 417, "unknown expectation")
    refuses(post("1.1", "Expect: 100-continue, x\r\n"), 417, "unknown expectation")
  end)
end)
