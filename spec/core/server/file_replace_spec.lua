-- A file that is replaced by another, as a whole or not at all.
local core = require "spec.support.core"
local sys = require "spec.support.sys"
core.load("base/alloc.h")
local C = core.load("justhttp.h")

describe("jh_file_replace", function()
  local dir

  before_each(function() dir = sys.temp_dir() end)
  after_each(function() sys.remove(dir) end)

  local function files()
    local pipe = io.popen("ls -A " .. dir)
    local text = pipe:read "*a"
    pipe:close()
    return text
  end

  it("makes a file and replaces it", function()
    local large = ("x"):rep(1000000)
    for _, text in ipairs { "first", large, "" } do
      assert.equal(0, C.jh_file_replace(dir .. "/f", text, #text))
      assert.is_true(text == sys.read_file(dir .. "/f"))
    end
    assert.equal("f\n", files())
  end)

  it("leaves nothing behind when it fails", function()
    assert.equal(-2, C.jh_file_replace(dir .. "/none/f", "x", 1))
    os.execute("mkdir " .. dir .. "/d")
    assert.equal(-21, C.jh_file_replace(dir .. "/d", "x", 1))
    assert.equal("d\n", files())
  end)

  it("says when memory is out", function()
    C.jh_alloc_fail_nth(1)
    assert.equal(tonumber(C.JH_ENOMEM), C.jh_file_replace(dir .. "/f", "x", 1))
    C.jh_alloc_fail_nth(0)
    assert.equal("", files())
  end)
end)
