-- Active health checks against servers that change their minds.
local caller = require "spec.support.caller"
local peer = require "spec.support.peer"
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

local UPSTREAM = [[
local http = require "justhttp"
local app = http.app()
local status, checks, last_host = 200, 0, nil
app:get("/set/:status", function(ctx) status = tonumber(ctx.params.status) end)
app:get("/health", function(ctx)
  checks = checks + 1
  last_host = ctx.headers.host
  if status == 0 then http.sleep(60) end
  return status, "x"
end)
app:get("/checks", function() return { checks = checks, host = last_host } end)
app:get("/x", function() return "x" end)
return app
]]

describe("health checks", function()
  local c, one, two

  setup(function() c = caller.start() end)
  teardown(function() c:stop() end)

  before_each(function()
    one, two = server.start { code = UPSTREAM }, server.start { code = UPSTREAM }
  end)
  after_each(function()
    c:run [[ if lb then lb:close() end lb = nil ]]
    one:stop()
    two:stop()
  end)

  local function new_balancer(check, more)
    c:run([[
      local options = { upstreams = { a.one, a.two }, policy = "round_robin", check = a.check,
                        eject = false }
      for name, value in pairs(a.more or {}) do options[name] = value end
      changes = {}
      options.on_change = function(upstream, is_healthy)
        changes[#changes + 1] = (upstream.url == a.one and "one " or "two ")
          .. (is_healthy and "up" or "down")
      end
      lb = http.balancer(options) ]], { one = one.url, two = two.url, check = check, more = more })
  end

  local function is_healthy(i)
    return (c:run([[ return lb:status().upstreams[a.i].is_healthy ]], { i = i }))
  end

  -- Who answers ten requests, as a set of URLs.
  local function answerers()
    return (c:run [[
      local seen = {}
      for _ = 1, 10 do
        local res, err = lb:get "/x"
        seen[res and res.upstream or err] = true
      end
      return seen ]])
  end

  it("take an upstream out and bring it back", function()
    new_balancer { path = "/health", interval = 0.005, fall = 2, rise = 3 }
    assert.same({ [one.url] = true, [two.url] = true }, answerers())
    one:get "/set/503"
    wait_for(function() return not is_healthy(1) end)
    assert.same({ [two.url] = true }, answerers())
    assert.matches("its check was answered with 503", (c:run [[
      return lb:status().upstreams[1].last_error ]]))
    one:get "/set/200"
    wait_for(function() return is_healthy(1) end)
    assert.same({ [one.url] = true, [two.url] = true }, answerers())
    assert.same({ "one down", "one up" }, (c:run [[ return changes ]]))
    assert.matches("upstream " .. one.url .. " is unhealthy: its check was answered with 503",
      c.server:stderr(), 1, true)
    assert.matches("upstream " .. one.url .. " is healthy again", c.server:stderr(), 1, true)
  end)

  it("say that nobody is up when nobody is", function()
    new_balancer { path = "/health", interval = 0.005, fall = 1, rise = 1 }
    one:get "/set/500"
    two:get "/set/500"
    wait_for(function() return not is_healthy(1) and not is_healthy(2) end)
    assert.same({ ["balancer: no upstream is up"] = true }, answerers())
  end)

  it("take an answer that is late for a bad one", function()
    new_balancer { path = "/health", interval = 0.005, fall = 1, rise = 1, timeout = 0.02 }
    one:get "/set/0"
    wait_for(function() return not is_healthy(1) end)
    one:get "/set/200"
    wait_for(function() return is_healthy(1) end)
  end)

  it("take no answer for a bad one", function()
    new_balancer { path = "/health", interval = 0.005, fall = 2 }
    two:stop()
    wait_for(function() return not is_healthy(2) end)
    assert.same({ [one.url] = true }, answerers())
  end)

  it("ask for what they are told to, and expect it", function()
    new_balancer { path = "/health", interval = 0.005, fall = 1, rise = 1, status = { 204, 404 },
                   host = "check.example" }
    wait_for(function() return not is_healthy(1) end)
    one:get "/set/404"
    wait_for(function() return is_healthy(1) end)
    assert.matches("check.example", one:get("/checks").body, 1, true)
  end)

  it("begin for upstreams that are added, and end for those that are removed", function()
    new_balancer({ path = "/health", interval = 0.005 }, { upstreams = { one.url } })
    wait_for(function() return one:get("/checks").body:match '"checks":[1-9]' end)
    c:run([[ lb:add(a.two) lb:remove(a.one) ]], { one = one.url, two = two.url })
    wait_for(function() return two:get("/checks").body:match '"checks":[1-9]' end)
    local before
    wait_for(function()
      local now = one:get("/checks").body
      local is_quiet = now == before
      before = now
      c:run [[ http.sleep(0.02) ]]
      return is_quiet
    end)
  end)

  it("end with the balancer that nobody holds any more", function()
    new_balancer { path = "/health", interval = 0.005 }
    wait_for(function() return one:get("/checks").body:match '"checks":[1-9]' end)
    c:run [[ lb = nil ]]
    local before
    wait_for(function()
      local now = one:get("/checks").body
      local is_quiet = now == before
      before = now
      c:run [[ http.sleep(0.02) collectgarbage() collectgarbage() ]]
      return is_quiet
    end)
  end)

  it("go on when their own function raises", function()
    c:run([[
      checked = 0
      lb = http.balancer { upstreams = { a.one }, check = { path = "/health", interval = 0.002,
        status = function() checked = checked + 1 error "on purpose" end } } ]], { one = one.url })
    wait_for(function() return (c:run [[ return checked ]]) > 2 end)
    assert.matches("error in a health check: .*on purpose", c.server:stderr())
  end)

  it("do not hold a request up that nobody answers", function()
    local slow = peer.listen()
    c:run([[ lb = http.balancer { upstreams = { a.slow }, check = { interval = 60, timeout = 60 } }
      ]], { slow = slow.url })
    local conn = slow:accept()
    assert.matches("^GET / HTTP/1.1\r\n", (peer.request(conn)))
    assert.is_true(is_healthy(1))
    conn:close()
    slow:close()
  end)
end)
