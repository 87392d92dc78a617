-- request_spec.lua: a parsed head is looked up by name and by position.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/parser.h", "base/str.h")

local HEAD = "GET http://other.example?x HTTP/1.1\r\n" ..
  "Host: a.example\r\nX-Tag: one\r\nx-tag: two\r\nEmpty:\r\n\r\n"

local function str(text) return ffi.new("jh_str", { text, #text }) end
local function text(slice) return slice.ptr ~= nil and ffi.string(slice.ptr, slice.len) or nil end

describe("request", function()
  local data, headers, request

  before_each(function()
    data = ffi.new("char[?]", #HEAD + 1, HEAD)
    headers = ffi.new("jh_header[8]")
    request = ffi.new("jh_request", { headers = headers, header_capacity = 8 })
    local parser, head_len = ffi.new("jh_parser"), ffi.new("size_t[1]")
    local limits = ffi.new("jh_parse_limits", { 1024, 8, 256, 1024 })
    C.jh_parser_init(parser)
    assert.are.equal(0, tonumber(C.jh_parser_head(parser, request, limits, data, #HEAD, head_len)))
  end)

  it("finds the first header of a name in any case", function()
    for _, name in ipairs { "X-Tag", "x-tag", "X-TAG" } do
      assert.are.equal("one", text(C.jh_request_header(request, str(name))))
    end
    assert.are.equal("", text(C.jh_request_header(request, str "empty")))
  end)

  it("tells an absent header from an empty one", function()
    assert.is_nil(text(C.jh_request_header(request, str "X-Ta")))
    assert.is_nil(text(C.jh_request_header(request, str "X-Tags")))
    assert.is_nil(text(C.jh_request_header(request, str "")))
  end)

  it("finds the further headers of a name", function()
    local first = C.jh_request_find_header(request, "x-TAG", 5, 0)
    local second = C.jh_request_find_header(request, "x-TAG", 5, first + 1)
    assert.are.equal(1, first)
    assert.are.equal(2, second)
    assert.are.equal(-1, C.jh_request_find_header(request, "x-TAG", 5, second + 1))
  end)

  it("gives headers by position, as they were sent", function()
    local name, value, seen = ffi.new("jh_str"), ffi.new("jh_str"), {}
    for i = 0, request.header_count - 1 do
      assert.are.equal(0, C.jh_request_header_at(request, i, name, value))
      seen[i + 1] = text(name) .. "=" .. text(value)
    end
    assert.are.same({ "Host=a.example", "X-Tag=one", "x-tag=two", "Empty=" }, seen)
    assert.are.equal(tonumber(C.JH_ENOTFOUND), C.jh_request_header_at(request, 4, name, value))
  end)

  it("has a path even when the target has none", function()
    assert.are.equal("/", text(C.jh_request_path(request)))
  end)

  it("follows its bytes when they move", function()
    local moved = ffi.new("char[?]", #HEAD + 1, HEAD)
    ffi.fill(data, #HEAD, 0x58)
    request.base = moved
    assert.are.equal("a.example", text(C.jh_request_header(request, str "Host")))
  end)

  it("keeps its header array when it is reset", function()
    C.jh_request_reset(request)
    assert.are.equal(0, request.header_count)
    assert.are.equal(8, request.header_capacity)
    assert.is_true(request.headers == headers)
  end)
end)
