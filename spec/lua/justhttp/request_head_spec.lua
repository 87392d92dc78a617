-- request_head.lua: heads as they are written, and that nothing can be smuggled into one.
local head = require "justhttp.request_head"

local function build(fields, more)
  local parts = { method = "GET", target = "/a?b", authority = "host:81",
    fields = head.list(fields), defaults = {} }
  for name, value in pairs(more or {}) do parts[name] = value end
  return head.build(parts)
end

describe("request_head", function()
  it("writes a request line, Host and fields in order", function()
    assert.are.equal("GET /a?b HTTP/1.1\r\nHost: host:81\r\nX-B: 1\r\nX-A: 2\r\nX-A: 3\r\n\r\n",
      (build { { "X-B", 1 }, { "X-A", { "2", "3" } } }))
    assert.are.equal("GET /a?b HTTP/1.1\r\nHost: host:81\r\n\r\n", (build()))
  end)

  it("lets the caller's fields take the place of the defaults, or take them away", function()
    local defaults = { { "Accept", "*/*" }, { "User-Agent", "x" } }
    local text = build({ accept = "text/html", ["User-Agent"] = false }, { defaults = defaults })
    assert.is_nil(text:find "%*/%*")
    assert.is_nil(text:find "User")
    assert.truthy(text:find "accept: text/html")
    assert.truthy(build({ Host = "other" }):find "\r\nHost: other\r\n")
  end)

  it("writes framing itself", function()
    local text = build({ ["Content-Length"] = "99", ["transfer-encoding"] = "chunked", TE = "x" },
      { length = 3 })
    assert.are.equal("GET /a?b HTTP/1.1\r\nHost: host:81\r\nContent-Length: 3\r\n\r\n", text)
    assert.truthy(build({}, { chunked = true }):find "Transfer%-Encoding: chunked\r\n\r\n$")
  end)

  it("tells of Connection: close and Expect", function()
    assert.are.same({ true, false }, { select(2, build { Connection = "Close" }) })
    assert.are.same({ false, true }, { select(2, build { Expect = "100-continue" }) })
  end)

  it("refuses what could end a line", function()
    for _, bad in ipairs { "a\r\nB: c", "a\nb", "a\rb", "a\0b", "\127" } do
      assert.has_error(function() build { A = bad } end)
      assert.has_error(function() build { [bad] = "a" } end)
      assert.has_error(function() build { A = { "ok", bad } } end)
    end
    for _, bad in ipairs { "", "a b", "a:", "(a)", "ä" } do
      assert.has_error(function() build { [bad] = "a" } end)
    end
    assert.has_error(function() build { A = {} , B = true } end)
    assert.has_error(function() build { "no pair" } end)
    assert.has_error(function() head.check_method "GET / HTTP/1.1\r\nA: b\r\n\r\nGET" end)
    assert.has_error(function() head.check_method "" end)
    assert.has_error(function() head.check_method(1) end)
    head.check_method "PROPFIND"
  end)

  it("finds and drops fields of a list", function()
    local list = head.list { { "A", "1" }, { "b", "2" } }
    assert.are.equal("2", head.find(list, "b"))
    assert.is_nil(head.find(list, "c"))
    assert.are.same({ { "b", "2" } }, head.without(list, { a = true }))
  end)
end)
