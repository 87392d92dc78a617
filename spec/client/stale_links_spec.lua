-- stale_links_spec.lua: what happens to a request whose link was kept and then ended by its server.
local caller = require "spec.support.caller"
local peer = require "spec.support.peer"
local wait_for = require "spec.support.wait"

describe("a kept link", function()
  local c, p
  setup(function() c, p = caller.start(), peer.listen() end)
  teardown(function()
    p:close()
    c:stop()
  end)

  -- One request that leaves a link behind, then a second one.
  local function second(method, between, options)
    local pending = c:begin([[
      local client = http.client(a.options)
      assert(client:get(a.url .. "/first").body == "first")
      while not a.is_fast and client:stats()[a.url].idle == 1 do http.sleep(0.001) end
      local res, err, kind = client:request(a.method, a.url .. "/second", a.body)
      return { body = res and res.body, err = err, kind = kind,
        stats = client:stats()[a.url] } ]],
      { url = p.url, method = method, options = options or { retries = 0 },
        is_fast = between.is_fast, body = method == "POST" and { body = "x" } or nil })
    local link = p:accept()
    peer.answer(link, "first")
    local served = between.serve(link)
    local result = pending:finish()
    if served then served:close() end
    link:close()
    return result
  end

  local function answer_on_new_link()
    local link = p:accept()
    peer.answer(link, "second")
    return link
  end

  it("that its server closed is not handed out", function()
    for _, how in ipairs { "close", "reset" } do
      for _, method in ipairs { "GET", "POST" } do
        local result = second(method, { serve = function(link)
          link[how](link)
          return answer_on_new_link()
        end })
        assert.are.equal("second", result.body)
        assert.are.same({ 2, 0 }, { result.stats.dialled, result.stats.retried })
      end
    end
  end)

  it("that ends before the answer is replaced by a new one", function()
    for _, how in ipairs { "close", "reset" } do
      local result = second("GET", { is_fast = true, serve = function(link)
        peer.request(link)
        link[how](link)
        return answer_on_new_link()
      end })
      assert.are.equal("second", result.body)
      assert.are.same({ 2, 1 }, { result.stats.dialled, result.stats.retried })
    end
  end)

  it("is replaced once, and not for an answer that has begun", function()
    local result = second("GET", { is_fast = true, serve = function(link)
      peer.request(link)
      link:close()
      local other = p:accept()
      peer.request(other)
      other:close()
    end })
    assert.are.equal("closed", result.kind)
    result = second("GET", { is_fast = true, serve = function(link)
      peer.request(link)
      link:send "HTTP/1.1 200"
      link:close()
    end })
    assert.are.equal("closed", result.kind)
    assert.truthy(result.err:find "in the middle of the head")
  end)

  it("does not send a POST twice that may have been processed", function()
    local result = second("POST", { is_fast = true, serve = function(link)
      peer.request(link)
      link:close()
    end })
    assert.are.equal("closed", result.kind)
    assert.is_false(p:has_pending())
  end)

  it("is not used when its server goes while nobody looks", function()
    -- The client's worker sleeps in C meanwhile, so that it cannot see the end before it writes.
    for _, method in ipairs { "GET", "POST", "PUT" } do
      local pending = c:begin([[
        local client = http.client { retries = 0 }
        assert(client:get(a.url .. "/first").body == "first")
        local until_ms = require "justhttp.door".precise_ms() + 100
        while require "justhttp.door".precise_ms() < until_ms do end
        local res, err, kind = client:request(a.method, a.url .. "/second", { body = "x" })
        return res and res.body, err ]], { url = p.url, method = method })
      local link = p:accept()
      peer.answer(link, "first")
      link:close()
      local other = answer_on_new_link()
      assert.are.same({ "second" }, { pending:finish() })
      other:close()
    end
  end)

  it("goes when it was idle too long, or is too old", function()
    for _, options in ipairs { { idle_timeout = 0.05 }, { max_connection_age = 0.05 } } do
      local pending = c:begin([[
        local client = http.client(a.options)
        client:get(a.url)
        http.sleep(0.2)
        client:get(a.url)
        return client:stats()[a.url].dialled ]], { url = p.url, options = options })
      local link = p:accept()
      peer.answer(link, "1")
      local other = p:accept()
      link:expect_closed()
      peer.answer(other, "2")
      assert.are.equal(2, pending:finish())
      link:close()
      other:close()
    end
  end)

  it("is the one used last; what is too many is closed", function()
    local pending = c:begin([[
      local client = http.client { max_idle_connections = 1 }
      local tasks = {}
      for i = 1, 3 do tasks[i] = http.spawn(function() return client:get(a.url).body end) end
      for i = 1, 3 do http.wait(tasks[i]) end
      return client:stats()[a.url] ]], { url = p.url })
    local links = {}
    for i = 1, 3 do links[i] = p:accept() end
    for i = 1, 3 do peer.answer(links[i], "x") end
    local stats = pending:finish()
    assert.are.same({ 1, 1, 3 }, { stats.connections, stats.idle, stats.dialled })
    for i = 1, 3 do links[i]:close() end
  end)

  it("leaves nothing behind", function()
    wait_for(function() return not p:has_pending() end)
  end)
end)
