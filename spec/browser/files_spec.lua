-- files_spec.lua: apps/files in headless Chromium. `make browser` brings what this needs; without
-- it the spec is pending.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local modules = sys.absolute "build/browser"
local chromium = os.getenv "JUSTHTTP_CHROMIUM" or "/usr/bin/chromium"

local function is_there(path)
  return sys.read_file(path) ~= nil
end

describe("apps/files in a browser", function()
  it("browses, uploads with progress and downloads", function()
    if not is_there(modules .. "/node_modules/playwright-core/package.json")
      or not is_there(chromium) then
      return pending "needs Chromium and playwright-core: make browser"
    end
    local dir = sys.temp_dir()
    os.execute("mkdir -p " .. dir .. "/store/sub")
    sys.write_file(dir .. "/store/hello.txt", "hello\n")
    sys.write_file(dir .. "/store/large.bin", ("0123456789"):rep(200000):sub(1, 1999998))
    sys.write_file(dir .. "/store/sub/inner.txt", "inner\n")
    local s = server.start { app = "apps/files", env = { FILES_STORE = dir .. "/store" } }
    local result = server.run { "spec/browser/files.mjs", s.url, dir, program = "node",
      env = { JUSTHTTP_BROWSER = modules }, deadline = 90 }
    s:stop()
    sys.remove(dir)
    assert.equal(0, result.code, result.stdout .. result.stderr)
  end)
end)
