-- tls.lua: settings of clients, and that equal ones share a context.
local ffi = require "ffi"
local certificates = require "spec.support.certificates"
local sys = require "spec.support.sys"
local door = require "justhttp.door"
local tls = require "justhttp.tls"

describe("tls.context", function()
  local ca = certificates.authority "Spec CA"

  setup(function()
    if not door.generation then door.attach(door.C.jh_standalone_open()) end
  end)

  local function is_same(a, b)
    return ffi.cast("void *", assert(a)) == ffi.cast("void *", assert(b))
  end

  it("is shared by equal settings", function()
    local plain = tls.context()
    assert.is_true(is_same(plain, tls.context {}))
    assert.is_true(is_same(plain, tls.context { verify = true }))
    assert.is_false(is_same(plain, tls.context { verify = false }))
    local mine = tls.context { ca = ca.cert, alpn = { "h2", "http/1.1" } }
    assert.is_true(is_same(mine, tls.context { ca_file = ca.cert, alpn = "h2,http/1.1" }))
    assert.is_false(is_same(mine, tls.context { ca = ca.pem, alpn = "h2,http/1.1" }))
  end)

  it("is another one when a file has changed", function()
    local file = ca.cert .. ".copy"
    sys.write_file(file, ca.pem)
    local before = tls.context { ca = file }
    sys.write_file(file, ca.pem .. certificates.authority("Other CA").pem)
    assert.is_false(is_same(before, tls.context { ca = file }))
  end)

  it("outlives many others", function()
    local first = tls.context { ca = ca.cert }
    for i = 1, 100 do assert(tls.context { ca = ca.cert, server_name = i .. ".example" }) end
    collectgarbage()
    assert.is_true(is_same(first, tls.context { ca = ca.cert }))
  end)

  it("answers nil and a sentence when a value is no good", function()
    local context, err = tls.context { ca = "/nowhere.pem" }
    assert.is_nil(context)
    assert.are.equal("tls: CA /nowhere.pem: No such file or directory", err)
    assert.are.equal("tls: no such ciphers: NO:SUCH",
      select(2, tls.context { ciphers = { "NO", "SUCH" } }))
  end)

  it("raises when it is misused", function()
    local function message(options)
      return select(2, pcall(function() tls.context(options) end))
    end
    assert.truthy(message { verfy = true }:find('tls: no option "verfy"; did you mean "verify"?', 1,
      true))
    assert.truthy(message { verify = "no" }:find("tls: verify must be a boolean, got a string", 1,
      true))
    assert.truthy(message { alpn = 2 }:find(
      "tls: alpn must be a string or a list of strings, got a number", 1, true))
  end)
end)
