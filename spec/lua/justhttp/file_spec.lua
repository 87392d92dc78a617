-- file_spec.lua: paths and values for files. What ctx:file answers is in static_files_spec.lua.
local core = require "spec.support.core"
core.load("justhttp.h")
local file = require "justhttp.file"
local loader = require "justhttp.loader"
local sys = require "spec.support.sys"

describe("paths of files", function()
  it("start at the app's directory unless they are absolute", function()
    local before = loader.directory
    loader.directory = "apps/shop"
    assert.equal("apps/shop/public", file.resolve "public")
    assert.equal("/srv/public", file.resolve "/srv/public")
    assert.equal("elsewhere/public", file.resolve("public", "elsewhere"))
    loader.directory = nil
    assert.equal("public", file.resolve "public")
    loader.directory = before
  end)

  it("become targets that lead nowhere else", function()
    assert.equal("/a/b%20c", file.encode_path "/a/b c")
    assert.equal("/%3Fq%23f%25", file.encode_path "/?q#f%")
    assert.equal("/evil.example", file.encode_path "//evil.example")
    assert.equal("/%5Cevil.example", file.encode_path "/\\evil.example")
    assert.equal("/a%0D%0Ab", file.encode_path "/a\r\nb")
    assert.equal("/%C3%BC", file.encode_path "/ü")
  end)

  it("are of directories or not", function()
    local dir = sys.temp_dir()
    sys.write_file(dir .. "/a", "")
    assert.is_true((file.is_directory(dir)))
    assert.same({ false, "Not a directory" }, { file.is_directory(dir .. "/a") })
    assert.same({ false, "No such file or directory" }, { file.is_directory(dir .. "/b") })
    sys.remove(dir)
  end)
end)

describe("max_age", function()
  it("is a number of seconds", function()
    assert.equal("public, max-age=60", file.max_age(60, "ctx:file", 1))
    for _, bad in ipairs { "60", -1, math.huge, 0 / 0 } do
      assert.has_error(function() file.max_age(bad, "ctx:file", 1) end)
    end
  end)
end)
