-- A balancer from outside: requests to targets, answers of upstreams. The exchanges are the spec's
-- own here; over sockets the same is in spec/http/balancer_spec.lua.
local worker = require "spec.support.worker"

describe("a balancer", function()
  local w, http, make_response
  local lb, sent, answer, elsewhere

  setup(function()
    w = worker.new(function(app) app:get("/", function() end) end)
    http = w.http
    w:run(function() end)
    make_response = w.modules.client_response
  end)
  teardown(function() w:close() end)

  local function response(status, ...)
    local line = "HTTP/1.1 " .. status .. " X\r\n"
    return make_response(status, line .. table.concat({ ... }, "\r\n") .. "\r\n\r\n", #line, "",
      false)
  end

  local function new_balancer(options)
    options = options or {}
    options.upstreams = options.upstreams or { "http://10.0.0.1:8080", "http://10.0.0.2" }
    options.policy = options.policy or "round_robin"
    lb, sent = http.balancer(options), {}
    answer = function() return response(200) end
    elsewhere = nil
    lb._client = { close = function() end, stats = function() return "stats" end,
      send = function(_, request)
        sent[#sent + 1] = request
        if elsewhere and not request.host:find "^10%." then return elsewhere(request) end
        return answer(request)
      end }
    return lb
  end

  local function get(...) return w:run(lb.get, lb, ...) end

  before_each(function() new_balancer() end)

  it("sends targets to its upstreams and tells who answered", function()
    local one, two = get "/x?y=1", get "/z"
    assert.equal("http://10.0.0.1:8080", one.upstream)
    assert.equal("http://10.0.0.1:8080/x?y=1", one.url)
    assert.equal("http://10.0.0.2:80/z", two.url)
    assert.equal("10.0.0.1", sent[1].host)
    assert.equal("10.0.0.1:8080", sent[1].authority)
    assert.equal("10.0.0.2", sent[2].authority)
  end)

  it("has every method", function()
    for _, method in ipairs { "get", "head", "delete", "options", "post", "put", "patch" } do
      assert.equal(200, w:run(lb[method], lb, "/x", { headers = { A = "b" } }).status)
      assert.equal(method:upper(), sent[#sent].method)
    end
    w:run(lb.post, lb, "/x", "hello")
    assert.equal("hello", sent[#sent].body)
    w:run(lb.request, lb, { url = "/y", method = "PUT", json = { 1 } })
    assert.equal("PUT", sent[#sent].method)
    assert.equal("[1]", sent[#sent].body)
    w:run(lb.request, lb, "DELETE", "/z")
    assert.equal("DELETE", sent[#sent].method)
  end)

  it("puts the path of an upstream before targets", function()
    new_balancer { upstreams = { "http://10.0.0.1/api/" } }
    assert.equal("http://10.0.0.1:80/api/x", get("/x").url)
    assert.equal("/api/x", sent[1].target)
  end)

  it("gives all the same Host when asked to", function()
    new_balancer { host = "www.example.com" }
    get "/x"
    assert.equal("www.example.com", sent[1].authority)
    assert.equal("10.0.0.1", sent[1].host)
  end)

  it("keeps a key with its upstream", function()
    new_balancer { policy = "consistent_hash" }
    local first = get("/a", { key = "ada" }).upstream
    for i = 1, 10 do assert.equal(first, get("/" .. i, { key = "ada" }).upstream) end
    local seen = {}
    for i = 1, 30 do seen[get("/" .. i).upstream] = true end
    assert.is_true(seen["http://10.0.0.1:8080"] and seen["http://10.0.0.2:80"])
    new_balancer { policy = "consistent_hash", key = function(request) return request.method end }
    first = get("/a").upstream
    for i = 1, 10 do assert.equal(first, get("/" .. i).upstream) end
  end)

  it("goes on at the next upstream when one cannot be reached", function()
    answer = function(request)
      if request.host == "10.0.0.1" then return nil, "refused", "connect" end
      return response(200)
    end
    for _ = 1, 10 do assert.equal("http://10.0.0.2:80", get("/x").upstream) end
    local status = lb:status()
    assert.is_true(status.upstreams[1].is_ejected)
    assert.equal("refused", status.upstreams[1].last_error)
    assert.equal(10, status.requests)
    assert.equal(5, status.retries)
  end)

  it("limits each try when asked to", function()
    new_balancer { try_timeout = 5 }
    get "/x"
    local now_ms = w.modules.door.precise_ms()
    assert.is_true(sent[1].deadline_ms <= now_ms + 5000)
    get("/x", { timeout = 1 })
    assert.is_true(sent[2].deadline_ms <= now_ms + 1500)
  end)

  describe("with redirects", function()
    local function redirect_once(location)
      local is_done = false
      answer = function()
        if is_done then return response(200) end
        is_done = true
        return response(302, "Location: " .. location)
      end
    end

    it("balances what they lead to, be it relative or its own address", function()
      for _, location in ipairs { "/two", "http://10.0.0.1:8080/two" } do
        new_balancer { headers = { Authorization = "secret" } }
        redirect_once(location)
        assert.equal("http://10.0.0.2:80/two", get("/one").url)
        assert.same({ "/one", "/two" }, { sent[1].target, sent[2].target })
        assert.equal("secret", sent[2].headers[1][2])
      end
    end)

    it("knows its path before targets in them", function()
      new_balancer { upstreams = { "http://10.0.0.1/api" } }
      redirect_once "http://10.0.0.1/api/two"
      assert.equal("http://10.0.0.1:80/api/two", get("/one").url)
    end)

    it("follows them to other hosts", function()
      redirect_once "https://example.com/two"
      elsewhere = function() return response(200) end
      local res = get "/one"
      assert.equal("https://example.com/two", res.url)
      assert.equal("example.com", sent[2].host)
      assert.is_nil(res.upstream)
    end)

    it("shows them when they are not to be followed", function()
      redirect_once "http://10.0.0.1:8080/two"
      local res = get("/one", { redirects = false })
      assert.equal("http://10.0.0.1:8080/two", res.headers.location)
    end)
  end)

  it("adds and removes upstreams at run time", function()
    lb:add "http://10.0.0.3"
    lb:add { url = "http://10.0.0.4", weight = 2 }
    assert.equal(1, lb:remove "http://10.0.0.1:8080")
    assert.equal(0, lb:remove "http://10.0.0.1:8080")
    local seen = {}
    for _ = 1, 6 do seen[get("/x").upstream] = true end
    assert.same({ ["http://10.0.0.2:80"] = true, ["http://10.0.0.3:80"] = true,
                  ["http://10.0.0.4:80"] = true }, seen)
  end)

  it("lends upstreams to whoever makes the exchange", function()
    local one = lb:acquire()
    local two = lb:acquire(nil, { [one] = true })
    assert.is_true(one ~= two)
    assert.is_nil(lb:acquire(nil, { [one] = true, [two] = true }))
    lb:release(one, true)
    lb:release(two, false, "broken")
    local rows = lb:status().upstreams
    assert.equal(1, rows[1].total)
    assert.equal("broken", rows[2].last_error)
    assert.equal(0, rows[1].pending + rows[2].pending)
  end)

  it("says when there is nobody, by its name", function()
    new_balancer { upstreams = {}, name = "shops" }
    local res, err, kind = get "/x"
    assert.is_nil(res)
    assert.equal('balancer "shops": no upstream is up', err)
    assert.equal("busy", kind)
  end)

  it("says what is wrong with a call", function()
    for text, fn in pairs {
      ["give a target such as"] = function() get "http://10.0.0.1/x" end,
      ["is no URL of an upstream"] = function() lb:add "10.0.0.1" end,
      ["give the URL of an upstream to remove"] = function() lb:remove "x" end,
      ["policy must be"] = function() http.balancer { upstreams = {}, policy = "x" } end,
      ["no option \"tiemout\""] = function() get("/x", { tiemout = 1 }) end,
      ["no option \"upstream\""] = function()
        http.balancer { upstreams = {}, upstream = "http://a" }
      end,
    } do
      local ok, err = pcall(fn)
      assert.is_false(ok, text)
      assert.matches(text, tostring(err), 1, true)
    end
  end)

  it("lets go of its links", function()
    assert.equal("stats", lb:stats())
    lb:close()
  end)
end)
