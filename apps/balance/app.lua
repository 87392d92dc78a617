-- A small load balancer: GET / asks one of the upstreams, /status shows what is known of them.
--
-- Started without UPSTREAMS it is an upstream itself: /work answers after a while, and sometimes
-- with a failure when FAIL (a percentage) is set. README.md shows how to run both.
local http = require "justhttp"
local app = http.app()

app:get("/health", function() return "well\n" end)

app:get("/work", function(ctx)
  http.sleep(math.random(5, 20) / 1000)
  if math.random(100) <= (tonumber(os.getenv "FAIL") or 0) then return 503, "not now\n" end
  return ("done at %s\n"):format(ctx.headers.host)
end)

local upstreams = {}
for url in (os.getenv "UPSTREAMS" or ""):gmatch "%S+" do upstreams[#upstreams + 1] = url end
if not upstreams[1] then return app end

local lb = http.balancer {
  upstreams = upstreams, slow_start = 5, check = { path = "/health", interval = 1 },
  retry = { statuses = { 502, 503, 504 } }, hedge = { percentile = 95 },
  is_good = function(response) return response ~= nil and response.status < 500 end,
}

app:get("/", http.middleware.timeout(2), function()
  local res, err = lb:get "/work"
  if not res then return 502, err .. "\n" end
  return res.status, res.body
end)

app:get("/status", function() return lb:status() end)

app:post("/upstreams", function(ctx)
  lb:add((ctx:form() or {}).url)
  return 201, "added\n"
end)

app:delete("/upstreams", function(ctx)
  return 200, ("removed %d\n"):format(lb:remove(ctx.query.url))
end)

return app
