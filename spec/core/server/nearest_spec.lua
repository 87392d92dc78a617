-- nearest_spec.lua: the word somebody probably meant.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "server/nearest.h"

describe("nearest", function()
  local function distance(a, b) return tonumber(C.jh_nearest_distance(a, b)) end

  local function nearest(word, ...)
    local search = ffi.new("jh_nearest")
    local keep = { word, ... }
    C.jh_nearest_init(search, word)
    for i = 2, #keep do C.jh_nearest_offer(search, keep[i]) end
    return search.best ~= nil and ffi.string(search.best) or nil
  end

  it("counts edits, a swap of neighbours as one", function()
    assert.are.equal(0, distance("", ""))
    assert.are.equal(3, distance("", "run"))
    assert.are.equal(1, distance("run", "runs"))
    assert.are.equal(1, distance("rum", "run"))
    assert.are.equal(1, distance("rnu", "run"))
    assert.are.equal(3, distance("kitten", "sitting"))
  end)

  it("takes dashes, underscores and capitals for the same", function()
    assert.are.equal(0, distance("Max-Body", "max_body"))
  end)

  it("does not look into very long words", function()
    assert.are.equal(100, distance(("a"):rep(100), ("a"):rep(99)))
  end)

  it("finds the closest of several", function()
    assert.are.equal("routes", nearest("route", "run", "routes", "check"))
    assert.are.equal("max_body_bytes", nearest("max_body", "max_body_bytes", "body_timeout_ms"))
  end)

  it("finds nothing for a word that is like none", function()
    assert.is_nil(nearest("frobnicate", "run", "routes", "check"))
    assert.is_nil(nearest("x", "run"))
    assert.is_nil(nearest("", "run"))
  end)
end)
