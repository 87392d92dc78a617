-- The two halves of app:request: bytes of a request, response out of bytes.
local testing = require "justhttp.testing"

describe("testing.build", function()
  it("makes a plain GET", function()
    assert.equal("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", testing.build {})
  end)

  it("sends a body with its length, as POST unless said otherwise", function()
    assert.equal("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
      testing.build { path = "/x", body = "abc" })
    assert.matches("^PUT ", testing.build { method = "put", body = "" })
  end)

  it("sends JSON and forms", function()
    assert.matches("Content%-Type: application/json\r\nContent%-Length: 7\r\n\r\n{\"a\":1}$",
      testing.build { json = { a = 1 } })
    assert.matches("Content%-Type: application/x%-www%-form%-urlencoded\r\n.*\r\n\r\na=b%%20c$",
      testing.build { form = { a = "b c" } })
  end)

  it("sends forms with files, with a boundary that is in none", function()
    local bytes = testing.build { multipart = {
      { name = 'a"\r\n', content = "justhttp and justhttp1" },
      { name = "f", filename = "x.txt", type = "text/plain", content = "" },
    } }
    assert.matches("\r\nContent%-Type: multipart/form%-data; boundary=justhttp2\r\n", bytes)
    assert.equal('--justhttp2\r\nContent-Disposition: form-data; name="a%22%0D%0A"\r\n\r\n'
      .. "justhttp and justhttp1\r\n--justhttp2\r\nContent-Disposition: form-data; name=\"f\"; "
      .. 'filename="x.txt"\r\nContent-Type: text/plain\r\n\r\n\r\n--justhttp2--\r\n',
      bytes:match "\r\n\r\n(.*)$")
  end)

  it("adds query fields, host and repeated headers", function()
    local bytes = testing.build {
      path = "/x?a=1", query = { b = 2 }, host = "h.org", headers = { Accept = { "a/b", "c/d" } },
    }
    assert.matches("^GET /x%?a=1&b=2 HTTP/1.1\r\n", bytes)
    assert.matches("Accept: a/b\r\nAccept: c/d\r\nHost: h.org\r\n", bytes)
  end)

  it("leaves fields alone that were given", function()
    local bytes = testing.build { body = "x", headers = { host = "a", ["content-length"] = 9 } }
    assert.is_nil(bytes:find("localhost", 1, true))
    assert.is_nil(bytes:find("Content-Length", 1, true))
  end)

  it("names unknown options", function()
    assert.error_matches(function() testing.build { url = "/" } end, "unknown option \"url\"")
    assert.error_matches(function() testing.build("/") end, "give a table")
  end)
end)

describe("testing.parse", function()
  it("reads status, headers and a body by its length", function()
    local response = testing.parse("HTTP/1.1 201 Created\r\nX-A: 1\r\nSet-Cookie: a\r\n"
      .. "set-cookie: b\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n")
    assert.equal(201, response.status)
    assert.equal("Created", response.reason)
    assert.equal("1", response.headers["x-a"])
    assert.equal("a", response.headers["Set-Cookie"])
    assert.same({ "a", "b" }, response.headers_all["SET-COOKIE"])
    assert.equal("hi", response.body)
  end)

  it("reads chunks", function()
    local response = testing.parse(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n")
    assert.equal("abc", response.body)
  end)

  it("knows which responses have no body", function()
    assert.equal("", testing.parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD").body)
    assert.equal("", testing.parse("HTTP/1.1 304 Not Modified\r\n\r\n").body)
  end)

  it("keeps interim responses apart", function()
    local response = testing.parse(
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert.equal(200, response.status)
    assert.equal(103, response.interim[1].status)
    assert.equal("</a>", response.interim[1].headers.link)
  end)

  it("reads JSON bodies", function()
    local response = testing.parse('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}')
    assert.same({ a = 1 }, response:json())
  end)

  it("is nil and a reason for less than a response", function()
    for _, raw in ipairs { "", "HTTP/1.1 200 OK\r\n", "garbage\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab" } do
      local response, err = testing.parse(raw)
      assert.is_nil(response)
      assert.is_string(err)
    end
  end)
end)
