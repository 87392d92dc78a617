-- websocket_spec.lua: WebSockets with peers that others wrote: Chromium, and npm's ws as client and
-- as server. `make browser` brings what this needs; without it the spec is pending.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local modules = sys.absolute "build/browser"
local chromium = os.getenv "JUSTHTTP_CHROMIUM" or "/usr/bin/chromium"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local function echo(options)
  options.message = function(ws, message, kind) ws:send(message, kind) end
  return options
end
app:get("/", function(ctx) return ctx:html "<!doctype html><link rel=icon href=data:,>" end)
app:websocket("/echo", echo { protocols = { "chat" } })
app:websocket("/compressed", echo { compress = true })
app:websocket("/takeover", echo { compress = { context_takeover = true } })
app:websocket("/closes", function(ws) ws:close(4001, "enough") end)
app:websocket("/room", { open = function(ws) ws:subscribe "room" end,
  message = function(_, message) app:publish("room", message) end, compress = true })
app:get("/ask", function(ctx)
  local ws = assert(http.websocket("ws://127.0.0.1:" .. ctx.query.port,
    { compress = ctx.query.compress and { context_takeover = true } }))
  for _, size in ipairs { 0, 1, 125, 126, 5000, 65536, 300000 } do
    for _, kind in ipairs { "text", "binary" } do
      local message = ("hello "):rep(size / 6)
      assert(ws:send(message, kind))
      local got, got_kind = ws:receive(5)
      if got ~= message or got_kind ~= kind then return "wrong: " .. size .. kind end
    end
  end
  ws:send "close"
  local _, err, code, reason = ws:receive(5)
  return ("all right, %s %d %s"):format(err, code, reason)
end)
return app ]]

local function is_there(path) return sys.read_file(path) ~= nil end

local function run(script, needs_browser)
  if not is_there(modules .. "/node_modules/ws/package.json")
    or (needs_browser and not is_there(chromium)) then
    return pending "needs Chromium and npm's ws: make browser"
  end
  local s = server.start { code = CODE }
  local result = server.run { script, s.url, program = "node",
    env = { JUSTHTTP_BROWSER = modules }, deadline = 90 }
  local errors = s:stderr()
  s:stop()
  assert.equal(0, result.code, result.stdout .. result.stderr .. errors)
end

describe("a WebSocket", function()
  it("speaks with npm's ws", function() run("spec/browser/websocket_peers.mjs", false) end)
  it("speaks with Chromium", function() run("spec/browser/websocket.mjs", true) end)
end)
