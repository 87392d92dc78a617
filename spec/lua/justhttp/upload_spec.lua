-- Files of a form; what becomes of them on disk is in spec/http/upload_files_spec.lua.
local sys = require "spec.support.sys"
local worker = require "spec.support.worker"

describe("a file of a form", function()
  local w, handler, dir

  setup(function()
    dir = sys.temp_dir()
    w = worker.new(function(app, http)
      app:post("/", http.middleware.limits { body = "4m" }, function(ctx) return handler(ctx) end)
    end)
  end)
  teardown(function()
    w:close()
    sys.remove(dir)
  end)

  -- What fn(file) returned, for a file in memory and for one on disk.
  local function each(content, fn)
    for _, spool_above in ipairs { #content, 0 } do
      local result
      handler = function(ctx)
        result = fn(ctx:files({ spool_above = spool_above }).f[1], spool_above)
        return "ok"
      end
      local response = w:request {
        method = "POST", multipart = { { name = "f", filename = "x", content = content } },
      }
      assert.equal("ok", response.body, w.log[#w.log])
      if result == nil then return end
    end
  end

  it("is read in pieces, then not any more, until it is rewound", function()
    each("abcdefg", function(file)
      assert.same({ "abc", "def", "g" }, { file:read(3), file:read(3), file:read(3) })
      assert.is_nil(file:read(3))
      assert.is_nil(file:read(3))
      file:rewind()
      assert.equal("ab", file:read(2))
      assert.equal("cdefg", file:read())
      assert.is_nil(file:read())
      file:rewind()
      assert.equal("abcdefg", file:read())
      return true
    end)
  end)

  it("is an empty string once, when it is empty", function()
    each("", function(file)
      assert.equal("", file:read())
      assert.is_nil(file:read())
      file:rewind()
      assert.is_nil(file:read(1))
    end)
  end)

  it("is read by lines from where reading stands", function()
    each("one\ntwo\r\n\nfour", function(file)
      local lines = {}
      file:read(4)
      for line in file:lines() do lines[#lines + 1] = line end
      assert.same({ "two", "", "four" }, lines)
      return true
    end)
  end)

  it("is saved where it is told to", function()
    each("content", function(file, kind)
      local path = dir .. "/saved" .. kind
      assert.is_true(file:save(path))
      assert.equal("content", sys.read_file(path))
      local ok, err = file:save(path)
      assert.same({ false, path .. ": File exists" }, { ok or false, err })
      assert.is_true(file:save(path, { overwrite = true }))
      assert.equal("content", file:read())
      return true
    end)
  end)

  it("says how it must be used", function()
    each("content", function(file)
      assert.error_matches(function() file:read(0) end, "file:read: give a number of bytes")
      assert.error_matches(function() file:read "a" end, "file:read: give a number of bytes")
      for _, path in ipairs { "", "a\0b", 5, false } do
        assert.error_matches(function() file:save(path) end, "file:save: the path must be a string")
      end
      file:close()
      file:close()
      assert.error_matches(function() file:read() end, "file:read: the file is closed")
      assert.error_matches(function() file:save "x" end, "file:save: the file is closed")
      assert.error_matches(function() file:lines() end, "file:lines: the file is closed")
      return true
    end)
  end)

  it("is over with its ctx", function()
    local kept
    each("content", function(file) kept = file end)
    assert.error_matches(function() kept:read() end, "used after its response was sent")
    assert.error_matches(function() kept:save(dir .. "/x") end, "used after its response was sent")
    kept:close()
  end)
end)
