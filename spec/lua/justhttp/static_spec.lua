-- static_spec.lua: what app:static takes and refuses, while an app is declared. What it answers is
-- in spec/http/static_files_spec.lua.
local core = require "spec.support.core"
core.load("justhttp.h")
local http = require "justhttp"

local function declare(...)
  local app = http.app()
  local arguments, count = { ... }, select("#", ...)
  return pcall(function() app:static(unpack(arguments, 1, count)) end)
end

local function message(...)
  local ok, err = declare(...)
  assert.is_false(ok)
  return err
end

describe("app:static", function()
  it("makes a route for the files and one that leads to their index", function()
    local app = http.app()
    app:static("/assets", "/tmp")
    app:static("/", "/tmp", { fallback = "index.html" })
    app:group("/group", function(group) group:static("", "/tmp") end)
    local patterns = {}
    for _, route in ipairs(app:_routes()) do
      patterns[#patterns + 1] = route.method .. " " .. route.pattern
    end
    assert.same({
      "GET /assets/*path", "GET /assets", "GET /*path", "GET /group/*path", "GET /group",
    }, patterns)
  end)

  it("takes all its options", function()
    assert.is_true((declare("/a", "/tmp", {
      index = { "index.html", "index.htm" }, listing = true, cache_control = "private",
      immutable = "%.%x+%.", precompressed = true, dotfiles = true, fallback = "index.html",
      etag = false, growing = true,
    })))
    assert.is_true((declare("/a", "/tmp", { max_age = 60, index = false })))
    assert.is_true((declare("/a", "/tmp", { cache_control = { { "%.html$", "no-cache" } } })))
    assert.is_true((declare("/a", "/tmp", { cache_control = function() end })))
  end)

  it("names the line and what is wrong", function()
    assert.matches("static_spec.lua:%d+: app:static: /no/such: No such file or directory; "
      .. "give a directory", message("/a", "/no/such"))
    assert.matches("Not a directory", message("/a", "/etc/passwd"))
    assert.matches('prefix such as "/assets", got "assets"', message("assets", "/tmp"))
    assert.matches("prefix such as", message("/a/*rest", "/tmp"))
    assert.matches("directory must be a string, got a nil", message "/a")
    assert.matches("options must be a table", message("/a", "/tmp", "x"))
    for err, options in pairs {
      ['unknown option "liste"; options are index, listing'] = { liste = 1 },
      ["listing cannot be a number"] = { listing = 1 },
      ["max_age or cache_control"] = { max_age = 1, cache_control = "x" },
      ["max_age must be a number of seconds"] = { max_age = -1 },
      ["name of a file"] = { index = "../a" },
      ["a rule of cache_control is"] = { cache_control = { "x" } },
    } do assert.matches(err, message("/a", "/tmp", options)) end
  end)
end)
