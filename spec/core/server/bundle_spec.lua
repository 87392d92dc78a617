-- Bundles: snapshots of apps, and archives that are opened and made immutable.
local ffi = require "ffi"
local core = require "spec.support.core"
local sys = require "spec.support.sys"
local C = core.load("server/bundle.h")

local function str(text) return ffi.new("jh_str", text, #text) end
local function text_of(s) return ffi.string(s.ptr, s.len) end

describe("a bundle", function()
  local dir
  local out, message = ffi.new "jh_bundle *[1]", ffi.new "char[512]"

  before_each(function() dir = sys.temp_dir() end)
  after_each(function()
    if out[0] ~= nil then C.jh_bundle_close(out[0]) end
    out[0] = nil
    sys.remove(dir)
  end)

  local function write(name, text)
    os.execute("mkdir -p " .. sys.quote(dir .. "/" .. (name:match("^(.*)/") or "")))
    sys.write_file(dir .. "/" .. name, text)
  end

  local function names()
    local list = {}
    for i = 0, tonumber(C.jh_bundle_count(out[0])) - 1 do
      list[#list + 1] = text_of(C.jh_bundle_at(out[0], i).name)
    end
    return table.concat(list, " ")
  end

  local function snapshot(path) return C.jh_bundle_snapshot(out, path or dir, message, 512) end

  local function contents(name)
    local entry = C.jh_bundle_find(out[0], str(name))
    return entry ~= nil and text_of(entry.bytes) or nil
  end

  it("has the code and templates of a directory, not its pictures and dot files", function()
    write("app.lua", "return 1")
    write("lib/deep/x.lua", "return 2")
    write("views/a.html", "<p>")
    write("empty", "")
    write("public/logo.png", "PNG")
    write("public/logo.svg", "<svg/>")
    write(".git/config", "x")
    write("views/.secret", "x")
    assert.equal(0, snapshot())
    assert.equal("app.lua empty lib/deep/x.lua public/logo.svg views/a.html", names())
    assert.equal("return 2", contents "lib/deep/x.lua")
    assert.equal("", contents "empty")
    assert.is_nil(contents "lib/deep")
    assert.equal("app.lua", text_of(C.jh_bundle_main(out[0])))
    assert.is_false(C.jh_bundle_is_whole(out[0]))
  end)

  it("does not change when the files do", function()
    write("app.lua", "return 1")
    assert.equal(0, snapshot())
    write("app.lua", "return 2")
    assert.equal("return 1", contents "app.lua")
    assert.equal(-1, ffi.C.write(C.jh_bundle_fd(out[0]), "x", 1))
    -- F_GET_SEALS: seal, shrink, grow and write.
    assert.equal(15, ffi.C.fcntl(C.jh_bundle_fd(out[0]), 1034))
  end)

  it("leaves large files, pipes and links to directories on the disk", function()
    write("app.lua", "return 1")
    write("big.txt", ("x"):rep(1048577))
    write("fits.txt", ("x"):rep(1048576))
    os.execute(("cd %s && mkfifo pipe && ln -s . loop && ln -s app.lua same.lua"):format(dir))
    assert.equal(0, snapshot())
    assert.equal("app.lua fits.txt same.lua", names())
  end)

  it("of a single file has the Lua files beside it", function()
    write("one.lua", "return 1")
    write("two.lua", "return 2")
    write("notes.txt", "x")
    write("sub/three.lua", "return 3")
    assert.equal(0, snapshot(dir .. "/one.lua"))
    assert.equal("one.lua two.lua", names())
    assert.equal("one.lua", text_of(C.jh_bundle_main(out[0])))
    C.jh_bundle_close(out[0])
    write("script", "return 4")
    assert.equal(0, snapshot(dir .. "/script"))
    assert.equal("one.lua script two.lua", names())
    assert.equal("script", text_of(C.jh_bundle_main(out[0])))
  end)

  it("is the same for the same files", function()
    for _, name in ipairs { "app.lua", "b.lua", "a/c.lua", "z.txt" } do write(name, name) end
    os.execute("find " .. dir .. " -exec touch -d @1700000000 {} +")
    local function bytes()
      assert.equal(0, snapshot())
      local path = "/proc/self/fd/" .. C.jh_bundle_fd(out[0])
      local text = sys.read_file(path)
      C.jh_bundle_close(out[0])
      out[0] = nil
      return text
    end
    assert.equal(bytes(), bytes())
  end)

  it("says what is missing", function()
    assert.equal(tonumber(C.JH_ENOTFOUND), snapshot())
    assert.matches("app.lua cannot be read", ffi.string(message))
    out[0] = nil
    assert.equal(-2, snapshot(dir .. "/none"))
    assert.matches("none: ", ffi.string(message))
  end)

  it("is opened from a descriptor that another process sent", function()
    write("app.lua", "return 1")
    assert.equal(0, snapshot())
    local other = ffi.new "jh_bundle *[1]"
    local fd = ffi.C.fcntl(C.jh_bundle_fd(out[0]), 1030, ffi.cast("int", 0)) -- F_DUPFD_CLOEXEC
    assert.equal(0, C.jh_bundle_open(other, fd, message, 512))
    local entry = C.jh_bundle_find(other[0], str "app.lua")
    assert.equal("return 1", text_of(entry.bytes))
    C.jh_bundle_close(other[0])
  end)

  it("made by zip is inflated into memory of its own", function()
    write("app.lua", ("-- text\n"):rep(1000))
    os.execute("cd " .. dir .. " && zip -q a.zip app.lua")
    assert.equal(0, C.jh_bundle_open_file(out, dir .. "/a.zip", message, 512))
    write("a.zip", "")
    assert.equal(("-- text\n"):rep(1000), contents "app.lua")
    assert.is_true(C.jh_bundle_is_whole(out[0]))
  end)

  it("that is none, or damaged, says so and leaves no descriptor open", function()
    write("app.lua", "return 1")
    write("lie.zip", "text")
    os.execute("cd " .. dir .. " && zip -q -0 a.zip app.lua")
    local text = sys.read_file(dir .. "/a.zip")
    write("bad.zip", (text:gsub("return 1", "return 2")))
    local before = sys.descriptor_count()
    assert.equal(-2, C.jh_bundle_open_file(out, dir .. "/none.zip", message, 512))
    assert.equal(tonumber(C.JH_ENOTFOUND),
      C.jh_bundle_open_file(out, dir .. "/lie.zip", message, 512))
    assert.matches("no ZIP archive", ffi.string(message))
    assert.equal(tonumber(C.JH_EINVAL), C.jh_bundle_open_file(out, dir .. "/bad.zip", message, 512))
    assert.matches("app.lua: is damaged", ffi.string(message))
    assert.equal(-22, C.jh_bundle_open_file(out, dir, message, 512))
    assert.equal(before, sys.descriptor_count())
  end)
end)
