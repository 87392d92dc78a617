-- The server of these specs: one echo for a task, one for a table of functions, with options.
local server = require "spec.support.server"

local M = {}

M.code = [[
local http = require "justhttp"
local app = http.app()
local function echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end
local function echo_table(options)
  options.message = function(ws, message, kind) ws:send(message, kind) end
  return options
end
app:websocket("/task", echo)
app:websocket("/table", echo_table {})
app:websocket("/compressed", echo, { compress = true })
app:websocket("/compressed-table", echo_table { compress = { context_takeover = true } })
app:websocket("/small-window", echo_table { compress = { context_takeover = true,
  window_bits = 9 } })
app:websocket("/limited", echo, { max_message_bytes = 1000, max_frame_bytes = 600,
  compress = true })
app:websocket("/large", echo_table { max_message_bytes = 33554432 })
return app
]]

M.paths = { "/task", "/table" }

function M.start(options)
  return server.start { code = M.code, options = options }
end

return M
