-- router_pattern_spec.lua: patterns are cut into segments, or refused with the reason.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "http/router_pattern.h"

local kinds = { [0] = "literal", "param", "rest" }

local function parse(text)
  local pattern, message = ffi.new "jh_router_pattern", ffi.new "char[200]"
  local slice = ffi.new("jh_str", { text, #text })
  if C.jh_router_pattern_parse(slice, pattern, message, 200) ~= 0 then
    return nil, ffi.string(message)
  end
  local segments = {}
  for n = 0, pattern.segment_count - 1 do
    local segment = pattern.segments[n]
    segments[n + 1] = kinds[segment.kind] .. " " .. ffi.string(segment.text.ptr, segment.text.len)
  end
  return segments, pattern.param_count
end

describe("a pattern", function()
  it("is cut into literals, parameters and a rest", function()
    assert.are.same({ "literal " }, (parse "/"))
    assert.are.same({ "literal users" }, (parse "/users"))
    assert.are.same({ "literal users", "literal " }, (parse "/users/"))
    assert.are.same({ "literal users", "param id", "literal posts" }, (parse "/users/:id/posts"))
    assert.are.same({ "literal files", "rest path" }, (parse "/files/*path"))
    assert.are.same({ "rest rest" }, (parse "/*rest"))
    assert.are.same({ "param a", "param _b2", "literal " }, (parse "/:a/:_b2/"))
    assert.are.equal(2, select(2, parse "/:a/x/*b"))
    assert.are.equal(0, select(2, parse "/a/x"))
  end)

  it("may have any printable text in its literals", function()
    for _, text in ipairs {
      "/.well-known/x", "/a b", "/caf\195\169", "/100%", "/a.b,c;d=e", "/...", "/@x",
    } do
      assert.is_truthy((parse(text)), text)
    end
  end)

  it("is refused with the reason", function()
    for text, reason in pairs {
      [""] = "starts with '/'",
      ["users"] = "starts with '/'",
      ["*"] = "starts with '/'",
      ["//"] = "'//' is collapsed",
      ["/a//b"] = "'//' is collapsed",
      ["/a/./b"] = "are resolved before routing",
      ["/.."] = "are resolved before routing",
      ["/a?b=:c"] = "'?' starts the query",
      ["/users/:id?"] = "an optional parameter is a second route",
      ["/a#b"] = "never reaches a server",
      ["/a\nb"] = "control character",
      ["/a\0"] = "control character",
      ["/a%20b"] = "write the decoded character",
      ["/:"] = "needs a name",
      ["/a/:/b"] = "needs a name",
      ["/*"] = "'*' needs a name",
      ["/:user-id"] = "takes the whole segment",
      ["/:id.json"] = "takes the whole segment",
      ["/:1"] = "a name is letters, digits and '_'",
      ["/*a*"] = "a name is letters, digits and '_'",
      ["/v:id"] = "only at the beginning of a segment",
      ["/a*"] = "only at the beginning of the last segment",
      ["/*a/b"] = "must be the last one",
      ["/*a/"] = "must be the last one",
      ["/:a/:a"] = "the same name",
      ["/:a/*a"] = "the same name",
    } do
      local segments, message = parse(text)
      assert.is_nil(segments, text)
      assert.is_truthy(message:find(reason, 1, true), text .. ": " .. message)
    end
  end)

  it("is bounded", function()
    local function repeated(count, form)
      local parts = {}
      for n = 1, count do parts[n] = form:format(n) end
      return table.concat(parts)
    end
    assert.is_truthy((parse(repeated(16, "/:p%d"))))
    assert.is_truthy(select(2, parse(repeated(17, "/:p%d"))):find("16 parameters", 1, true))
    assert.is_truthy((parse(repeated(64, "/s%d"))))
    assert.is_truthy(select(2, parse(repeated(65, "/s%d"))):find("64 segments", 1, true))
  end)

  it("has its reason cut to the room there is", function()
    local message = ffi.new("char[8]", "#######")
    local slice = ffi.new("jh_str", { "x", 1 })
    assert.are.equal(tonumber(C.JH_EINVAL),
      C.jh_router_pattern_parse(slice, ffi.new "jh_router_pattern", message, 6))
    assert.are.equal("a pat", ffi.string(message))
    assert.are.equal(("#"):byte(), message[6])
  end)
end)
