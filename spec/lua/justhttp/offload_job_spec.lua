-- offload_job.lua: the other side of http.offload, here without a thread: encoded in, encoded out.
local buffer = require "string.buffer"
local sys = require "spec.support.sys"

describe("a job of http.offload", function()
  local loaders, run

  setup(function()
    loaders = #package.loaders
    run = loadstring(sys.read_file "lua/justhttp/offload_job.lua", "=offload_job")()
  end)
  teardown(function()
    while #package.loaders > loaders do table.remove(package.loaders, 2) end
  end)

  local function job(fn, upvalues, ...)
    return buffer.decode(run(buffer.encode {
      code = string.dump(fn), upvalues = upvalues, upvalue_count = #upvalues,
      arguments = { n = select("#", ...), ... }, path = package.path, cpath = package.cpath,
    }))
  end

  it("calls the function with its upvalues and arguments", function()
    local a, b, c -- luacheck: ignore 221
    local got = job(function(x) return a + x, b "%d" ~= nil, type(c) end,
      { { value = 1 }, { path = "string.len" }, { module = "cjson" } }, 41)
    assert.are.same({ results = { true, 42, true, "table", n = 4 } }, got)
  end)

  it("tells of errors, and of results that cannot travel", function()
    assert.is_truthy(job(function() error "no" end, {}).error:find("no\nstack", 1, true))
    assert.is_true(job(function() return print end, {}).unfit)
  end)
end)
