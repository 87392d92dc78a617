-- The files of the bundle by path; in the server itself spec/server/one_file_spec.lua shows more.
local bundle = require "justhttp.bundle"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("without a bundle", function()
  it("nothing is found", function()
    assert.is_nil(bundle.open("apps/hello"))
    assert.is_nil(bundle.name_of("apps/hello/app.lua"))
    assert.is_nil(bundle.text("apps/hello/app.lua"))
    assert.is_nil(bundle.directory("apps/hello"))
    assert.is_false(bundle.is_whole)
  end)

  it("lines are those of the file on the disk", function()
    local name = os.tmpname()
    sys.write_file(name, "one\n\nthree")
    local lines = {}
    for line in bundle.lines(name) do lines[#lines + 1] = line end
    os.remove(name)
    assert.same({ "one", "", "three" }, lines)
    assert.is_nil(bundle.lines(name))
    assert.is_nil(bundle.lines("/"))
  end)

  it("a first line for the shell is no Lua", function()
    local chunk = bundle.load("#!/usr/bin/env justhttp\nreturn debug.getinfo(1).currentline", "a")
    assert.equal(2, chunk())
  end)
end)

describe("in a snapshot", function()
  local dir, s

  after_each(function()
    if s then s:stop() end
    if dir then sys.remove(dir) end
    s, dir = nil, nil
  end)

  local function start(files, path)
    dir = server.app_dir(files)
    s = server.start { app = dir .. (path or "") }
  end

  it("modules are found by the templates of package.path, before the disk", function()
    start {
      ["app.lua"] = [[
        local here = debug.getinfo(1, "S").source:match "^@(.*)/"
        package.path = here .. "/parts/?.lua;" .. package.path
        require "one"
        local dot = require "sub.two"
        return function(ctx)
          if ctx.query.late then return require "late" end
          return dot.value
        end]],
      ["parts/one.lua"] = "-- found\n",
      ["sub/two.lua"] = "return { value = debug.getinfo(1, 'S').source }",
      ["late.lua"] = "return 'as it was'",
    }
    assert.equal("@" .. dir .. "/sub/two.lua", s:get("/").body)
    sys.write_file(dir .. "/late.lua", "return 'changed'")
    assert.equal("as it was", s:get("/?late=1").body)
  end)

  it("loadfile and dofile take what is in it, and the disk for the rest", function()
    local other = os.tmpname()
    sys.write_file(other, "return 'disk'")
    start {
      ["app.lua"] = ([[
        local here = debug.getinfo(1, "S").source:match "^@(.*)/"
        return function()
          return dofile(here .. "/x.lua") .. assert(loadfile(here .. "/x.lua"))()
            .. dofile %q .. tostring(pcall(dofile, here .. "/none.lua"))
        end]]):format(other),
      ["x.lua"] = "return 'then '",
    }
    sys.write_file(dir .. "/x.lua", "return 'now '")
    assert.equal("then then diskfalse", s:get("/").body)
    os.remove(other)
  end)

  it("a lone file has its neighbours", function()
    start({ ["one.lua"] = "return function() return require 'two' end", ["two.lua"] = "return 'ok'",
      ["app.lua"] = "error 'not me'" }, "/one.lua")
    assert.equal("ok", s:get("/").body)
  end)

  it("errors name the file", function()
    dir = server.app_dir { ["app.lua"] = "require 'broken'", ["broken.lua"] = "return\n= 1" }
    local r = server.run { "check", dir }
    assert.equal(1, r.code)
    assert.matches("error loading module 'broken' from file '" .. dir:gsub("%p", "%%%0")
      .. "/broken.lua'", r.stderr)
    assert.matches("broken.lua:2: ", r.stderr)
  end)
end)
