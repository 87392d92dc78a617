-- method_spec.lua: methods by number and by name.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "http/method.h"

local function name_of(method)
  local name = C.jh_method_name(method)
  return ffi.string(name.ptr, name.len)
end

local function find(name) return C.jh_method_find(ffi.new("jh_str", { name, #name })) end

describe("method", function()
  it("finds every method by the name it has", function()
    local count = 0
    while name_of(count) ~= "" do
      assert.are.equal(count, find(name_of(count)))
      count = count + 1
    end
    assert.are.equal(34, count)
  end)

  it("has http-parser's numbers", function()
    assert.are.same({ 0, 1, 2, 3, 4, 5, 6, 24, 28 }, {
      find "DELETE", find "GET", find "HEAD", find "POST", find "PUT", find "CONNECT",
      find "OPTIONS", find "M-SEARCH", find "PATCH",
    })
  end)

  it("tells letters apart by case and takes no part of a name", function()
    for _, name in ipairs { "get", "Get", "GE", "GETS", "", " GET", "GET ", "MSEARCH", "BREW" } do
      assert.are.equal(-1, find(name), name)
    end
  end)

  it("has no name for other numbers", function()
    assert.are.equal("", name_of(-1))
    assert.are.equal("", name_of(34))
    assert.are.equal("", name_of(2 ^ 31 - 1))
  end)
end)
