-- name_set_spec.lua: names of fields are found in any case, and nothing else is.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "http/name_set.h"

describe("a set of names", function()
  local set, names, keep

  before_each(function()
    set, names, keep = ffi.new "jh_name_set", ffi.new "jh_str[4]", {}
  end)

  local function str(text)
    keep[#keep + 1] = text
    return ffi.new("jh_str", ffi.cast("const char *", text), #text)
  end

  local function add(text) return C.jh_name_set_add(set, names, 4, str(text)) end
  local function has(text) return C.jh_name_set_has(set, str(text)) end

  it("has nothing at first", function()
    assert.is_false(has "a")
    assert.is_false(has "")
  end)

  it("finds what was added, in any case", function()
    assert.is_true(add "X-Tag")
    assert.is_true(add "Cookie")
    assert.is_true(has "x-tag")
    assert.is_true(has "COOKIE")
    assert.is_false(has "x-tab")
    assert.is_false(has "x-ta")
    assert.is_false(has "cookies")
  end)

  it("finds long names", function()
    local long = ("x"):rep(80)
    assert.is_true(add(long))
    assert.is_true(has(long:upper()))
    assert.is_false(has(long .. "x"))
    assert.is_false(has(("y"):rep(63)))
  end)

  it("says when it is full", function()
    for i = 1, 4 do assert.is_true(add("name" .. i)) end
    assert.is_false(add "more")
    assert.is_false(has "more")
  end)
end)
