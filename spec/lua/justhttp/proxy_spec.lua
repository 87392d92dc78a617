-- proxy_spec.lua: the handler that http.proxy makes: routes, retries, what it holds while it waits.
-- What goes over the wire is the subject of spec/http/proxy_*_spec.lua.
local json = require "justhttp.json"
local peer = require "spec.support.peer"
local proxying = require "spec.support.proxying"

local get, ok = proxying.get, proxying.ok

describe("http.proxy", function()
  local x
  after_each(function() if x then x:stop() end end)

  it("says where a mistake in its options is", function()
    local good, err = pcall(proxying.server,
      "app:any('/p/*rest', http.proxy { upstrem = 'http://a' })", {})
    assert.is_false(good)
    assert.matches('app.lua:%d+: http.proxy: no option "upstrem"; did you mean "upstream"?', err)
  end)

  it("knows what of the path goes on, for every route it stands in", function()
    local upstream = peer.listen()
    x = proxying.server([[
      local pass = http.proxy { upstream = UP[1], x_forwarded = false }
      app:any("/a/*rest", pass)
      app:any("/b/:c/*rest", pass)
      app:any("/d/:e", pass)
      app:group("/g", function(g) g:any("/*all", pass) end)
    ]], { upstream.url })
    local c = x:client()
    c:send(get "/a/1")
    local up = upstream:accept()
    for target, wanted in pairs { ["/a/x/y"] = "/x/y", ["/b/c/x"] = "/x", ["/d/e"] = "/d/e" } do
      up:read_until "\r\n\r\n"
      up:send(ok "x")
      c:response()
      c:send(get(target))
      assert.matches("^GET " .. wanted .. " HTTP", up:read_until "\r\n\r\n")
      up:send(ok "x")
      c:response()
      c:send(get "/a/1")
    end
    c:close()
    upstream:close()
  end)

  it("counts what an upstream works on, until the end of the body", function()
    local upstream = peer.listen()
    x = proxying.server([[
      local lb = http.balancer { upstreams = UP }
      app:any("/p/*rest", http.proxy { balancer = lb })
      app:get("/stats", function() return lb:status().upstreams[1] end)
    ]], { upstream.url })
    local other = x:client()
    local function stats()
      other:send(get "/stats")
      return json.decode(other:response().body)
    end
    local c = x:client()
    c:send(get "/p/a")
    local up = upstream:accept()
    up:read_until "\r\n\r\n"
    assert.equal(1, stats().pending)
    up:send "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello"
    c:read_until "hello"
    assert.equal(1, stats().pending)
    up:send(("x"):rep(99995))
    c:read(99995)
    require "spec.support.wait"(function() return stats().pending == 0 end, 5, "the end")
    c:send(get "/p/a")
    up:read_until "\r\n\r\n"
    c:close()
    require "spec.support.wait"(function() return stats().pending == 0 end, 5, "the cancellation")
    upstream:close()
  end)
end)
