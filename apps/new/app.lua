--- An app to begin with: a page, JSON, static files. README.md says how to run and test it.
local http = require "justhttp"

local app = http.app()

app:use(http.middleware.request_id())
app:templates "views"

app:get("/", function(ctx)
  ctx:render("home", { name = ctx.query.name or "World" })
end)

app:get("/hello/:name", function(ctx)
  return { hello = ctx.params.name }
end)

app:static("/assets", "public")

return app
