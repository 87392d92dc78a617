--- Routes, JSON, parameters, middleware and values, on one screen. README.md has a curl for each.
local http = require "justhttp"

local app = http.app()

app:use(http.middleware.request_id())

-- Middleware wraps what comes after it; ctx.values belongs to this request alone.
app:use(function(ctx, next)
  ctx.values.visitor = ctx.cookies.name or "stranger"
  next()
  ctx:set("X-Visitor", ctx.values.visitor)
end)

app:get("/", function() return "Hello, World!\n" end)

app:get("/hello/:name", function(ctx)
  ctx:cookie("name", http.query.escape(ctx.params.name), { path = "/", http_only = true })
  return ("Hello, %s! You were %s before.\n"):format(ctx.params.name, ctx.values.visitor)
end)

app:group("/api", function(api)
  api:get("/search", function(ctx)
    return { q = ctx.query.q, tags = http.json.array(ctx.query_all.tag) }
  end)

  api:post("/echo", function(ctx)
    local value, err = ctx:json()
    if err then return 400, { error = err } end
    return 201, { you_sent = value, request = ctx.values.request_id }
  end)

  -- A handler that waits holds up nobody else.
  api:get("/slow", http.middleware.timeout(2), function(ctx)
    http.sleep(tonumber(ctx.query.seconds) or 0.1)
    return { slept = true }
  end)
end)

return app
