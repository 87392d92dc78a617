-- proxy_mix_spec.lua: many clients at once, through one proxy, to upstreams that misbehave now and
-- then: everybody gets his own answer or an error, never a part or somebody else's.
local peer = require "spec.support.peer"
local proxying = require "spec.support.proxying"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local UPSTREAM = [[
local http = require "justhttp"
local app = http.app()
local seen = 0
local function text(seed, bytes)
  return (("%08x"):format(seed * 2654435761 % 4294967296)):rep(math.ceil(bytes / 8)):sub(1, bytes)
end
-- Every hundredth answer is followed by the end of its connection, every 97th by none.
local function mind(ctx)
  seen = seen + 1
  if seen % 100 == 0 then ctx:set("Connection", "close") end
  if seen % 97 == 0 then
    ctx:hijack(function(conn) conn:close() end)
    return true
  end
end
app:get("/whole/:seed/:bytes", function(ctx)
  if mind(ctx) then return end
  return text(tonumber(ctx.params.seed), tonumber(ctx.params.bytes))
end)
app:get("/chunks/:seed/:bytes", function(ctx)
  if mind(ctx) then return end
  local all = text(tonumber(ctx.params.seed), tonumber(ctx.params.bytes))
  ctx:stream(function(stream)
    for at = 1, #all, 7000 do
      stream:write(all:sub(at, at + 6999))
      http.sleep(0)
    end
  end)
end)
app:post("/echo", http.middleware.limits { body = "64m" }, function(ctx)
  if mind(ctx) then return end
  return ctx.body
end)
return app
]]

local function text(seed, bytes)
  return (("%08x"):format(seed * 2654435761 % 4294967296)):rep(math.ceil(bytes / 8)):sub(1, bytes)
end

-- A request, and the body of its answer.
local function make(random, seed)
  local bytes = ({ 0, 13, 1000, 12288, 16384, 40000, 100000 })[random(7)]
  local body = text(seed, bytes)
  local kind = random(4)
  if kind == 1 then return proxying.get(("/p/whole/%d/%d"):format(seed, bytes)), body end
  if kind == 2 then return proxying.get(("/p/chunks/%d/%d"):format(seed, bytes)), body end
  if kind == 3 then return proxying.post("/p/echo", body), body end
  local pieces = {}
  for at = 1, #body, 5000 do
    local piece = body:sub(at, at + 4999)
    pieces[#pieces + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  return "POST /p/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    .. table.concat(pieces) .. "0\r\n\r\n", body
end

describe("many clients of http.proxy", function()
  local x, backs
  before_each(function()
    backs = { server.start { code = UPSTREAM }, server.start { code = UPSTREAM } }
    x = proxying.server("app:any('/p/*rest', big, http.proxy { upstreams = UP, retries = 2 })",
      { backs[1].url, backs[2].url })
  end)
  after_each(function()
    x:stop()
    for _, back in ipairs(backs) do back:stop() end
  end)

  it("get their own answers, and nothing else", function()
    math.randomseed(7)
    local random, seed = math.random, 0
    local clients, failed, good = {}, 0, 0
    for i = 1, 24 do clients[i] = x:client { deadline = 20 } end
    for _ = 1, 25 do
      local wanted = {}
      for i, c in ipairs(clients) do
        local bytes
        seed = seed + 1
        bytes, wanted[i] = make(random, seed)
        c:send(bytes)
      end
      for i, c in ipairs(clients) do
        local ok, r = pcall(c.response, c)
        if ok and r.status == 200 then
          assert.is_true(r.body == wanted[i], "a wrong answer")
          good = good + 1
        else
          assert.is_true(not ok or r.status == 502, not ok and r or tostring(r.status))
          failed = failed + 1
          c:close()
          clients[i] = x:client { deadline = 20 }
        end
      end
    end
    assert.is_true(good > 550 and failed < 30, ("%d good, %d failed"):format(good, failed))
  end)

  it("may leave whenever they like", function()
    math.randomseed(11)
    for seed = 1, 150 do
      local c = x:client()
      local bytes = make(math.random, seed)
      c:send(bytes:sub(1, math.random(#bytes)))
      if seed % 3 == 0 then c:read_available(0.002) end
      if seed % 2 == 0 then c:reset() else c:close() end
    end
    local c = x:client { deadline = 20 }
    for seed = 1, 20 do
      local bytes, body = proxying.post("/p/echo", text(seed, 5000)), text(seed, 5000)
      c:send(bytes)
      local r = c:response()
      assert.is_true(r.status == 502 or r.body == body)
    end
  end)
end)

describe("http.proxy in front of nginx", function()
  it("passes what nginx says, and what it is asked", function()
    if os.execute "test -x /usr/sbin/nginx" ~= 0 then return pending "nginx is not installed" end
    local dir = sys.temp_dir()
    local probe = peer.listen()
    local port = probe.port
    probe:close()
    sys.write_file(dir .. "/file", ("0123456789"):rep(10000))
    sys.write_file(dir .. "/nginx.conf", ([[
      daemon off; pid DIR/pid; error_log DIR/log; worker_processes 1; user root;
      events {} http { access_log off; client_body_temp_path DIR/a; proxy_temp_path DIR/b;
      fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
      server { listen 127.0.0.1:PORT; root DIR; location = /hello { return 200 "hello"; }
      location = /gone { return 302 /hello; } } }]]):gsub("DIR", dir):gsub("PORT", tostring(port)))
    local nginx = server.launch { "-p", dir, "-c", dir .. "/nginx.conf", "-e", dir .. "/log",
      program = "/usr/sbin/nginx" }
    require "spec.support.wait"(function()
      local c = require "spec.support.wire".try_connect(port)
      return c and (c:close() or true)
    end, 5, "nginx")
    local x = proxying.server("app:any('/p/*rest', http.proxy { upstream = UP[1] })",
      { "http://127.0.0.1:" .. port })
    local c = x:client()
    for _ = 1, 3 do
      c:send(proxying.get "/p/hello" .. proxying.get "/p/file")
      assert.equal("hello", c:response().body)
      assert.is_true(c:response().body == ("0123456789"):rep(10000))
    end
    c:send(proxying.get("/p/file", "Range: bytes=5-9\r\n"))
    local r = c:response()
    assert.equal(206, r.status)
    assert.equal("56789", r.body)
    assert.matches("^nginx", r.headers.server)
    c:send(proxying.get("/p/file", "If-None-Match: " .. r.headers.etag .. "\r\n"))
    assert.equal(304, c:response().status)
    c:send(proxying.get "/p/gone")
    assert.equal(302, c:response().status)
    c:send(proxying.get "/p/none")
    assert.equal(404, c:response().status)
    c:close()
    x:stop()
    nginx:stop()
    sys.remove(dir)
  end)
end)
