-- client.lua: the app that measures the client: on request it makes requests of its own, from 64
-- tasks, and answers how many were answered as they should be. spec/bench/measure.lua asks it.

local http = require "justhttp"

local app = http.app()
local client = http.client { max_connections = 64 }

app:get("/run/:port/:count", function(ctx)
  local url = "http://127.0.0.1:" .. ctx.params.port .. "/"
  local each = math.floor(ctx.params.count / 64)
  local tasks, right = {}, 0
  for i = 1, 64 do
    tasks[i] = http.spawn(function()
      for _ = 1, each do
        local res = client:get(url)
        if res and res.body == "Hello, World!" then right = right + 1 end
      end
    end)
  end
  for i = 1, 64 do http.wait(tasks[i]) end
  return ("answered=%d of=%d\n"):format(right, each * 64)
end)

return app
