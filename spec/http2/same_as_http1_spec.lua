-- same_as_http1_spec.lua: a handler cannot tell what carried its request: a table of requests, each
-- made over HTTP/1.1 and over HTTP/2, with the same answers.
local http2 = require "spec.support.http2"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wire = require "spec.support.wire"

local APP = [[
  local http = require "justhttp"
  local app = http.app()
  app:get("/", function() return "hello" end)
  app:get("/json", function() return { list = { 1, 2, 3 }, text = "ä" } end)
  app:get("/html", function(ctx) return ctx:html "<p>" end)
  app:get("/u/:id/*rest", function(ctx) return ctx.params.id .. "|" .. ctx.params.rest end)
  app:get("/q", function(ctx) return (ctx.query.a or "-") .. "|" .. ctx.query_string end)
  app:get("/cookie", function(ctx)
    ctx:cookie("seen", "yes", { path = "/", http_only = true })
    return ctx.cookies.a .. ctx.cookies.b
  end)
  app:get("/redirect", function(ctx) return ctx:redirect "/there?x=1" end)
  app:get("/teapot", function(ctx) return ctx:text("short", 418) end)
  app:get("/204", function(ctx) ctx.status = 204 end)
  app:get("/304", function(ctx) ctx.status = 304 end)
  app:get("/error", function() error "deliberate" end)
  app:get("/abort", function(ctx) return ctx:error(403, "no entry") end)
  app:get("/wait", function() http.sleep(0.01) return "late" end)
  app:get("/many", function(ctx)
    for i = 1, 200 do ctx:set("X-" .. i, "v" .. i) end
    return "many"
  end)
  app:post("/echo", function(ctx) return ctx.body end)
  app:post("/form", function(ctx) return ctx.form.a .. "|" .. ctx.form.b end)
  app:post("/read", function(ctx)
    local count, bytes = 0, 0
    while true do
      local piece = ctx:read(10000)
      if not piece then break end
      count, bytes = count + 1, bytes + #piece
    end
    return bytes .. (count > 1 and " in pieces" or " at once")
  end)
  app:post("/ignore", function() return "ignored" end)
  app:post("/small", http.middleware.body_limit(100), function(ctx) return ctx.body end)
  app:post("/trailers", function(ctx)
    local body = ctx.body
    return body .. "|" .. tostring(ctx.trailers["x-sum"])
  end)
  app:get("/stream", function(ctx)
    ctx:stream(function(out)
      for i = 1, 3 do out:write("piece " .. i .. ";") http.sleep(0.001) end
      out:trailer("X-End", "reached")
    end)
  end)
  app:get("/stream/large", function(ctx)
    ctx:stream(function(out) for _ = 1, 50 do out:write(("y"):rep(20000)) end end)
  end)
  app:get("/stream/fails", function(ctx)
    ctx:stream(function(out) out:write "begin" http.sleep(0.01) error "deliberate" end)
  end)
  app:get("/events", function(ctx)
    ctx:events(function(events) events:send { event = "a", data = "1\n2" } end)
  end)
  app:get("/hints", function(ctx)
    ctx:early_hints { "</a.css>; rel=preload" }
    return "hinted"
  end)
  app:get("/timeout", http.middleware.timeout(0.05), function() http.sleep(5) end)
  app:get("/defer", function(ctx) ctx:defer(function() end) return "deferred" end)
  app:get("/gzip", http.middleware.compress(), function() return ("text "):rep(1000) end)
  app:static("/files", ROOT)
  return app
]]

