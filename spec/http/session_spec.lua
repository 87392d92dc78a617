-- Sessions against a real server, in the clear and over TLS: a login, a shop, a jar on disk.
local caller = require "spec.support.caller"
local json = require "justhttp.json"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local APP = [[
local http = require "justhttp"
local app = http.app()
local function told(ctx)
  return { cookie = ctx.headers.cookie, referer = ctx.headers.referer, method = ctx.method,
           agent = ctx.headers["user-agent"], own = ctx.headers["x-own"], path = ctx.path }
end
app:post("/login", function(ctx)
  if (ctx:form() or {}).password ~= "secret" then return 403, "no" end
  ctx:cookie("sid", "s-1", { path = "/", http_only = true })
  ctx:redirect("/account", 303)
end)
app:get("/account", function(ctx)
  if ctx.cookies.sid ~= "s-1" then return 401, "who?" end
  return told(ctx)
end)
app:get("/hop/:n", function(ctx)
  local n = tonumber(ctx.params.n)
  ctx:cookie("hop" .. n, "1", { path = "/" })
  if n == 0 then return told(ctx) end
  ctx:redirect("/hop/" .. n - 1)
end)
app:get("/to/*url", function(ctx) ctx:redirect(ctx.query_string) end)
app:get("/set", function(ctx)
  for name, value in pairs(ctx.query) do ctx:append("Set-Cookie", name .. "=" .. value) end
end)
app:get("/secure", function(ctx)
  ctx:cookie("safe", "1", { secure = true, path = "/" })
  ctx:append("Set-Cookie", "__Host-a=1; Secure; Path=/")
end)
app:get("/policy/:policy", function(ctx) ctx:set("Referrer-Policy", ctx.params.policy) end)
app:get("/logout", function(ctx) ctx:cookie("sid", nil, { path = "/" }) end)
app:any("/*rest", told)
return app
]]

