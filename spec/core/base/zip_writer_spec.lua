-- ZIP archives that are written: other programs must be able to read them.
local ffi = require "ffi"
local core = require "spec.support.core"
local sys = require "spec.support.sys"
local C = core.load("base/zip.h", "base/alloc.h")

local function str(text) return ffi.new("jh_str", text, #text) end

local function run(command)
  local pipe = io.popen(command .. " 2>&1; echo status $?")
  local text = pipe:read "*a"
  pipe:close()
  return text
end

describe("a ZIP writer", function()
  local dir, writer, fd

  before_each(function()
    dir = sys.temp_dir()
    fd = sys.check(ffi.C.open(dir .. "/a.zip", 0x242, ffi.cast("int", 420)), "open")
    writer = ffi.new "jh_zip_writer"
  end)
  after_each(function()
    C.jh_zip_writer_deinit(writer)
    ffi.C.close(fd)
    sys.remove(dir)
  end)

  local function add(name, bytes)
    return C.jh_zip_writer_add(writer, str(name), str(bytes), 1700000001)
  end

  it("writes what unzip lists and tests", function()
    C.jh_zip_writer_init(writer, fd, 0)
    assert.equal(0, add("app.lua", "return 1\n"))
    assert.equal(0, add("views/empty.html", ""))
    assert.equal(0, C.jh_zip_writer_finish(writer, str "a comment"))
    local text = run("unzip -t " .. dir .. "/a.zip")
    assert.matches("No errors", text)
    assert.matches("status 0", text)
    assert.equal("return 1\nstatus 0\n", run("unzip -p " .. dir .. "/a.zip app.lua"))
    assert.matches("a comment", run("unzip -l " .. dir .. "/a.zip"))
  end)

  it("writes behind other bytes without a warning of unzip", function()
    ffi.C.write(fd, ("x"):rep(1000), 1000)
    C.jh_zip_writer_init(writer, fd, 1000)
    assert.equal(0, add("app.lua", "return 1\n"))
    assert.equal(0, C.jh_zip_writer_finish(writer, str ""))
    local text = run("unzip -t " .. dir .. "/a.zip")
    assert.not_matches("warning", text)
    assert.matches("status 0", text)
  end)

  it("refuses names that lead elsewhere", function()
    for _, name in ipairs { "", "/a", "a//b", "a/", "../a", "a/..", "./a", "a\\b", "a\nb",
      "a\0b" } do
      C.jh_zip_writer_init(writer, fd, 0)
      assert.equal(tonumber(C.JH_EINVAL), add(name, ""))
      assert.equal(tonumber(C.JH_EINVAL), C.jh_zip_writer_finish(writer, str ""))
    end
  end)

  it("refuses what would need zip64", function()
    C.jh_zip_writer_init(writer, fd, 4294967000)
    assert.equal(tonumber(C.JH_ELIMIT), add("a", ("x"):rep(300)))
  end)

  it("says when memory is out", function()
    C.jh_zip_writer_init(writer, fd, 0)
    C.jh_alloc_fail_nth(1)
    assert.equal(tonumber(C.JH_ENOMEM), add("a", "b"))
    C.jh_alloc_fail_nth(0)
  end)
end)
