-- trailers_spec.lua: the fields behind a chunked body can be read once it has ended, and never
-- become headers.
local server = require "spec.support.server"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local function answer(ctx)
  local all = {}
  for name, value in pairs(ctx.trailers) do all[name] = value end
  return { body = #ctx.body, all = all, sum = ctx.trailers["x-SUM"], none = ctx.trailers.none,
           header = ctx.headers["X-Sum"] }
end
app:post("/whole", function(ctx)
  return ctx.body and answer(ctx)
end)
app:post("/pieces", function(ctx)
  local before = next(ctx.trailers)
  for piece in ctx:pieces(1000) do
    if #piece == 1000 then before = before or next(ctx.trailers) end
  end
  if before and ctx.query.streamed then return { before = before } end
  return answer(ctx)
end)
app:post("/kept", function(ctx)
  local body = ctx.body
  local trailers = ctx.trailers
  return trailers == ctx.trailers and trailers.A or body
end)
app:get("/", function(ctx) return { none = next(ctx.trailers) } end)
return app
]]

describe("ctx.trailers", function()
  local s, json

  setup(function()
    json = require "justhttp.json"
    s = server.start { code = CODE, options = { max_body_bytes = "10m", log_level = "off" } }
  end)
  teardown(function() s:stop() end)

  local function chunked(path, size, trailers, chunk_bytes)
    local chunks = {}
    for at = 1, size, chunk_bytes or 4000 do
      local bytes = math.min(chunk_bytes or 4000, size - at + 1)
      chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(bytes, ("x"):rep(bytes))
    end
    local head = "POST " .. path .. " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head .. table.concat(chunks) .. "0\r\n" .. trailers .. "\r\n"
  end

  local TRAILERS = "X-Sum: a\r\nDigest:  sha-256=:x:\t\r\nEmpty:\r\nx-sum:b\r\n"
  local WANT = { ["x-sum"] = "a, b", digest = "sha-256=:x:", empty = "" }

  it("has them when the body has ended", function()
    local c = s:connect()
    for _, path in ipairs { "/whole", "/pieces" } do
      for _, size in ipairs { 0, 10, 16384, 200001 } do
        local target = size > 16384 and path .. "?streamed" or path
        local r = json.decode(c:send(chunked(target, size, TRAILERS)):response().body)
        assert.are.same({ body = path == "/whole" and size or r.body, all = WANT, sum = "a, b" }, r)
      end
    end
    c:close()
  end)

  it("has them however the bytes are cut", function()
    for _, size in ipairs { 3, 20000 } do
      local bytes = chunked("/whole", size, TRAILERS)
      for _, step in ipairs { 1, 3 } do
        local c = s:connect():send(bytes:sub(1, -101))
        c:send_slowly(bytes:sub(-100), { bytes = step, pause = 0.0002 })
        assert.are.same(WANT, json.decode(c:response().body).all)
        c:close()
      end
    end
  end)

  it("has as many as a head may have, and no more", function()
    local function trailers(count, bytes)
      return ("N: " .. ("v"):rep(bytes) .. "\r\n"):rep(count)
    end
    local c = s:connect()
    c:send(chunked("/kept", 5, "A: " .. ("v"):rep(16000) .. "\r\n"))
    assert.are.equal(16000, #c:response().body)
    assert.are.equal(200, c:send(chunked("/whole", 5, trailers(100, 1))):response().status)
    assert.are.equal(431, c:send(chunked("/whole", 5, trailers(101, 1))):response().status)
    c:close()
    c = s:connect():send(chunked("/whole", 5, trailers(1, 16384)))
    assert.are.equal(431, c:response().status)
    c:close()
  end)

  it("is empty without any, and forgets those of the request before", function()
    local c = s:connect()
    c:send(chunked("/kept", 5, "A: b\r\n"))
    assert.are.equal("b", c:response().body)
    assert.are.same({ body = 5, all = {} },
      json.decode(c:send(chunked("/whole", 5, "")):response().body))
    assert.are.same({}, json.decode(c:send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"):response().body))
    c:send("POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    assert.are.same({}, json.decode(c:response().body).all)
    c:close()
  end)
end)
