-- Upstreams that are names: their addresses come and go.
local worker = require "spec.support.worker"

describe("names of upstreams", function()
  local w, http, names, found, asked

  setup(function()
    w = worker.new(function(app) app:get("/", function() end) end)
    http = w.http
    w:run(function() end)
    names = w.modules["balancer.names"]
    names.look_up = function(host)
      asked[#asked + 1] = host
      http.sleep(0)
      local answer = found[host]
      if not answer then return nil, "look up " .. host .. ": no such name" end
      return answer
    end
  end)
  teardown(function() w:close() end)

  local lb
  before_each(function() found, asked = {}, {} end)
  after_each(function() if lb then lb:close() end end)

  local function new_balancer(options)
    lb = http.balancer(options)
    lb._client = { close = function() end, send = function(_, request)
      return { status = 200, url = request.url_text, headers = {}, seen = request }
    end }
    return lb
  end

  local function get(target)
    return w:run(lb.get, lb, target or "/x")
  end

  local function urls()
    local list = {}
    for i, row in ipairs(lb:status().upstreams) do list[i] = row.url end
    table.sort(list)
    return list
  end

  it("are told from addresses", function()
    assert.is_true(names.is_name "http://app:80")
    assert.is_true(names.is_name { url = "https://app.example" })
    for _, url in ipairs { "http://10.0.0.1", "http://[::1]:80", "http://unix:/x", "x", 5 } do
      assert.is_false(names.is_name(url), tostring(url))
    end
  end)

  it("differ by what came and what went", function()
    local added, removed = names.difference({ a = 1, b = 1 }, { "b", "c", "c" })
    assert.same({ "c" }, added)
    assert.same({ "a" }, removed)
  end)

  it("are expanded before the first request, which names them to the server", function()
    found.app = { "10.0.0.1", "fd00::1" }
    new_balancer { upstreams = { "http://app:8080/api", "http://10.9.9.9" }, resolve = 60,
                   policy = "round_robin" }
    local seen = {}
    for _ = 1, 3 do
      local res = assert(get())
      seen[res.upstream] = res.seen
    end
    assert.same({ "http://10.0.0.1:8080/api", "http://10.9.9.9:80", "http://[fd00::1]:8080/api" },
      urls())
    local one = seen["http://[fd00::1]:8080/api"]
    assert.equal("fd00::1", one.host)
    assert.equal("app:8080", one.authority)
    assert.equal("/api/x", one.target)
  end)

  it("change while the balancer runs", function()
    found.app = { "10.0.0.1", "10.0.0.2" }
    new_balancer { upstreams = { "http://app" }, resolve = 0.002 }
    get()
    found.app = { "10.0.0.2", "10.0.0.3" }
    w:wait(function()
      return table.concat(urls(), " ") == "http://10.0.0.2:80 http://10.0.0.3:80"
    end)
  end)

  it("keep what is known while they cannot be looked up", function()
    found.app = { "10.0.0.1" }
    new_balancer { upstreams = { "http://app" }, resolve = 0.002 }
    get()
    found.app = nil
    local before = #asked
    w:wait(function() return #asked > before + 2 end)
    assert.same({ "http://10.0.0.1:80" }, urls())
    assert.is_true(#w:logged "no such name; keeping what is known" > 0)
    found.app = { "10.0.0.9" }
    w:wait(function() return urls()[1] == "http://10.0.0.9:80" end)
  end)

  it("say why there is no upstream", function()
    new_balancer { upstreams = { "http://app" }, resolve = 60 }
    local res, err, kind = get()
    assert.is_nil(res)
    assert.equal("balancer: look up app: no such name", err)
    assert.equal("resolve", kind)
    found.app = { "10.0.0.1" }
    assert.equal(200, get().status)
  end)

  it("can be added and removed", function()
    found.app, found.other = { "10.0.0.1" }, { "10.0.1.1", "10.0.1.2" }
    new_balancer { upstreams = { "http://app" }, resolve = 60 }
    get()
    lb:add { url = "http://other", weight = 2 }
    get()
    assert.equal(3, #urls())
    assert.equal(2, lb:remove "http://other")
    get()
    assert.same({ "http://10.0.0.1:80" }, urls())
    assert.is_false((pcall(lb.add, lb, { url = "http://x", weight = 0 })))
  end)

  it("are looked up no more once the balancer is closed or gone", function()
    found.app = { "10.0.0.1" }
    new_balancer { upstreams = { "http://app" }, resolve = 0.001 }
    get()
    lb:close()
    local before
    local function is_quiet()
      local is_still = before == #asked
      before = #asked
      collectgarbage()
      w:run(http.sleep, 0.005)
      return is_still
    end
    w:wait(is_quiet)
    found.app = { "10.0.0.2" }
    new_balancer { upstreams = { "http://app" }, resolve = 0.001 }
    get()
    lb, before = nil, nil
    w:wait(is_quiet)
  end)
end)