describe("over HTTP/1.1 and HTTP/2 alike", function()
  local s, c, root

  setup(function()
    root = sys.temp_dir()
    sys.write_file(root .. "/small.txt", "small file")
    sys.write_file(root .. "/large.bin", ("0123456789abcdef"):rep(50000))
    s = server.start { code = ("local ROOT = %q\n"):format(root) .. APP, options = {
      max_header_bytes = 8000, max_target_bytes = 1000, max_header_count = 60,
      max_body_bytes = 500000 } }
  end)
  teardown(function()
    s:stop()
    sys.remove(root)
  end)
  before_each(function() c = http2.connect(s) end)
  after_each(function() c:close() end)

  -- Fields that say how a message is framed, or differ from one moment to the next.
  local FRAMING = { date = true, connection = true, ["transfer-encoding"] = true,
    ["content-length"] = true, [":status"] = true }

  local function seen(r)
    local headers = {}
    for name, value in pairs(r.headers) do
      if not FRAMING[name] then headers[name] = value end
    end
    local body = r.body
    -- The id of an error is another one each time.
    if r.status == 500 then body = body:gsub("%x+%-%d+", "ID") end
    local interim = {}
    for i, one in ipairs(r.interim) do interim[i] = { one.status, one.headers.link } end
    return { status = r.status, headers = headers, body = body, interim = interim,
      trailers = r.trailers and next(r.trailers) and r.trailers or nil,
      length = r.headers["content-length"] }
  end

  local function chunked(request)
    local copy = {}
    for key, value in pairs(request) do copy[key] = value end
    copy.headers = { ["Transfer-Encoding"] = "chunked" }
    for key, value in pairs(request.headers or {}) do copy.headers[key] = value end
    local chunks = {}
    for at = 1, #request.body, 10000 do
      local piece = request.body:sub(at, at + 9999)
      chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
    end
    copy.body = table.concat(chunks) .. "0\r\n\r\n"
    return copy
  end

  local long = ("l"):rep(3000)
  local requests = {
    { path = "/" }, { path = "/", method = "HEAD" }, { path = "/", method = "OPTIONS" },
    { path = "/", method = "PUT" }, { path = "/nothing" }, { path = "/json" }, { path = "/html" },
    { path = "/u/7/a/b" }, { path = "/u/%41/x%20y" }, { path = "/q?a=1&b=%20" }, { path = "/q?" },
    { path = "/x/../q" }, { path = "//json" },
    { path = "/cookie", headers = { Cookie = "a=1; b=2" } },
    { path = "/redirect" }, { path = "/teapot" }, { path = "/204" }, { path = "/304" },
    { path = "/error" }, { path = "/abort" }, { path = "/wait" }, { path = "/many" },
    { path = "/echo", method = "POST", body = "abc" },
    { path = "/echo", method = "POST", body = ("e"):rep(100000) },
    { path = "/form", method = "POST", body = "a=1&b=x+y",
      headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } },
    { path = "/read", method = "POST", body = ("r"):rep(100000) },
    { path = "/ignore", method = "POST", body = "abc" },
    { path = "/ignore", method = "POST", body = ("i"):rep(100000) },
    { path = "/small", method = "POST", body = ("s"):rep(101) },
    { path = "/small", method = "POST", body = ("s"):rep(100) },
    { path = "/echo", method = "POST", body = ("e"):rep(600000) },
    { path = "/stream" }, { path = "/stream", method = "HEAD" }, { path = "/stream/large" },
    { path = "/events" }, { path = "/hints" }, { path = "/timeout" }, { path = "/defer" },
    { path = "/gzip", headers = { ["Accept-Encoding"] = "gzip" } },
    { path = "/files/small.txt" }, { path = "/files/small.txt", method = "HEAD" },
    { path = "/files/large.bin" }, { path = "/files/large.bin", method = "HEAD" },
    { path = "/files/large.bin", headers = { Range = "bytes=5-20" } },
    { path = "/files/large.bin", headers = { Range = "bytes=700000-" } },
    { path = "/files/large.bin", headers = { Range = "bytes=900000-" } },
    { path = "/files/small.txt", headers = { ["If-Modified-Since"] =
      "Sun, 06 Nov 2094 08:49:37 GMT" } },
    { path = "/files/none" }, { path = "/files/../secret" },
    { path = "/" .. long }, { path = "/", headers = { ["X-Long"] = long:rep(4) } },
    { path = "/", headers = { Expect = "something" } },
    { path = "/%00" }, { path = "/", method = "BREW" },
  }

  for _, request in ipairs(requests) do
    local name = (request.method or "GET") .. " " .. request.path:sub(1, 40)
    if request.body then name = name .. ", " .. #request.body .. " bytes" end
    for field, value in pairs(request.headers or {}) do
      name = name .. ", " .. field .. ": " .. value:sub(1, 30)
    end

    it(name, function()
      local function over_1(bytes)
        local http1 = s:connect()
        http1:try_send(bytes)
        local r = http1:response { method = request.method }
        http1:close()
        return seen(r)
      end
      if not request.body then
        assert.are.same(over_1(wire.format(request)), seen(c:request(request)))
        return
      end
      local announced = { path = request.path, method = request.method, body = request.body,
        headers = { ["content-length"] = #request.body } }
      for field, value in pairs(request.headers or {}) do announced.headers[field] = value end
      assert.are.same(over_1(wire.format(request)), seen(c:request(announced)))
      assert.are.same(over_1(wire.format(chunked(request))), seen(c:request(request)))
    end)
  end

  it("several ranges", function()
    local request = { path = "/files/large.bin", headers = { Range = "bytes=0-9,100-109,-5" } }
    local function parts(r)
      assert.are.equal(206, r.status)
      local boundary = r.headers["content-type"]:match "boundary=(%w+)"
      assert.are.equal(tostring(#r.body), r.headers["content-length"])
      return (r.body:gsub(boundary, "BOUNDARY"))
    end
    assert.are.equal(parts(s:connect():request(request)), parts(c:request(request)))
  end)

  it("trailers of a request", function()
    local r1 = s:connect():send("POST /trailers HTTP/1.1\r\nHost: a\r\n"
      .. "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"):response()
    local id = c:open { method = "POST", path = "/trailers", ends = false }
    c:data(id, "abc", false)
    c:frame(http2.HEADERS, 5, id, http2.block { { "x-sum", "6" } })
    assert.are.equal("abc|6", c:response(id).body)
    assert.are.equal("abc|6", r1.body)
  end)

  it("a stream that fails is cut off", function()
    local http1 = s:connect():send "GET /stream/fails HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.has_error(function() http1:response() end)
    local r = c:request { path = "/stream/fails" }
    assert.are.equal(http2.INTERNAL_ERROR, r.reset)
    assert.are.equal("begin", r.body)
    assert.are.equal("hello", c:request {}.body)
  end)
end)

