-- apps/balance, started for real: what its README shows.
local json = require "justhttp.json"
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

describe("apps/balance", function()
  local one, two, lb

  setup(function()
    one = server.start { app = "apps/balance" }
    two = server.start { app = "apps/balance", env = { FAIL = "30" } }
    lb = server.start { app = "apps/balance", env = { UPSTREAMS = one.url .. " " .. two.url } }
  end)
  teardown(function()
    lb:stop()
    one:stop()
    two:stop()
  end)

  local function status() return json.decode(lb:get("/status").body) end

  it("answers, whatever one of its upstreams does", function()
    local seen = {}
    for _ = 1, 60 do
      local res = lb:get "/"
      assert.equal(200, res.status, res.body)
      seen[res.body] = true
    end
    assert.is_truthy(next(seen, (next(seen))))
    assert.is_true(status().requests >= 60)
  end)

  it("adds and removes upstreams", function()
    local res = lb:request { method = "POST", path = "/upstreams", body = "url=http://127.0.0.1:1",
                             headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } }
    assert.equal(201, res.status)
    wait_for(function() return status().upstreams[3].failures >= 0 end)
    res = lb:request { method = "DELETE", path = "/upstreams?url=http://127.0.0.1:1" }
    assert.equal("removed 1\n", res.body)
    assert.equal(2, #status().upstreams)
  end)

  it("takes one out that is gone", function()
    two:stop()
    for _ = 1, 20 do assert.equal(200, lb:get("/").status) end
    wait_for(function()
      local row = status().upstreams[2]
      return not row.is_up
    end, 10)
  end)
end)
