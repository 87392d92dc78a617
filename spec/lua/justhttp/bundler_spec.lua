-- What goes into an app in one file; spec/server/bundle_command_spec.lua makes some.
local bundler = require "justhttp.bundler"

describe("the modules that a text requires", function()
  local function names(text)
    local list = {}
    for name, is_needed in pairs(bundler.requires(text)) do
      list[#list + 1] = name .. (is_needed and "" or "?")
    end
    table.sort(list)
    return table.concat(list, " ")
  end

  it("are those with literal names", function()
    assert.equal("a a.b c d-e f", names [==[
      local a = require "a"
      local b = require('a.b').x
      require [[c]]
      return { require ( "d-e" ), x = require'f' }
    ]==])
  end)

  it("may be tried", function()
    assert.equal("both lfs?", names [[
      local ok, lfs = pcall(require, "lfs")
      pcall(require, "both") require "both"
    ]])
  end)

  it("are not those in comments, nor other words", function()
    assert.equal("real", names [==[
      -- require "one"
      local x = 1 -- require "two"
      --[[ require "three"
      require "four" ]] --[=[ ]] require "five" ]=]
      required "six"; x.requires = "y" prerequire "seven"
      local y = "-- " .. require "real"
    ]==])
  end)

  it("are not those whose names are computed", function()
    assert.equal("", names [[ require(name) require("a" .. name) require(t["x"]) ]])
  end)
end)

describe("a bundle", function()
  local function run(files, more)
    local added, list = {}, {}
    local job = { main = "app.lua", name = "shop", modules = {}, externals = {}, built_in = {} }
    for name in pairs(files) do list[#list + 1] = name end
    table.sort(list)
    for key, value in pairs(more or {}) do job[key] = value end
    job.files = list
    job.text = function(name) return files[name], 1 end
    job.size = function(name) return #files[name] end
    job.copy = function(name) added[name] = files[name] end
    job.compress = function(name, ending)
      added[name .. ending] = "smaller"
      return true
    end
    job.add = function(name, bytes) added[name] = bytes end
    local told = bundler.run(job)
    return added, told
  end

  it("has Lua as bytecode that knows its lines", function()
    local added = run { ["app.lua"] = "#!/x\nlocal x = ...\nerror 'here'", ["a.txt"] = "text" }
    assert.equal("\27LJ", added["app.lua"]:sub(1, 3))
    local ok, err = pcall(loadstring(added["app.lua"]))
    assert.is_false(ok)
    assert.equal("shop/app.lua:3: here", err)
    assert.equal("text", added["a.txt"])
  end)

  it("has source when that is wanted, and always for config.lua", function()
    local files = { ["app.lua"] = "return 1", ["config.lua"] = "return {}" }
    assert.same(files, run(files, { keeps_source = true }))
    assert.equal("return {}", run(files)["config.lua"])
  end)

  it("has compressed forms of what may be served", function()
    local long = ("x"):rep(1000)
    local added = run {
      ["app.lua"] = "return 1", ["public/a.css"] = long, ["public/b.css"] = "short",
      ["public/c.png"] = long, ["public/d.js"] = long, ["public/d.js.br"] = "mine",
      ["views/page.html"] = long,
    }
    assert.equal("smaller", added["public/a.css.gz"])
    assert.equal("smaller", added["public/a.css.br"])
    assert.equal("mine", added["public/d.js.br"])
    for _, name in ipairs { "public/b.css", "public/c.png", "views/page.html" } do
      assert.is_nil(added[name .. ".gz"])
    end
  end)

  it("is not made of what is no Lua", function()
    local ok, err = pcall(run, { ["app.lua"] = "return 1", ["x.lua"] = "\n= 1" })
    assert.is_false(ok)
    assert.equal("shop/x.lua:2: unexpected symbol near '='", err)
  end)

  it("tells what it did not find", function()
    local _, told = run { ["app.lua"] = "require 'no.such.module' require 'ffi' require 'linked'" }
    assert.matches("note: shop/app.lua requires 'no.such.module', which was not", told, 1, true)
    _, told = run({ ["app.lua"] = "require 'linked' require 'x' require 'y.z' require 'jit.util'",
      ["x.lua"] = "", ["y/z/init.lua"] = "" }, { built_in = { linked = true } })
    assert.not_matches("note", told)
  end)
end)
