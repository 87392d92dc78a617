-- proxy_options_spec.lua: what http.proxy takes, and what it says to mistakes.
local worker = require "spec.support.worker"

describe("options of http.proxy", function()
  local w, options
  setup(function()
    w = worker.new(function() end)
    options = w.modules.proxy_options or require "justhttp.proxy_options"
  end)
  teardown(function() w:close() end)

  local function refuses(given, text)
    local ok, err = pcall(options.check, given, 1)
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find(text, 1, true), tostring(err))
  end

  it("have defaults", function()
    local proxy = options.check({ upstream = "http://a:1" }, 1)
    assert.is_true(proxy.x_forwarded)
    assert.equal(60, proxy.read_timeout)
    assert.equal(1, #proxy.set.list)
    assert.equal("", proxy.lines)
    assert.equal("", proxy.dropped)
  end)

  it("name one place to go to", function()
    refuses(nil, "give a table")
    refuses({}, "one of upstream, upstreams and balancer")
    refuses({ upstream = "http://a", upstreams = { "http://b" } }, "one of upstream")
    refuses({ upstreams = {} }, "upstreams is empty")
    refuses({ upstream = "a:1" }, "is no URL")
    refuses({ balancer = {} }, "what http.balancer returns")
  end)

  it("are known, and of their kinds", function()
    refuses({ upstream = "http://a", read_timout = 1 }, 'did you mean "read_timeout"?')
    refuses({ upstream = "http://a", timeout = -1 }, "timeout must be seconds above 0")
    refuses({ upstream = "http://a", retries = 1.5 }, "retries must be a whole number")
    refuses({ upstream = "http://a", on_request = "x" }, "on_request must be a function")
    refuses({ upstream = "http://a", max_header_bytes = "x" }, "max_header_bytes must be a number")
  end)

  it("set and remove fields that are not the proxy's own", function()
    local proxy = options.check({ upstream = "http://a",
      headers = { ["X-A"] = 1, Host = "h", ["B"] = "c" }, remove = { "Cookie" } }, 1)
    assert.equal("B: c\r\nX-A: 1\r\n", proxy.lines)
    assert.equal("h", proxy.host)
    for _, name in ipairs { "X-A\n", "B\n", "Cookie\n" } do
      assert.is_truthy(proxy.dropped:find(name, 1, true))
    end
    refuses({ upstream = "http://a", headers = { ["Content-Length"] = 1 } }, "proxy's own business")
    refuses({ upstream = "http://a", remove = { "Connection" } }, "proxy's own business")
    refuses({ upstream = "http://a", headers = { ["a b"] = 1 } }, "is no name of a header")
    refuses({ upstream = "http://a", headers = { a = "b\r\nc" } }, "control characters")
  end)
end)
