-- The app that the bench measures: one route per case of spec/bench/cases.lua, nothing else.
-- Started as `justhttp run spec/bench/app.lua`; nginx.conf beside it answers the same.

local http = require "justhttp"

local app = http.app()

app:get("/", function()
  return "Hello, World!"
end)

app:get("/json", function()
  return { message = "Hello, World!" }
end)

local large = http.middleware.limits { body = "1t" }

app:post("/parts", large, function(ctx)
  local bytes = 0
  for part in ctx:parts() do
    for piece in function() return part:read(65536) end do bytes = bytes + #piece end
  end
  return tostring(bytes)
end)

app:post("/pieces", large, function(ctx)
  local bytes = 0
  for piece in ctx:pieces() do bytes = bytes + #piece end
  return tostring(bytes)
end)

app:get("/users/:id", function(ctx)
  return ctx.params.id
end)

local function put(name, value)
  return function(ctx, next)
    ctx.values[name] = value
    return next()
  end
end

app:get("/values", put("tenant", "acme"), put("user", 42), put("role", "admin"),
  put("locale", "en"), function()
    return "Hello, World!"
  end)

app:get("/late", http.middleware.timeout(0.05), function()
  http.sleep(0.1)
  return "late"
end)

app:websocket("/echo", { message = function(ws, message, kind) ws:send(message, kind) end })

app:websocket("/echo-task", function(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end)

app:websocket("/topic", { open = function(ws) ws:subscribe "topic" end, message = function() end })

local MESSAGE = ("x"):rep(125)

app:get("/publish", function() return app:publish("topic", MESSAGE) .. "" end)

-- What is garbage must not be counted as memory of connections.
app:get("/collect", function()
  collectgarbage()
  collectgarbage()
  return "collected"
end)

local files = os.getenv "BENCH_FILES"
if files then app:static("/files", files) end

local upstream = os.getenv "BENCH_UPSTREAM"
if upstream then app:any("/proxy/*rest", http.proxy { upstream = upstream }) end

return app
