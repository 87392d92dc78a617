-- file_cache_spec.lua: files when memory is out: the request may fail, the next one does not. What
-- is served is in spec/http/static_files_spec.lua.
local alloc = require "spec.support.alloc"
local sys = require "spec.support.sys"
local worker = require "spec.support.worker"

describe("files, when memory is out", function()
  local dir, w

  setup(function()
    dir = sys.temp_dir()
    w = worker.new(function(app)
      app:static("/packed", dir, { precompressed = true })
      app:static("/", dir, { listing = true, index = false })
    end)
  end)
  teardown(function()
    w:close()
    sys.remove(dir)
  end)

  local function write_files()
    sys.write_file(dir .. "/small.txt", "small")
    sys.write_file(dir .. "/small.txt.gz", "packed")
    sys.write_file(dir .. "/large.bin", ("large "):rep(50000))
  end

  local requests = {
    { "/small.txt" }, { "/large.bin" }, { "/small.txt", { Range = "bytes=1-2" } },
    { "/small.txt", { Range = "bytes=0-0,3-4" } }, { "/large.bin", { Range = "bytes=5-" } },
    { "/large.bin", { Range = "bytes=0-9,100000-200000" } }, { "/" }, { "/missing" },
    { "/packed/small.txt", { ["Accept-Encoding"] = "gzip" } },
    { "/small.txt", { ["If-None-Match"] = { '"a"', '"b"' } } },
  }

  for _, is_kept in ipairs { false, true } do
    it("are there again afterwards, " .. (is_kept and "kept" or "read anew"), function()
      for _, one in ipairs(requests) do
        write_files()
        local want = w:get(one[1], one[2])
        local failures = alloc.fail_each(function()
          if not is_kept then write_files() end
          local r = w.app:request { path = one[1], headers = one[2] }
          local is_whole = r and r.status == want.status
          -- A neighbour that could not be loaded is done without.
          if is_whole and r.body ~= "small" then assert.equal(#want.body, #r.body) end
        end)
        assert.is_true(failures > 0)
        write_files()
        local r = w:get(one[1], one[2])
        assert.equal(want.status, r.status)
        assert.equal(want.body:gsub("%x+", ""), r.body:gsub("%x+", ""))
      end
    end)
  end
end)
