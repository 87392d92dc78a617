-- request_body.lua: JSON, forms and multipart forms as they are sent.
local request_body = require "justhttp.request_body"
local sys = require "spec.support.sys"

local function put(options, headers)
  local request = { headers = headers or {} }
  local ok, err = request_body.put(request, options)
  if not ok then return nil, err end
  return request
end

local function whole(request)
  if type(request.body) == "string" then return request.body end
  local pieces = {}
  for piece in request.body do pieces[#pieces + 1] = piece end
  return table.concat(pieces)
end

describe("request_body", function()
  it("encodes JSON and forms, and says so", function()
    local request = put { json = { a = 1 } }
    assert.are.equal('{"a":1}', request.body)
    assert.are.same({ { "Content-Type", "application/json" } }, request.headers)
    request = put { form = { a = "b c", d = { "1", "2" } } }
    assert.are.equal("a=b%20c&d=1&d=2", request.body)
    request = put({ json = {} }, { { "content-type", "application/problem+json" } })
    assert.are.equal(1, #request.headers)
  end)

  it("takes strings and functions, one of all these", function()
    assert.are.equal("x", put({ body = "x" }).body)
    assert.are.equal("function", type(put({ body = function() end }).body))
    assert.has_error(function() put { body = 1 } end)
    assert.has_error(function() put { body = "x", json = {} } end)
    assert.is_nil(put({}).body)
  end)

  it("writes multipart forms", function()
    local request = put { multipart = { b = "2", a = { "1", "x" },
      f = { filename = 'a"b\r\n.txt', type = "text/plain", data = "content" } } }
    local boundary = request.headers[1][2]:match "boundary=(.*)$"
    local expected = ('--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
      .. '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
      .. '--B\r\nContent-Disposition: form-data; name="b"\r\n\r\n2\r\n'
      .. '--B\r\nContent-Disposition: form-data; name="f"; filename="a%22b%0D%0A.txt"\r\n'
      .. "Content-Type: text/plain\r\n\r\ncontent\r\n--B--\r\n")
      :gsub("%-%-B", function() return "--" .. boundary end)
    assert.are.equal(expected, request.body)
    assert.are_not.equal(boundary, put({ multipart = { a = "1" } }).headers[1][2]:match "=(.*)$")
  end)

  it("keeps the order of parts in a list", function()
    local parts = { { name = "z", data = "1" }, { name = "a", data = "2" } }
    local body = put({ multipart = parts }).body
    assert.is_true(body:find 'name="z"' < body:find 'name="a"')
  end)

  it("streams files with a length that is known", function()
    local dir = sys.temp_dir()
    sys.write_file(dir .. "/a.bin", ("x"):rep(200000))
    local request = put { multipart = { f = { path = dir .. "/a.bin" }, a = "1" } }
    local text = whole(request)
    assert.are.equal(request.content_length, #text)
    assert.truthy(text:find
      'filename="a.bin"\r\nContent%-Type: application/octet%-stream\r\n\r\nxxx')
    assert.is_true(text:find(("x"):rep(200000), 1, true) ~= nil)
    request = put { multipart = { f = { path = dir .. "/a.bin" } } }
    sys.write_file(dir .. "/a.bin", "short")
    local err
    repeat
      local piece
      piece, err = request.body()
    until piece == nil
    assert.truthy(err:find "shorter")
    local none, why = put { multipart = { f = { path = dir .. "/none" } } }
    assert.is_nil(none)
    assert.truthy(why:find "none")
    sys.remove(dir)
  end)

  it("refuses parts that are none", function()
    assert.has_error(function() put { multipart = { a = {} } } end)
    assert.has_error(function() put { multipart = { a = function() end } } end)
    assert.has_error(function() put { multipart = { a = { data = "x", type = "a\r\nb" } } } end)
  end)
end)
