-- Reading config.lua: values handed on as text, failures with file and line.
local config = require "justhttp.config"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("config.load", function()
  local dir

  after_each(function()
    if dir then sys.remove(dir) end
    dir = nil
  end)

  local function load(text, refused)
    dir = server.app_dir { ["config.lua"] = text }
    local seen = {}
    local ok, err = config.load(dir .. "/config.lua", text, function(name, value)
      if name == refused then return nil, "no such option; did you mean workers?" end
      seen[#seen + 1] = name .. "=" .. value
      return true
    end)
    return ok, err and err:gsub(dir:gsub("%p", "%%%0") .. "/", ""), seen
  end

  it("hands every option over as text, in the order of their names", function()
    local ok, _, seen = load [[
      return {
        workers = 2, max_body_bytes = 64 * 1024 * 1024, dev = true, server_header = "x",
        listen = { ":8080", "unix:/tmp/a.sock" }, big = 2 ^ 40,
      }]]
    assert.is_true(ok)
    assert.same({ "big=1099511627776", "dev=true", "listen=:8080,unix:/tmp/a.sock",
      "max_body_bytes=67108864", "server_header=x", "workers=2" }, seen)
  end)

  it("names file and line of what is refused", function()
    local ok, err = load("-- wokers = 1\nreturn {\n  dev = true,\n  wokers = 2,\n}", "wokers")
    assert.is_nil(ok)
    assert.equal("config.lua:4: no such option; did you mean workers?", err)
  end)

  it("refuses values that are no text", function()
    local _, err = load "return {\n  listen = print,\n}"
    assert.matches("^config.lua:2: listen is a function; write a string", err)
    _, err = load "return { listen = {} }"
    assert.matches("^config.lua:1: listen is a table", err)
  end)

  it("refuses a file that returns no options", function()
    local _, err = load "workers = 2"
    assert.equal("config.lua: returns nothing; end it with a table such as return { workers = 2 }",
      err)
    _, err = load "return 5"
    assert.matches("returns a number", err)
    _, err = load "return { 'x' }"
    assert.matches("1 has no name", err)
  end)

  it("passes syntax and run-time errors on", function()
    local _, err = load "return {"
    assert.matches("^config.lua:1: unexpected symbol", err)
    _, err = load "return { a = nothing.b }"
    assert.matches("^config.lua:1: attempt to index", err)
  end)
end)
