-- websocket_spec.lua: what app:websocket says about its arguments. What WebSockets do is specified
-- in spec/websocket.
local server = require "spec.support.server"

describe("app:websocket", function()
  local function message_of(text)
    local r = server.run { "check", "-e", "local http = require 'justhttp' local app = http.app() "
      .. text .. " return app" }
    assert.are.equal(1, r.code)
    return r.stderr
  end

  it("says what is wrong with what it is given", function()
    for text, want in pairs {
      ["app:websocket('/x')"] = "the handler must be a function(ws, ctx) or a table",
      ["app:websocket('/x', 'y')"] = "got a string",
      ["app:websocket('/x', {})"] = "needs a function message(ws, data, kind)",
      ["app:websocket('/x', function() end, { protocol = {} })"] = 'did you mean "protocols"?',
      ["app:websocket('/x', function() end, { max_message_bytes = '1m' })"] =
        "max_message_bytes must be a number",
      ["app:websocket('/x', function() end, { ping_interval = -1 })"] =
        "ping_interval must be a number of seconds",
      ["app:websocket('/x', function() end, { compress = { window_bits = 8 } })"] =
        "window_bits must be 9 to 15",
    } do
      local got = message_of(text)
      assert.is_truthy(got:find(want, 1, true), got)
    end
  end)
end)
