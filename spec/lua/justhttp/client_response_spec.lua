-- client_response.lua: reading a head, and a body that is there.
local make = require "justhttp.client_response"

local function response(fields, body)
  local line = "HTTP/1.1 200 Very well\r\n"
  return make(200, line .. (fields or "") .. "\r\n", #line, body or "", false)
end

describe("a response", function()
  it("has status, reason and version", function()
    local res = response()
    assert.are.same({ 200, "Very well", "HTTP/1.1", true },
      { res.status, res.reason, res.version, res.is_ok })
    assert.is_false(make(404, "HTTP/1.0 404\r\n\r\n", 14, "", false).is_ok)
    assert.are.equal("", make(404, "HTTP/1.0 404\r\n\r\n", 14, "", false).reason)
    assert.is_nil(res.unknown)
  end)

  it("has headers in any case, joined when they are repeated", function()
    local res = response("A:  b \r\na: c\r\nSet-Cookie: x=1\r\nSet-Cookie: y=2\r\nEmpty:\r\n")
    assert.are.same({ "b, c", "b, c", "", "x=1" },
      { res.headers.a, res.headers.A, res.headers.empty, res.headers["set-cookie"] })
    assert.are.same({ "x=1", "y=2" }, { res:header "Set-Cookie" })
    assert.is_nil(res.headers.none)
    assert.is_nil((res:header "none"))
  end)

  it("gives all fields in order", function()
    local all = {}
    for name, value in response("B: 1\r\nA: 2\r\nB: 3\r\n"):each_header() do
      all[#all + 1] = name .. "=" .. value
    end
    assert.are.same({ "B=1", "A=2", "B=3" }, all)
  end)

  it("reads its body once, as text or JSON", function()
    local res = response("", '{"a":1}')
    assert.are.equal('{"a":1}', res:text())
    assert.are.same({ a = 1 }, res:json())
    assert.are.equal('{"a":1}', res:read())
    assert.is_nil(res:read())
    assert.is_nil(response("", ""):read())
    local value, err = response("", "x"):json()
    assert.is_nil(value)
    assert.is_string(err)
    assert.has_error(function() response():read(0) end)
    response():close()
  end)

  it("has trailers", function()
    local res = make(200, "HTTP/1.1 200 OK\r\n\r\n", 17, "", false, "Sum: 1\r\n")
    assert.are.equal("1", res.trailers.sum)
    assert.is_nil(response().trailers.sum)
  end)
end)
