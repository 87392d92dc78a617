-- The require of apps, against the stock one and with bodies that wait.
local module = require "justhttp.require"
local require_ = module.require

-- Tasks driven by hand: run(fn) starts one, post(id) makes its park return.
local function tasks()
  local driver = { parked = {}, posted = {}, last_id = 0 }
  local current
  local function resume(co, ...)
    local outer = current
    current = co
    local result = { coroutine.resume(co, ...) }
    current = outer
    return unpack(result)
  end
  function driver.resume(co)
    local ok, err = resume(co)
    assert(ok, err)
  end
  function driver.run(fn)
    local co = coroutine.create(fn)
    driver.resume(co)
    return co
  end
  function driver.turn()
    local posted = driver.posted
    driver.posted = {}
    for _, id in ipairs(posted) do
      local co = driver.parked[id]
      driver.parked[id] = nil
      assert(resume(co))
    end
  end
  module.configure {
    current = function() return current end,
    new_id = function()
      driver.last_id = driver.last_id + 1
      return driver.last_id
    end,
    park = function(id)
      driver.parked[id] = current
      coroutine.yield()
    end,
    post = function(id) driver.posted[#driver.posted + 1] = id end,
  }
  return driver
end

describe("require", function()
  local names

  before_each(function() names = {} end)

  after_each(function()
    for _, name in ipairs(names) do package.loaded[name], package.preload[name] = nil, nil end
    module.configure(nil)
  end)

  local function preload(name, body)
    names[#names + 1] = name
    package.preload[name] = body
  end

  it("runs a body once, with its name, and keeps what it returned", function()
    local count, got = 0, nil
    preload("jh.a", function(...)
      count, got = count + 1, { ... }
      return { value = 1 }
    end)
    local first = require_ "jh.a"
    assert.equal(first, require_ "jh.a")
    assert.equal(first, package.loaded["jh.a"])
    assert.equal(1, count)
    assert.equal("jh.a", got[1])
  end)

  it("is true for a body that returns nothing", function()
    preload("jh.b", function() end)
    assert.is_true(require_ "jh.b")
  end)

  it("lets a body put itself into package.loaded", function()
    local own = {}
    preload("jh.c", function(name) package.loaded[name] = own end)
    assert.equal(own, require_ "jh.c")
  end)

  it("names every place it looked at, as the stock one does", function()
    local _, ours = pcall(require_, "jh.no.such")
    local _, stock = pcall(require, "jh.no.such")
    assert.equal(stock, ours)
    assert.matches("no field package.preload%['jh.no.such'%]", ours)
  end)

  it("loads files along package.path and passes syntax errors on", function()
    local path, dir = package.path, os.tmpname()
    local good, bad = dir .. "_good.lua", dir .. "_bad.lua"
    for file, text in pairs { [good] = "return { name = ... }", [bad] = "return =" } do
      local handle = assert(io.open(file, "w"))
      handle:write(text)
      handle:close()
    end
    package.path = dir .. "_?.lua"
    names = { "good", "bad" }
    local loaded = require_ "good"
    local ok, err = pcall(require_, "bad")
    package.path = path
    os.remove(dir)
    os.remove(good)
    os.remove(bad)
    assert.same({ name = "good" }, loaded)
    assert.is_false(ok)
    assert.matches("_bad.lua:1: unexpected symbol", err)
  end)

  it("raises for a loop", function()
    preload("jh.x", function() return require_ "jh.y" end)
    preload("jh.y", function() return require_ "jh.x" end)
    assert.error_matches(function() require_ "jh.x" end, "loop or previous error loading module")
  end)

  it("runs a body again after it failed, and shows its error as it is", function()
    local is_broken = true
    preload("jh.f", function()
      if is_broken then error("not yet", 0) end
      return "fine"
    end)
    assert.same({ false, "not yet" }, { pcall(require_, "jh.f") })
    is_broken = false
    assert.equal("fine", require_ "jh.f")
  end)

  it("refuses what is no name", function()
    assert.error_matches(function() require_() end, "string expected, got no value")
    assert.error_matches(function() require_ {} end, "string expected, got table")
  end)

  it("lets a body wait, and runs it once for two tasks", function()
    local driver, count, got = tasks(), 0, {}
    preload("jh.slow", function()
      count = count + 1
      coroutine.yield()
      return "slow"
    end)
    local first = driver.run(function() got[1] = require_ "jh.slow" end)
    driver.run(function() got[2] = require_ "jh.slow" end)
    assert.same({}, got)
    driver.resume(first)
    driver.turn()
    assert.same({ "slow", "slow" }, got)
    assert.equal(1, count)
  end)

  it("lets a waiting task try itself when the first one failed", function()
    local driver, got = tasks(), {}
    local is_broken = true
    preload("jh.flaky", function()
      coroutine.yield()
      if is_broken then error("down", 0) end
      return "up"
    end)
    local first = driver.run(function() got[1] = { pcall(require_, "jh.flaky") } end)
    local second = driver.run(function() got[2] = require_ "jh.flaky" end)
    driver.resume(first)
    assert.same({ false, "down" }, got[1])
    is_broken = false
    driver.turn()
    driver.resume(second)
    assert.equal("up", got[2])
  end)

  it("raises instead of waiting for ever when two tasks require each other's module", function()
    local driver, got = tasks(), {}
    preload("jh.p", function()
      coroutine.yield()
      return require_ "jh.q"
    end)
    preload("jh.q", function()
      coroutine.yield()
      return require_ "jh.p"
    end)
    local first = driver.run(function() got[1] = { pcall(require_, "jh.p") } end)
    local second = driver.run(function() got[2] = { pcall(require_, "jh.q") } end)
    driver.resume(first)
    driver.resume(second)
    driver.turn()
    assert.is_false(got[2][1])
    assert.matches("loop or previous error", got[2][2])
  end)
end)
