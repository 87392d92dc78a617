-- pipeline.lua: many requests on one link: their order, their end, and what happens when the link
-- breaks.
local caller = require "spec.support.caller"
local peer = require "spec.support.peer"

local OK = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"

describe("a pipeline", function()
  local c, p
  setup(function() c, p = caller.start(), peer.listen() end)
  teardown(function()
    p:close()
    c:stop()
  end)

  -- `code` has a pipeline `p` and `many(n, fn)`, which runs fn(1) … fn(n) at the same time and
  -- gives what each returned.
  local function begin(code, options, arguments)
    arguments = arguments or {}
    arguments.options = options or {}
    arguments.options.host, arguments.options.port = "127.0.0.1", p.port
    if arguments.options.retries == nil then arguments.options.retries = 0 end
    local pending = c:begin([[
      local p = http.pipeline(a.options)
      local function many(n, fn)
        local tasks, results = {}, {}
        for i = 1, n do
          tasks[i] = http.spawn(function()
            local res, err, kind = fn(i)
            return res and res.body or kind .. ": " .. err
          end)
        end
        for i = 1, n do results[i] = http.wait(tasks[i]) end
        return results
      end ]] .. code, arguments)
    return pending, p:accept()
  end

  local function path_of(head) return head:match "^%u+ (%S+)" end

  -- Answers so many requests with their paths.
  local function serve(link, count)
    local heads = {}
    for i = 1, count do heads[i] = peer.request(link) end
    local answers = {}
    for i = 1, count do
      local body = path_of(heads[i])
      answers[i] = OK:format(#body, body)
    end
    link:send(table.concat(answers))
    return heads
  end

  it("has many requests on one link, and gives each its answer", function()
    local pending, link = begin [[
      local results = many(50, function(i) return p:get("/" .. i) end)
      return results, p:stats().dialled ]]
    serve(link, 50)
    local results, dialled = pending:finish()
    for i = 1, 50 do assert.are.equal("/" .. i, results[i]) end
    assert.are.equal(1, dialled)
    link:close()
  end)

  it("writes what is asked for in one turn at once", function()
    local pending, link = begin [[
      p:get("/first")
      return #p:all { "/a", "/b", "/c" } ]]
    serve(link, 1)
    assert.is_true(link:read_until "\r\n\r\n" ~= "")
    -- The others came with it: they are here already.
    assert.truthy(link.buffer:find "^GET /b ")
    assert.truthy(link.buffer:find "\r\nGET /c ")
    for _ = 1, 2 do link:read_until "\r\n\r\n" end
    link:send(OK:format(1, "a") .. OK:format(1, "b"))
    link:send_slowly(OK:format(1, "c"), { bytes = 5 })
    assert.are.equal(3, pending:finish())
    link:close()
  end)

  it("gives answers of any size and framing to the right requests", function()
    local pending, link = begin [[
      local results = many(4, function(i) return p:get("/" .. i) end)
      return { #results[1], results[2], #results[3], results[4] } ]]
    for _ = 1, 4 do peer.request(link) end
    link:send(OK:format(100000, ("x"):rep(100000))
      .. "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
      .. OK:format(20000, ("y"):rep(20000)) .. OK:format(4, "last"))
    assert.are.same({ 100000, "abcde", 20000, "last" }, pending:finish())
    link:close()
  end)

  it("takes no more than max_pending, and then the oldest gives way", function()
    local pending, link = begin([[
      return many(6, function(i) return p:get("/" .. i) end) ]], { max_pending = 2 })
    -- Two are on the link, two wait; the fifth and the sixth push the third and the fourth out.
    serve(link, 2)
    serve(link, 2)
    local results = pending:finish()
    assert.are.same({ "/1", "/2", "/5", "/6" }, { results[1], results[2], results[5], results[6] })
    for i = 3, 4 do
      assert.truthy(results[i]:find "^busy: GET .*gave way", results[i])
    end
    link:close()
  end)

  it("sends again what may be sent twice when the link breaks", function()
    local pending, link = begin [[
      local results = many(4, function(i)
        if i == 3 then return p:post("/3", "body") end
        return p:get("/" .. i)
      end)
      return results, p:stats().retried ]]
    for _ = 1, 4 do peer.request(link) end
    link:send(OK:format(2, "/1"))
    link:close()
    local second = p:accept()
    serve(second, 2)
    local results, retried = pending:finish()
    assert.are.same({ "/1", "/2", "/4" }, { results[1], results[2], results[4] })
    assert.truthy(results[3]:find "^closed: POST", results[3])
    assert.are.equal(2, retried)
    second:close()
  end)

  it("sends everything again that stood behind an answer that said close", function()
    local pending, link = begin [[
      return many(3, function(i) return p:post("/" .. i, "body") end) ]]
    for _ = 1, 3 do peer.request(link) end
    link:send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n/1")
    local second = p:accept()
    serve(second, 2)
    assert.are.same({ "/1", "/2", "/3" }, pending:finish())
    link:close()
    second:close()
  end)

  it("fails only the first when the link never serves", function()
    local pending, link = begin [[
      return many(2, function(i) return p:get("/" .. i) end) ]]
    for _ = 1, 2 do peer.request(link) end
    link:close()
    local second = p:accept()
    serve(second, 1)
    local results = pending:finish()
    assert.truthy(results[1]:find "^closed: ")
    assert.are.equal("/2", results[2])
    second:close()
  end)

  it("passes over the answer of a request that was given up", function()
    local pending, link = begin [[
      return many(3, function(i)
        if i == 1 then return p:get("/1", { timeout = 0.05 }) end
        if i == 2 then return p:get("/2") end
        http.sleep(0.1)
        return p:get("/3")
      end) ]]
    for _ = 1, 3 do peer.request(link) end -- the third comes after the first has timed out
    for i = 1, 3 do link:send(OK:format(2, "/" .. i)) end
    local results = pending:finish()
    assert.truthy(results[1]:find "^timeout: ")
    assert.are.same({ "/2", "/3" }, { results[2], results[3] })
    link:close()
  end)

  it("ends with a task that is cancelled, and the others go on", function()
    local pending, link = begin [[
      local task = http.spawn(function() return p:get "/gone" end)
      local other = http.spawn(function() return p:get("/kept").body end)
      http.sleep(0.02)
      task:cancel()
      return http.wait(other) ]]
    peer.request(link)
    peer.request(link)
    require "spec.support.sys".sleep(0.05)
    link:send(OK:format(4, "gone") .. OK:format(4, "kept"))
    assert.are.equal("kept", pending:finish())
    link:close()
  end)

  it("says what is wrong with its options", function()
    for code, text in pairs {
      ["http.pipeline()"] = "give a table", ["http.pipeline {}"] = "give a host",
      ['http.pipeline { url = "x" }'] = "no scheme",
      ['http.pipeline { host = "a", max_pendin = 1 }'] = "did you mean",
      ['http.pipeline { host = "a" }:get(1)'] = "give a path",
    } do
      local ok, err = c:run("local ok, err = pcall(function() " .. code
        .. " end) return ok, tostring(err)")
      assert.is_false(ok)
      assert.truthy(err:find(text, 1, true), err)
      assert.truthy(err:find("spec:1:", 1, true), err)
    end
  end)
end)
