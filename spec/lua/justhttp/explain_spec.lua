-- Messages that say more than what was raised, from a message handler and from a dead coroutine.
local explain = require "justhttp.explain"
local json = require "justhttp.json"
local traceback = require "justhttp.traceback"

local this_file = "spec/lua/justhttp/explain_spec.lua"

-- The message of what `fn` raises, captured in both ways, which must agree.
local function message_of(fn)
  local _, fault = xpcall(fn, traceback.capture)
  local co = coroutine.create(fn)
  local _, err = coroutine.resume(co)
  assert.equal(fault.message, traceback.capture_thread(co, err).message)
  return fault.message
end

describe("a value that JSON cannot hold", function()
  it("is named with its place and the line that wrote it", function()
    local message = message_of(function()
      local text = json.encode_response { items = { 1, { price = 0 / 0 } } }
      return text
    end)
    assert.matches("^" .. this_file .. ":%d+: this value is no JSON: at items%[2%].price: NaN",
      message)
  end)

  it("is named with who made it, where that is known", function()
    local function answer(who, value, _, number)
      local text = json.encode_response(value)
      return who, text, number
    end
    explain.describe(answer, function(who, number) return who .. " " .. number end)
    assert.equal("maker 4: at f: a function has no JSON form", message_of(function()
      local made = answer("maker", { f = print }, nil, 4)
      return made
    end))
  end)

  it("leaves other errors with such a text alone", function()
    assert.matches("Cannot serialise this cereal$", message_of(function()
      error "Cannot serialise this cereal"
    end))
  end)
end)

describe("a method that is not there", function()
  local Class = { set = print, append = print }
  Class.__index = Class
  explain.class(Class, "thing", Class)
  local Other = {}

  it("is answered with the nearest one of an object at hand", function()
    assert.matches("'sett' %(a nil value%); did you mean thing:set%?$", message_of(function()
      local object = setmetatable({}, Class)
      object:sett()
    end))
    local above = setmetatable({}, Class)
    assert.matches("did you mean thing:append%?$", message_of(function() above:apend() end))
  end)

  it("is not guessed about for other objects, or names that are not near", function()
    assert.matches("%(a nil value%)$", message_of(function()
      local object = setmetatable({}, Other)
      object:sett()
    end))
    assert.matches("%(a nil value%)$", message_of(function()
      local object = setmetatable({}, Class)
      object:frobnicate()
    end))
  end)
end)

describe("is_framework", function()
  it("tells justhttp's own files", function()
    assert.is_true(explain.is_framework "justhttp/app.lua")
    assert.is_true(explain.is_framework "/srv/lua/justhttp/app.lua")
    assert.is_false(explain.is_framework "app.lua")
    assert.is_false(explain.is_framework(this_file))
  end)
end)
