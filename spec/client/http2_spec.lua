-- http2_spec.lua: the client over HTTP/2 and our own server: chosen by TLS, and without TLS.
local caller = require "spec.support.caller"
local server = require "spec.support.server"

local APP = [[
  local http = require "justhttp"
  local app = http.app()
  app:get("/", function(ctx) return ctx.version .. " " .. ctx.scheme end)
  app:get("/big", function() return ("0123456789"):rep(300000) end)
  app:post("/echo", http.middleware.limits { body = "64m" }, function(ctx)
    return ctx.body
  end)
  app:post("/pieces", function(ctx)
    local bytes = 0
    for piece in function() return ctx:read(65536) end do bytes = bytes + #piece end
    return tostring(bytes)
  end)
  app:get("/no-content", function(ctx) ctx.status = 204 return "" end)
  app:get("/head", function(ctx)
    local names = {}
    for name, value in ctx:each_header() do names[#names + 1] = name .. "=" .. value end
    table.sort(names)
    return names
  end)
  app:get("/stream", function(ctx)
    ctx:stream(function(out)
      for i = 1, 5 do out:write("piece " .. i .. ";") http.sleep(0.001) end
    end)
  end)
  app:get("/moved", function(ctx) return ctx:redirect "/" end)
  app:get("/slow", function() http.sleep(30) end)
  app:get("/number/:n", function(ctx) return ctx.params.n end)
  return app
]]

describe("HTTP/2 in the client", function()
  local c, plain, over_tls
  setup(function()
    c = caller.start()
    plain = server.start { code = APP, options = { max_streams_per_connection = 1000 } }
    over_tls = server.start { code = APP, listen = "https://127.0.0.1:0",
      options = { tls = "self" } }
  end)
  teardown(function()
    c:stop()
    plain:stop()
    over_tls:stop()
  end)

  -- Runs code with `client` and `url`, over TLS and without.
  local function both(code, check, options)
    for _, s in ipairs { plain, over_tls } do
      local all = { tls = { verify = false } }
      if s == plain then all.http2 = "prior-knowledge" end
      for name, value in pairs(options or {}) do all[name] = value end
      local scheme = s == plain and "http" or "https"
      check(scheme, c:run("local client, url = http.client(a.options), a.url " .. code,
        { options = all, url = ("%s://127.0.0.1:%d"):format(scheme, s.port) }))
    end
  end

  it("is agreed on by TLS, and needs to be asked for without", function()
    both([[
      local res = assert(client:get(url .. "/"))
      return res.status, res.version, res.body, client:stats()[url] ]],
      function(scheme, status, version, body, stats)
        assert.are.same({ 200, "HTTP/2", "HTTP/2 " .. scheme }, { status, version, body })
        assert.are.same({ 1, 1 }, { stats.connections, stats.idle })
      end)
  end)

  it("is left alone where the client says so, or the server knows no other", function()
    local url = "https://127.0.0.1:" .. over_tls.port
    assert.are.equal("HTTP/1.1", (c:run([[
      return http.client { http2 = false, tls = { verify = false } }:get(a).version ]], url)))
    assert.are.equal("HTTP/1.1", (c:run([[ return http.get(a).version ]],
      "http://127.0.0.1:" .. plain.port)))
    assert.are.equal("HTTP/1.1", (c:run([[
      local client = http.client { tls = { verify = false } }
      return client:get(a, { headers = { Upgrade = "x" } }).version ]], url)))
  end)

  it("brings bodies of any length in both directions", function()
    both([[
      local big = assert(client:get(url .. "/big"))
      local echo = assert(client:post(url .. "/echo", ("x"):rep(3000000)))
      local left = 50
      local pieces = assert(client:post(url .. "/pieces", { body = function()
        left = left - 1
        if left >= 0 then return ("y"):rep(20000) end
      end }))
      return #big.body, #echo.body, pieces.body ]],
      function(_, big, echo, pieces)
        assert.are.same({ 3000000, 3000000, "1000000" }, { big, echo, pieces })
      end)
  end)

  it("gives responses in pieces", function()
    both([[
      local res = assert(client:get(url .. "/stream", { stream = true }))
      local text = res:text()
      local big = assert(client:get(url .. "/big", { stream = true }))
      local bytes = 0
      for piece in big:chunks(1000) do bytes = bytes + #piece end
      local ended = assert(client:get(url .. "/big", { stream = true }))
      ended:read(10)
      ended:close()
      return text, bytes, client:get(url .. "/").body, client:stats()[url].connections ]],
      function(scheme, text, bytes, after, connections)
        assert.are.equal("piece 1;piece 2;piece 3;piece 4;piece 5;", text)
        assert.are.same({ 3000000, "HTTP/2 " .. scheme, 1 }, { bytes, after, connections })
      end)
  end)

  it("knows HEAD, 204, 404 and redirects", function()
    both([[
      local head, none = client:head(url .. "/"), client:get(url .. "/no-content")
      local missing, moved = client:get(url .. "/nothing"), client:get(url .. "/moved")
      return { head.status, #head.body, none.status, #none.body, missing.status, moved.body } ]],
      function(scheme, all)
        assert.are.same({ 200, 0, 204, 0, 404, "HTTP/2 " .. scheme }, all)
      end)
  end)

  it("sends no fields of the link, and cookies as one", function()
    both([[
      return client:get(url .. "/head", { headers = { { "Connection", "x-mine" },
        { "X-Mine", "1" }, { "X-Yours", "2" }, { "Keep-Alive", "3" }, { "Cookie", "a=1; b=2" } },
        }):json() ]],
      function(_, fields)
        local text = table.concat(fields, "\n"):lower()
        assert.truthy(text:find("x-yours=2", 1, true), text)
        assert.truthy(text:find("cookie=a=1; b=2", 1, true), text)
        assert.is_nil(text:find("x-mine", 1, true), text)
        assert.is_nil(text:find("keep-alive", 1, true), text)
      end)
  end)

  it("serves a thousand requests at once, over one connection when that takes them", function()
    both([[
      local tasks, wrong = {}, 0
      for i = 1, 1000 do
        tasks[i] = http.spawn(function() return client:get(url .. "/number/" .. i) end)
      end
      for i = 1, 1000 do
        local res, err = http.wait(tasks[i])
        if not res then return err end
        if res.body ~= tostring(i) then wrong = wrong + 1 end
      end
      return wrong, client:stats()[url] ]],
      function(_, wrong, stats)
        assert.are.equal(0, wrong)
        assert.are.same({ 1, 1, 1000, 0 }, { stats.dialled, stats.connections, stats.calls,
          stats.waiting })
      end, { max_connections = 1 })
  end)

  it("ends a request whose time is over, and its neighbours live", function()
    both([[
      local neighbour = http.spawn(function() return client:get(url .. "/stream") end)
      local res, err, kind = client:get(url .. "/slow", { timeout = 0.05 })
      return err, kind, http.wait(neighbour).status, client:stats()[url].connections ]],
      function(scheme, err, kind, status, connections)
        assert.are.equal("timeout", kind)
        assert.truthy(err:find("/slow: 127.0.0.1:%d+: no answer in time$"), err)
        assert.are.same({ 200, 1 }, { status, connections }, scheme)
      end)
  end)

  it("refuses a body that is too large", function()
    both([[
      local res, err, kind = client:get(url .. "/big")
      return err, kind, client:get(url .. "/").status ]],
      function(_, err, kind, status)
        assert.are.same({ "limit", 200 }, { kind, status })
        assert.truthy(err:find "the body is too large$", err)
      end, { max_body_bytes = 10000 })
  end)

  it("carries sessions and balancers", function()
    local url = "https://127.0.0.1:" .. over_tls.port
    assert.are.same({ "HTTP/2", "HTTP/2" }, c:run([[
      local s = http.session { base = a, tls = { verify = false } }
      local b = http.balancer { upstreams = { { url = a, tls = { verify = false } } } }
      return { assert(s:get "/").version, assert(b:get "/").version } ]], url))
  end)
end)
