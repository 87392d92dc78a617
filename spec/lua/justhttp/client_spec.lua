-- client.lua: requests with redirects and second tries, the pool behind them, and what is said when
-- they fail.
local caller = require "spec.support.caller"
local peer = require "spec.support.peer"
local server = require "spec.support.server"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:get("/", function() return "hello" end)
app:any("/echo", function(ctx)
  return { method = ctx.method, body = ctx.body, type = ctx.headers["content-type"],
    auth = ctx.headers.authorization, query = ctx.query_string, agent = ctx.headers["user-agent"] }
end)
app:get("/loop/:n", function(ctx)
  local n = tonumber(ctx.params.n)
  if n == 0 then return "arrived" end
  ctx:redirect("/loop/" .. n - 1)
end)
app:any("/to/:status/*url", function(ctx)
  ctx:redirect("/" .. ctx.params.url, tonumber(ctx.params.status))
end)
app:get("/slow", function() http.sleep(5) return "late" end)
app:get("/wait", function() http.sleep(0.02) return "waited" end)
app:get("/big", function() return ("x"):rep(100000) end)
app:any("/form", function(ctx)
  local files = ctx:files()
  return { fields = ctx:form(), name = files.f[1].name, size = files.f[1].size }
end)
return app
]]

describe("the client", function()
  local c, s
  setup(function()
    c = caller.start()
    s = server.start { code = APP }
  end)
  teardown(function()
    c:stop()
    s:stop()
  end)

  local function run(code, more)
    local arguments = { url = s.url }
    for name, value in pairs(more or {}) do arguments[name] = value end
    return c:run(code, arguments)
  end

  it("gets", function()
    assert.are.same({ 200, "hello", s.url .. "/", true }, { run [[
      local res = assert(http.get(a.url .. "/"))
      return res.status, res.body, res.url, res.is_ok ]] })
  end)

  it("sends every method", function()
    for _, method in ipairs { "get", "post", "put", "patch", "delete", "options" } do
      assert.are.equal(method:upper(), (run([[
        return http[a.method](a.url .. "/echo"):json().method ]], { method = method })))
    end
    assert.are.same({ 200, "" }, { run [[
      local res = http.head(a.url .. "/") return res.status, res.body ]] })
    assert.are.equal("PUT", (run [[ return http.request("PUT", a.url .. "/echo"):json().method ]]))
    assert.are.equal("PUT", (run [[
      return http.request { method = "PUT", url = a.url .. "/echo" }:json().method ]]))
  end)

  it("sends bodies", function()
    local function echo(options) return (run([[
      return http.post(a.url .. "/echo", a.options):json() ]], { options = options })) end
    assert.are.equal("text", echo("text").body)
    assert.are.same({ '{"a":1}', "application/json" },
      { echo({ json = { a = 1 } }).body, echo({ json = { a = 1 } }).type })
    assert.are.equal("a=1", echo({ form = { a = 1 } }).body)
    assert.are.equal("b=c%20d", echo({ query = { b = "c d" } }).query)
    local got = run [[ return http.post(a.url .. "/form", { multipart = { a = "1",
      f = { filename = "x.txt", data = "abc" } } }):json() ]]
    assert.are.same({ fields = { a = "1" }, name = "x.txt", size = 3 }, got)
  end)

  it("uses links again", function()
    local stats = run [[
      local client = http.client()
      for _ = 1, 10 do assert(client:get(a.url .. "/").body == "hello") end
      return client:stats()[a.url] ]]
    assert.are.same({ connections = 1, idle = 1, waiting = 0, calls = 10, dialled = 1,
      retried = 0 }, stats)
  end)

  it("opens as many as it may, and waits for the rest in order", function()
    local order, dialled = run [[
      local client = http.client { max_connections = 2 }
      local order, tasks = {}, {}
      for i = 1, 6 do
        tasks[i] = http.spawn(function()
          assert(client:get(a.url .. "/wait"))
          order[#order + 1] = i
        end)
      end
      for i = 1, 6 do http.wait(tasks[i]) end
      return order, client:stats()[a.url].dialled ]]
    assert.are.equal(2, dialled)
    table.sort(order, function(x, y) return math.ceil(x / 2) < math.ceil(y / 2) end)
    assert.are.equal(6, #order)
  end)

  it("waits for a link no longer than it may", function()
    local err, kind, none, none_kind = run [[
      local client = http.client { max_connections = 1, wait_timeout = 0.02 }
      local task = http.spawn(function() return client:get(a.url .. "/slow", { timeout = 1 }) end)
      http.sleep(0)
      local _, err, kind = client:get(a.url .. "/")
      local _, none, none_kind = client:get(a.url .. "/", { wait_timeout = 0 })
      task:cancel()
      return err, kind, none, none_kind ]]
    assert.are.equal("timeout", kind)
    assert.truthy(err:find "no link became free")
    assert.are.equal("busy", none_kind)
    assert.truthy(none:find "all 1 links to 127.0.0.1")
  end)

  it("follows redirects, so many and no more", function()
    assert.are.same({ "arrived", s.url .. "/loop/0" }, { run [[
      local res = http.get(a.url .. "/loop/16") return res.body, res.url ]] })
    local res, err, kind = run [[ return http.get(a.url .. "/loop/17") ]]
    assert.is_nil(res)
    assert.are.equal("redirect", kind)
    assert.truthy(err:find "more than 16 redirects")
    assert.are.equal(302, (run [[
      return http.get(a.url .. "/loop/1", { redirects = false }).status ]]))
    local got = run [[ return http.post(a.url .. "/to/307/echo", "x"):json() ]]
    assert.are.same({ "POST", "x" }, { got.method, got.body })
    got = run [[ return http.post(a.url .. "/to/302/echo", "x"):json() ]]
    assert.are.same({ "GET", "" }, { got.method, got.body })
  end)

  it("names what took too long, and the URL", function()
    local res, err, kind = run [[ return http.get(a.url .. "/slow", { timeout = 0.03 }) ]]
    assert.is_nil(res)
    assert.are.same({ "timeout", ("GET %s/slow: 127.0.0.1:%d: no answer in time"):format(s.url,
      s.port) }, { kind, err })
    res, err, kind = run [[ return http.get(a.url .. "/slow", { read_timeout = 0.03 }) ]]
    assert.is_nil(res)
    assert.are.same({ "timeout", true }, { kind, err:find("no answer in time", 1, true) ~= nil })
  end)

  it("bounds bodies", function()
    local res, err, kind = run [[ return http.get(a.url .. "/big", { max_body_bytes = 1000 }) ]]
    assert.is_nil(res)
    assert.are.equal("limit", kind)
    assert.truthy(err:find "the body is too large")
    assert.are.equal(100000, (run [[
      return #http.get(a.url .. "/big", { max_body_bytes = "1m" }).body ]]))
  end)

  it("says who refused to connect, and what cannot be found", function()
    local p = peer.listen()
    local port = p.port
    p:close()
    local _, err, kind = c:run([[ return http.get(a.url) ]], { url = "http://127.0.0.1:" .. port })
    assert.are.same({ "connect", ("GET http://127.0.0.1:%d: connect to 127.0.0.1:%d: "
      .. "connection refused"):format(port, port) }, { kind, err })
    _, err, kind = c:run [[ return http.get "http://name.invalid/" ]]
    assert.are.equal("resolve", kind)
    assert.truthy(err:find("name.invalid", 1, true))
  end)

  it("raises what is misuse, at the line of the caller", function()
    for code, text in pairs {
      ['http.get(1)'] = "URL", ['http.get(a.url, 1)'] = "table of options",
      ['http.get(a.url, { tmeout = 1 })'] = "did you mean",
      ['http.get(a.url, { headers = { A = "b\\r\\nC: d" } })'] = "no header may have",
      ['http.request("G T", a.url)'] = "no method", ['http.client { x = 1 }'] = "no option",
      ['http.client():post(a.url, { body = "a", json = {} })'] = "give one of",
    } do
      local ok, err = run("local ok, err = pcall(function() " .. code
        .. " end) return ok, tostring(err)")
      assert.is_false(ok, code)
      assert.truthy(err:find(text, 1, true), code .. ": " .. err)
      assert.truthy(err:find("spec:1:", 1, true), code .. ": " .. err)
    end
  end)

  it("gives back what is wrong with a URL", function()
    local res, err, kind = run [[ return http.get "http:///x" ]]
    assert.is_nil(res)
    assert.are.same({ "GET http:///x: no host", "invalid" }, { err, kind })
  end)

  it("connects to sockets", function()
    local sys = require "spec.support.sys"
    local dir = sys.temp_dir()
    local p = peer.listen { path = dir .. "/s" }
    local pending = c:begin([[ return http.get("http://name/x", { unix = a.path }).body ]],
      { path = p.path })
    local link = p:accept()
    assert.truthy(peer.answer(link, "by socket"):find "^GET /x HTTP/1.1\r\nHost: name\r\n")
    assert.are.equal("by socket", pending:finish())
    link:close()
    pending = c:begin([[ return http.get(a.url).url ]],
      { url = "http+unix://" .. p.path:gsub("/", "%%2F") .. "/y" })
    link = p:accept()
    assert.truthy(peer.answer(link, "x"):find "^GET /y HTTP/1.1\r\nHost: localhost\r\n")
    assert.truthy(pending:finish():find "/y$")
    link:close()
    p:close()
    sys.remove(dir)
  end)

  it("does one exchange with send, and nothing else", function()
    local status, location = run [[
      local res = assert(http.client():send { method = "GET", scheme = "http", host = "127.0.0.1",
        port = tonumber(a.url:match ":(%d+)$"), target = "/loop/1", headers = { { "X", "y" } } })
      return res.status, res.headers.location ]]
    assert.are.same({ 302, "/loop/0" }, { status, location })
  end)

  it("lets go of its links when it is closed", function()
    local stats, again = run [[
      local client = http.client()
      client:get(a.url .. "/")
      client:close()
      local stats = client:stats()
      return next(stats), client:get(a.url .. "/").body ]]
    assert.is_nil(stats)
    assert.are.equal("hello", again)
  end)
end)
