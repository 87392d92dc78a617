-- chat_spec.lua: apps/chat in headless Chromium, two pages at two workers, over TLS and HTTP/2.
-- `make browser` brings what this needs; without it the spec is pending.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local modules = sys.absolute "build/browser"
local chromium = os.getenv "JUSTHTTP_CHROMIUM" or "/usr/bin/chromium"

local function is_there(path)
  return sys.read_file(path) ~= nil
end

describe("apps/chat in a browser", function()
  it("talks, shows who is there, and comes back", function()
    if not is_there(modules .. "/node_modules/playwright-core/package.json")
      or not is_there(chromium) then
      return pending "needs Chromium and playwright-core: make browser"
    end
    local dir = sys.temp_dir()
    local s = server.start { app = "apps/chat", workers = 2, listen = "https://127.0.0.1:0",
      options = { tls = "self" }, env = { CHAT_STORE = dir .. "/store" } }
    local result = server.run { "spec/browser/chat.mjs", s.url, dir, program = "node",
      env = { JUSTHTTP_BROWSER = modules, JUSTHTTP_WORKERS = table.concat(s:workers(), " ") },
      deadline = 120 }
    local errors = s:stderr()
    s:signal(sys.SIGTERM)
    s:wait(10)
    sys.remove(dir)
    assert.equal(0, result.code, result.stdout .. result.stderr .. errors)
  end)
end)
