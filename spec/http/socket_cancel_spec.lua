-- A client that leaves ends what its handler waits for: connections it opened are closed at once
-- and not when the collector finds them.
local listener = require "spec.support.listener"
local server = require "spec.support.server"

local APP = [[
local http = require "justhttp"
local app = http.app()
local port = tonumber(os.getenv "SPEC_PORT")
app:get("/receive", function()
  local s = assert(http.socket.connect("127.0.0.1", port))
  s:send "hello"
  s:receive()
end)
app:get("/task", function()
  http.wait(http.spawn(function()
    local s = assert(http.socket.connect("127.0.0.1", port))
    s:send "hello"
    http.sleep(60)
  end))
end)
app:get("/fd", function()
  local s = assert(http.socket.connect("127.0.0.1", port))
  s:send "hello"
  http.fd_wait(s:getfd(), "r", 60)
end)
return app
]]

describe("a handler whose client leaves", function()
  it("leaves no connection behind", function()
    local l = listener.tcp()
    local s = server.start { code = APP, env = { SPEC_PORT = tostring(l.port) } }
    for _, path in ipairs { "/receive", "/task", "/fd" } do
      local client = s:connect()
      client:send("GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n")
      local peer = l:accept()
      assert.are.equal("hello", peer:receive(5))
      client:close()
      assert.are.equal("", peer:receive_some(), path)
      peer:close()
    end
    l:close()
  end)
end)
