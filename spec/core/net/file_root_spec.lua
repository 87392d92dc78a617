-- file_root_spec.lua: what can be opened below a directory, with openat2 and without it.
local ffi = require "ffi"
local core = require "spec.support.core"
local sys = require "spec.support.sys"
local C = core.load("net/file_root.h")

local ENOENT, EISDIR = -2, -21

local opened = {}

local function open_root(path, flags)
  local options, code = ffi.new("jh_file_options", flags or 0), ffi.new "int[1]"
  local root = C.jh_file_root_new(path, options, code)
  if root == nil then return nil, code[0] end
  opened[#opened + 1] = root
  return root
end

-- Larger than a struct stat, which only C knows.
local status_room = ffi.new "uint64_t[64]"
local function status() return ffi.cast("struct stat *", status_room) end

local function open_file(root, path)
  local fd = C.jh_file_root_open_file(root, path, status())
  if fd < 0 then return fd end
  local buffer = ffi.new "char[16]"
  local count = tonumber(ffi.C.read(fd, buffer, 16))
  ffi.C.close(fd)
  return ffi.string(buffer, count)
end

describe("a root of files", function()
  local dir

  setup(function()
    dir = sys.temp_dir()
    os.execute(([[
      cd %s
      mkdir -p root/a/b outside
      echo one > root/one; echo deep > root/a/b/deep; echo secret > outside/secret
      ln -s ../outside/secret root/out; ln -s ../outside root/outdir
      ln -s %s/outside/secret root/absolute
      ln -s one root/inside; ln -s a root/inside_dir; ln -s loop root/loop; mkfifo root/fifo
      ln -s root linked
    ]]):format(dir, dir))
  end)
  teardown(function() sys.remove(dir) end)

  after_each(function()
    for i, root in ipairs(opened) do
      C.jh_file_root_free(root)
      opened[i] = nil
    end
  end)

  for _, has_openat2 in ipairs { true, false } do
    local way = has_openat2 and "with openat2" or "without openat2"

    local function root_of(path, flags)
      local root = assert(open_root(path, flags))
      if not has_openat2 then root.has_openat2 = false end
      return root
    end

    it("opens files below it " .. way, function()
      local root = root_of(dir .. "/root")
      assert.equal("one\n", open_file(root, "one"))
      assert.equal("deep\n", open_file(root, "a/b/deep"))
    end)

    it("opens nothing else " .. way, function()
      local root = root_of(dir .. "/root")
      for _, path in ipairs {
        "missing", "a/missing", "missing/one", "one/", "one/x", "out", "outdir/secret", "absolute",
        "loop", "loop/x", "fifo", ("x"):rep(256), ("x"):rep(256) .. "/one", "/etc/passwd",
      } do assert.equal(ENOENT, open_file(root, path), path) end
      for _, path in ipairs { "a", "a/", "a/b" } do
        assert.equal(EISDIR, open_file(root, path), path)
      end
      for _, path in ipairs { "..", "../outside/secret", "a/../../outside/secret" } do
        -- Such paths do not come this far; here too they lead nowhere.
        if has_openat2 then assert.equal(ENOENT, open_file(root, path), path) end
      end
    end)

    it("follows links that stay below it, or none at all, " .. way, function()
      local root = root_of(dir .. "/root")
      assert.equal(has_openat2 and "one\n" or ENOENT, open_file(root, "inside"))
      assert.equal(has_openat2 and "deep\n" or ENOENT, open_file(root, "inside_dir/b/deep"))
    end)

    it("follows every link when paths are the app's own, " .. way, function()
      local root = root_of(dir .. "/root", C.JH_FILE_TRUSTED_BIT)
      assert.equal("secret\n", open_file(root, "out"))
      assert.equal("secret\n", open_file(root, "outdir/secret"))
      assert.equal("secret\n", open_file(root, "absolute"))
      assert.equal(ENOENT, open_file(root, "fifo"))
    end)

    it("opens directories to list them " .. way, function()
      local root = root_of(dir .. "/root")
      for path, is_there in pairs {
        [""] = true, a = true, ["a/"] = true, ["a/b/"] = true, one = false, ["one/"] = false,
        missing = false, outdir = false, inside_dir = has_openat2,
      } do
        local fd = C.jh_file_root_open_directory(root, path)
        assert.equal(is_there, fd >= 0, path)
        if fd >= 0 then ffi.C.close(fd) end
      end
    end)

    it("leaves no descriptor behind " .. way, function()
      local root = root_of(dir .. "/root")
      local before = sys.descriptor_count()
      for _, path in ipairs { "one", "a/b/deep", "a/missing/x", "outdir/secret", "fifo", "a/b" } do
        open_file(root, path)
        C.jh_file_root_stat(root, path, status())
      end
      assert.equal(before, sys.descriptor_count())
      assert.is_true(root.fd >= 0) -- still in use
    end)
  end

  it("must be a directory", function()
    assert.same({ nil, ENOENT }, { open_root(dir .. "/missing") })
    assert.same({ nil, -20 }, { open_root(dir .. "/root/one") })
    assert.truthy(open_root(dir .. "/linked"))
  end)

  it("keeps its index names", function()
    local options, code = ffi.new "jh_file_options", ffi.new "int[1]"
    local text = "index.html//index.htm/" .. ("i/"):rep(20)
    options.index, options.index_len = text, #text
    local root = ffi.gc(C.jh_file_root_new(dir, options, code), C.jh_file_root_free)
    assert.equal(C.JH_FILE_INDEXES_MAX, root.index_count)
    assert.equal("index.html", ffi.string(root.indexes[0].ptr, root.indexes[0].len))
    assert.equal("index.htm", ffi.string(root.indexes[1].ptr, root.indexes[1].len))
  end)

  it("refuses a Cache-Control that is too long", function()
    local options, code = ffi.new "jh_file_options", ffi.new "int[1]"
    local text = ("x"):rep(C.JH_FILE_CACHE_CONTROL_MAX_BYTES + 1)
    options.cache_control, options.cache_control_len = text, #text
    assert.is_true(C.jh_file_root_new(dir, options, code) == nil)
    assert.equal(C.JH_ERANGE, code[0])
  end)

  it("notices that another directory took its place, once in a while", function()
    os.execute(([[
      cd %s && mkdir new old && echo new > new/f && echo old > old/f && ln -s old current
    ]]):format(dir, dir))
    local root = assert(open_root(dir .. "/current"))
    assert.is_false(C.jh_file_root_renew(root, 10000))
    assert.equal("old\n", open_file(root, "f"))
    os.execute(("cd %s && ln -sfn new current"):format(dir))
    assert.is_false(C.jh_file_root_renew(root, 10500))
    assert.equal("old\n", open_file(root, "f"))
    assert.is_true(C.jh_file_root_renew(root, 11000))
    assert.equal("new\n", open_file(root, "f"))
    assert.is_false(C.jh_file_root_renew(root, 20000))
    os.remove(dir .. "/current")
    assert.is_false(C.jh_file_root_renew(root, 30000))
    assert.equal("new\n", open_file(root, "f"))
  end)
end)