describe("a session", function()
  local c, s, other, plain, safe

  setup(function()
    c = caller.start()
    s = server.start { code = APP, listen = { "127.0.0.1:0", "https://127.0.0.1:0" },
                       options = { tls = "self" } }
    other = server.start { code = APP }
    plain, safe = s.urls[1], s.urls[2]
    if safe:match "^http:" then plain, safe = safe, plain end
  end)
  teardown(function()
    c:stop()
    s:stop()
    other:stop()
  end)

  local function run(code, more)
    local arguments = { plain = plain, safe = safe, other = other.url }
    for name, value in pairs(more or {}) do arguments[name] = value end
    return c:run(code, arguments)
  end

  it("logs in, stays logged in, and logs out", function()
    local before, after, again, out = run [[
      local s = http.session { base = a.plain }
      local before = s:get("/account").status
      local after = s:post("/login", { form = { password = "secret" } })
      local again = s:get("/account").status
      s:get "/logout"
      return before, after:json(), again, s:get("/account").status ]]
    assert.equal(401, before)
    assert.equal("sid=s-1", after.cookie)
    assert.equal("GET", after.method)
    assert.equal(plain .. "/login", after.referer)
    assert.same({ 200, 401 }, { again, out })
  end)

  it("keeps the cookies of every redirect", function()
    local last, count = run [[
      local s = http.session { base = a.plain }
      local res = s:get "/hop/5"
      return res:json(), #s.cookies:all() ]]
    assert.equal("hop5=1; hop4=1; hop3=1; hop2=1; hop1=1", last.cookie)
    assert.equal(plain .. "/hop/1", last.referer)
    assert.equal(6, count)
  end)

  it("shows Secure cookies to nobody in the clear", function()
    local over_tls, in_clear, from_clear = run [[
      local s = http.session { tls = { verify = false } }
      s:get(a.safe .. "/secure")
      local t = http.session()
      t:get(a.plain .. "/secure")
      return s:get(a.safe .. "/x"):json().cookie, s:get(a.plain .. "/x"):json().cookie or "none",
        #t.cookies:all() ]]
    assert.equal("safe=1; __Host-a=1", over_tls)
    assert.equal("none", in_clear)
    assert.equal(0, from_clear)
  end)

  it("tells other origins its own only, and nothing on the way out of TLS", function()
    local same, cross, out, back = run [[
      local s = http.session { base = a.safe, tls = { verify = false } }
      s:get "/page?secret=1"
      local same = s:get("/x"):json().referer
      local cross = s:get(a.plain .. "/x"):json().referer or "none"
      s:get(a.plain .. "/page?secret=1")
      local out = s:get(a.other .. "/x"):json().referer
      local back = s:get(a.safe .. "/x"):json().referer
      return same, cross, out, back ]]
    assert.equal(safe .. "/page?secret=1", same)
    assert.equal("none", cross)
    assert.equal(plain .. "/", out)
    assert.equal(other.url .. "/", back)
  end)

  it("does as the page or its maker says about Referer", function()
    local by_page, by_maker, none = run [[
      local s = http.session { base = a.plain }
      s:get "/policy/no-referrer"
      local by_page = s:get("/x"):json().referer or "none"
      s = http.session { base = a.plain, referrer_policy = "origin" }
      s:get "/policy/unsafe-url"
      local by_maker = s:get("/x"):json().referer
      s = http.session { base = a.plain, referrer_policy = false }
      s:get "/x"
      return by_page, by_maker, s:get("/x"):json().referer or "none" ]]
    assert.same({ "none", plain .. "/", "none" }, { by_page, by_maker, none })
  end)

  it("leaves cookies and credentials behind when a redirect leaves the host", function()
    local told = run([[
      local s = http.session { base = a.plain, headers = { ["X-Own"] = "1" } }
      s:get "/set?a=1"
      return s:get("/to/?" .. a.away, { headers = { Authorization = "x" } }):json() ]],
      { away = (other.url:gsub("127.0.0.1", "localhost")) .. "/x" })
    assert.is_nil(told.cookie)
    assert.equal("1", told.own)
    assert.equal(plain .. "/", told.referer)
  end)

  it("is remembered by a file, and by another worker", function()
    local dir = sys.temp_dir()
    local path = dir .. "/jar"
    run([[
      local s = http.session { base = a.plain }
      s:post("/login", { form = { password = "secret" } })
      assert(s:save(a.path)) ]], { path = path })
    assert.equal(1, #json.decode(sys.read_file(path)).cookies)
    local second = caller.start()
    local status, count = second:run([[
      local s = http.session { base = a.plain }
      local count = s:load(a.path)
      return s:get("/account").status, count ]], { plain = plain, path = path })
    assert.equal(200, status)
    assert.equal(1, count)
    second:stop()
    local res, err = run([[ return http.session():load(a.path .. "x") ]], { path = path })
    assert.is_nil(res)
    assert.matches("No such file", err)
    sys.remove(dir)
  end)

  it("is shared by tasks", function()
    local cookie = run [[
      local s = http.session { base = a.plain }
      local tasks = {}
      for i = 1, 20 do tasks[i] = http.spawn(s.get, s, "/set?c" .. i .. "=" .. i) end
      for i = 1, 20 do http.wait(tasks[i]) end
      return s:get("/x"):json().cookie ]]
    for i = 1, 20 do
      assert.is_truthy((cookie .. ";"):find("c" .. i .. "=" .. i .. ";", 1, true))
    end
  end)

  it("streams, and lets go of its links", function()
    local text, connections = run [[
      local s = http.session { base = a.plain }
      local res = s:get("/x", { stream = true })
      local text = res:text()
      s:close()
      return text, s:stats()[a.plain] and 1 or 0 ]]
    assert.equal("GET", json.decode(text).method)
    assert.equal(0, connections)
  end)

  it("has cookies for a server on a unix socket", function()
    local dir = sys.temp_dir()
    local one = server.start { code = APP, listen = "unix:" .. dir .. "/s" }
    local by_option, by_url = run([[
      local s = http.session { base = "http://shop.example/", unix = a.path }
      s:get "/set?a=1"
      local by_option = s:get("/x"):json().cookie
      s = http.session { base = "http+unix://" .. a.path:gsub("/", "%%2F") .. "/" }
      s:get "/set?b=1"
      return by_option, s:get("/x"):json().cookie ]], { path = dir .. "/s" })
    assert.same({ "a=1", "b=1" }, { by_option, by_url })
    one:stop()
    sys.remove(dir)
  end)
end)
