-- proxy_request_spec.lua: what an upstream gets of a request that is passed on, byte for byte.
local proxying = require "spec.support.proxying"
local sys = require "spec.support.sys"

local get, post, ok = proxying.get, proxying.post, proxying.ok

describe("a request through http.proxy", function()
  local x
  after_each(function() x:stop() end)

  -- What the upstream reads, up to the end of the head.
  local function pass(bytes)
    local c, up = x:begin(bytes)
    local head = up:read_until "\r\n\r\n"
    up:send(ok "x")
    local r = c:response()
    c:close()
    up:close()
    assert.equal(200, r.status)
    return head
  end

  it("is told of the client, and has a Host and framing of its own", function()
    x = proxying.start()
    local head = pass(get("/p/a", "User-Agent: me\r\nX-Forwarded-For: 6.6.6.6\r\n"
      .. "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n"))
    assert.equal("GET /a HTTP/1.1\r\nHost: 127.0.0.1:" .. x.upstream.port .. "\r\n"
      .. "User-Agent: me\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: front\r\n"
      .. "X-Forwarded-Proto: http\r\nContent-Length: 0\r\n\r\n", head)
  end)

  it("has path and query as they were sent", function()
    x = proxying.start "x_forwarded = false"
    for _, target in ipairs { "/", "/a%20b%2Fc?q=%41&x=a+b", "/a//b", "/%E4?", "/a/../b?c" } do
      local line = pass(get("/p" .. target)):match "^(.-)\r\n"
      assert.equal("GET " .. target .. " HTTP/1.1", line)
    end
    assert.matches("^GET /b HTTP/1.1\r\n", pass(get "http://front/p/b"))
  end)

  it("stands below the path of the upstream's URL, or keeps its own", function()
    local head
    x = proxying.start()
    local upstream = x.upstream
    x.server:stop()
    x = proxying.server([[
      app:any("/p/*rest", http.proxy { upstream = UP[1] .. "/base/" })
      app:any("/keep/*rest", http.proxy { upstream = UP[1] .. "/base", keep_path = true })
      app:any("/exact", http.proxy { upstream = UP[1] })
    ]], { upstream.url })
    x.upstream = upstream
    head = pass(get "/p/a/b?c")
    assert.matches("^GET /base/a/b%?c HTTP", head)
    assert.matches("^GET /base/keep/a HTTP", (pass(get "/keep/a")))
    assert.matches("^GET /exact%?a HTTP", (pass(get "/exact?a")))
  end)

  it("has the fields that the proxy sets, and not those it removes", function()
    x = proxying.start [[preserve_host = true, x_forwarded = false, via = "me", forwarded = true,
      headers = { Authorization = "Basic x", ["X-Version"] = 2 }, remove = { "Cookie" }]]
    local head = pass(get("/p/a", "Cookie: a=b\r\nauthorization: Bearer y\r\nAccept: z\r\n"))
    assert.equal("GET /a HTTP/1.1\r\nHost: front\r\nAccept: z\r\n"
      .. "Forwarded: for=127.0.0.1;host=front;proto=http\r\nVia: 1.1 me\r\n"
      .. "Authorization: Basic x\r\nX-Version: 2\r\n\r\n", head)
  end)

  it("goes on with any method that is known, but CONNECT", function()
    x = proxying.start "x_forwarded = false"
    for _, method in ipairs { "OPTIONS", "DELETE", "PROPFIND", "TRACE" } do
      local head = pass(method .. " /p/a HTTP/1.1\r\nHost: a\r\n\r\n")
      assert.matches("^" .. method .. " /a HTTP/1.1\r\n", head)
    end
    local c = x:client()
    c:send "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"
    assert.is_true(c:response().status >= 400)
    assert.is_false(x.upstream:has_pending())
  end)

  it("uses one connection for many", function()
    x = proxying.start()
    local c, up = x:begin(get "/p/1")
    for i = 1, 20 do
      assert.matches("^GET /" .. i .. " ", up:read_until "\r\n\r\n")
      up:send(ok("answer " .. i))
      assert.equal("answer " .. i, c:response().body)
      if i < 20 then c:send(get("/p/" .. i + 1)) end
    end
    assert.is_false(x.upstream:has_pending())
  end)

  it("is answered in order when pipelined", function()
    x = proxying.start()
    local c, up = x:begin(get "/p/1" .. get "/p/2" .. post("/p/3", "body") .. get "/p/4")
    for i = 1, 4 do
      assert.matches("^%u+ /" .. i .. " ", up:read_until "\r\n\r\n")
      if i == 3 then assert.equal("body", up:read(4)) end
      up:send(ok("answer " .. i))
    end
    for i = 1, 4 do assert.equal("answer " .. i, c:response().body) end
  end)

  it("cannot smuggle another one", function()
    x = proxying.start "x_forwarded = false"
    local inner = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
    -- A chunked body goes on decoded and framed anew: what looks like a request is data.
    local head = pass("POST /p/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. ("%x;ext=1\r\n%s\r\n0\r\n\r\n"):format(#inner, inner))
    assert.matches("\r\nContent%-Length: " .. #inner .. "\r\n", head)
    assert.is_nil(head:find("Transfer-Encoding", 1, true))
    for _, bad in ipairs {
      "POST /p/a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        .. "0\r\n\r\n",
      "POST /p/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
      "GET /p/a HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
      "GET /p/a HTTP/1.1\r\nHost: a\r\nConnection: x" .. (",z"):rep(20) .. "\r\n\r\n",
    } do
      local c = x:client()
      c:send(bad)
      assert.is_true(c:response().status >= 400)
      c:close()
    end
    assert.is_false(x.upstream:has_pending())
  end)

  it("goes to a unix socket", function()
    local dir = sys.temp_dir()
    local upstream = require "spec.support.peer".listen { path = dir .. "/up.sock" }
    x = proxying.server("app:any('/p/*rest', http.proxy { upstream = UP[1] })",
      { "http://unix:" .. dir .. "/up.sock" })
    x.upstream = upstream
    assert.matches("\r\nHost: localhost\r\n", (pass(get "/p/a")))
    sys.remove(dir)
  end)
end)
