--- A gateway: one door for three apps, each behind a balancer, and a page that shows how they do.
--
-- /hello/… goes to apps/hello, /stream/… to apps/stream, /files/… to apps/files; where they are is
-- said by environment variables, several places of one app with spaces between them. Every worker
-- has counts and health of its own; the page shows those of the worker that answers.
local http = require "justhttp"

local app = http.app()

local started = os.time()
local counts = { requests = 0, failures = 0 }
local recent, recent_at = {}, 0
local RECENT = 20

local SERVICES = {
  { name = "hello", title = "hello", about = "greetings", variable = "GATEWAY_HELLO",
    default = "http://127.0.0.1:9001", check = "/" },
  { name = "stream", title = "stream", about = "answers in pieces", variable = "GATEWAY_STREAM",
    default = "http://127.0.0.1:9002", check = "/" },
  { name = "files", title = "files", about = "a shelf of files", variable = "GATEWAY_FILES",
    default = "http://127.0.0.1:9003", check = "/" },
}

local function places_of(service)
  local places = {}
  for url in (os.getenv(service.variable) or service.default):gmatch "%S+" do
    places[#places + 1] = url
  end
  return places
end

-- ---- counting -----------------------------------------------------------------------------------

local function note(service, ctx)
  local class = math.floor(ctx.status / 100) .. "xx"
  local of = service.counts
  of.requests, of[class] = of.requests + 1, (of[class] or 0) + 1
  counts.requests = counts.requests + 1
  if ctx.status >= 500 then counts.failures = counts.failures + 1 end
  recent_at = recent_at % RECENT + 1
  recent[recent_at] = {
    time = os.date "!%H:%M:%S", method = ctx.method, url = ctx.url, status = ctx.status,
    service = service.name, number = counts.requests,
  }
end

local function counting(service)
  return function(ctx, next)
    local first, second = next()
    note(service, ctx)
    return first, second
  end
end

-- ---- the services -------------------------------------------------------------------------------

-- What an upstream answers was made for the root of its site: links to "/x" lead there, so the
-- cookies and the Location it gives are put below the service's own path.
local function below(service)
  local prefix = "/" .. service.name
  return function(_, res)
    local location = res.headers.location
    if location and location:find "^/[^/]" then res:set("Location", prefix .. location) end
  end
end

for _, service in ipairs(SERVICES) do
  service.counts = { requests = 0 }
  service.balancer = http.balancer {
    name = service.name, upstreams = places_of(service),
    check = { path = service.check, interval = 2, timeout = 1, rise = 1, fall = 2 },
  }
  local pass = http.proxy {
    balancer = service.balancer, connect_timeout = 2, read_timeout = 30, via = "gateway",
    on_response = below(service),
    on_error = function(_, err) service.last_error = err end,
  }
  local large = http.middleware.limits { body = "2g" }
  app:any("/" .. service.name .. "/*rest", large, counting(service), pass)
  app:get("/" .. service.name, function(ctx) ctx:redirect("/" .. service.name .. "/") end)
end

-- ---- the page -----------------------------------------------------------------------------------

local function status_of(service)
  local rows, up = {}, 0
  for i, row in ipairs(service.balancer:status().upstreams) do
    if row.is_up then up = up + 1 end
    rows[i] = {
      url = row.url, is_up = row.is_up, is_healthy = row.is_healthy, is_ejected = row.is_ejected,
      pending = row.pending, total = row.total, failures = row.failures,
      last_error = not row.is_up and row.last_error or nil,
    }
  end
  return {
    name = service.name, title = service.title, about = service.about, up = up, upstreams = rows,
    counts = service.counts, last_error = service.last_error,
  }
end

app:get("/status.json", function(ctx)
  local services, latest = {}, {}
  for i, service in ipairs(SERVICES) do services[i] = status_of(service) end
  for i = 0, RECENT - 1 do
    latest[#latest + 1] = recent[(recent_at - i - 1) % RECENT + 1]
  end
  ctx:set("Cache-Control", "no-store")
  return {
    uptime = os.time() - started, requests = counts.requests, failures = counts.failures,
    services = http.json.array(services), recent = http.json.array(latest),
  }
end)

app:get("/", function(ctx)
  ctx:set("Content-Security-Policy", "default-src 'self'; style-src 'self'; script-src 'self'")
  return ctx:file "public/index.html"
end)
app:static("/assets", "public")

-- For load balancers in front of this one: well as long as every service has somebody up.
app:get("/health", function()
  for _, service in ipairs(SERVICES) do
    if status_of(service).up == 0 then return 503, service.name .. " is down\n" end
  end
  return "well\n"
end)

return app
