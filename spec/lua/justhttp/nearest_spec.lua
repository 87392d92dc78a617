-- The name somebody probably meant.
local nearest = require "justhttp.nearest"

local names = { set = 1, append = 1, json = 1, redirect = 1, _private = 1, on_abort = 1 }

describe("nearest", function()
  it("finds a name a few letters away", function()
    assert.equal("set", nearest("sett", names))
    assert.equal("append", nearest("apend", names))
    assert.equal("append", nearest("appned", names))
    assert.equal("redirect", nearest("redriect", names))
    assert.equal("on_abort", nearest("onabort", names))
  end)

  it("finds none where nothing is near, or only what is private", function()
    assert.is_nil(nearest("frobnicate", names))
    assert.is_nil(nearest("private", { _private = 1 }))
    assert.is_nil(nearest("ab", { cd = 1 }))
    assert.is_nil(nearest(("x"):rep(64), names))
  end)

  it("tells how far it is, and prefers the nearer one", function()
    local name, distance = nearest("seet", { set = 1, sheet = 1, seat = 1 })
    assert.same({ "seat", 1 }, { name, distance })
  end)
end)
