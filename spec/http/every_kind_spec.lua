-- every_kind_spec.lua: requests of every kind, over and over: each gets its own answer, and when
-- they are over nothing is left of them: no request, shadow or connection, no Lua value, no
-- descriptor, and on the sanitizer build no byte.
--
-- JUSTHTTP_REQUESTS=100000 says how many; `make asan SPECS=spec/http/every_kind_spec.lua`.
local multipart = require "spec.support.multipart"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local APP = [[
local http = require "justhttp"
local door = require "justhttp.door"
local app = http.app()
local timeout, limits = http.middleware.timeout, http.middleware.limits
local state = { late = 0, aborted = 0 }

app:get("/n/:n", function(ctx) return { n = ctx.params.n } end)
app:get("/error", function() error "on purpose" end)
app:post("/echo", function(ctx) return ctx.body end)
app:post("/count", function(ctx)
  local bytes = 0
  for piece in ctx:pieces() do bytes = bytes + #piece end
  return bytes .. (ctx.trailers["x-sum"] or "")
end)
app:post("/unread", function() return "unread" end)
app:post("/inflate", http.middleware.decompress(100000), function(ctx) return ctx.body end)
app:post("/refuse", http.middleware.on_expect(function() return false end), function() end)
app:post("/early", http.middleware.on_headers(function() return 403, "early" end), function() end)
app:post("/limit", limits { body = 1000, body_timeout = 5 }, function(ctx) return ctx.body end)

app:post("/parts", function(ctx)
  local bytes = 0
  for part in ctx:parts() do
    for piece in function() return part:read(5000) end do bytes = bytes + #piece end
  end
  return tostring(bytes)
end)
app:post("/form", function(ctx)
  local file = ctx:files { spool_above = 1000 }.f[1]
  if ctx.query.save then assert(file:save(os.getenv "SPEC_SAVED", { overwrite = true })) end
  return ctx:form().title .. #file:read()
end)

app:get("/stream", function(ctx)
  ctx:stream(function(stream)
    for i = 1, 5 do
      stream:write(("s"):rep(i * 100))
      http.sleep(0)
    end
    stream:trailer("X-End", "yes")
  end)
end)
app:get("/long", function(ctx)
  ctx:stream(function(stream)
    for _ = 1, 20 do stream:write(("l"):rep(20000)) end
  end)
end)
app:get("/events", function(ctx)
  ctx:events(function(events)
    for i = 1, 3 do events:send { event = "tick", id = i, data = "a\nb" } end
  end)
end)
app:get("/hints", function(ctx)
  ctx:early_hints { "</a.css>; rel=preload" }
  return "hinted"
end)
app:group("/coded", function(coded)
  coded:use(http.middleware.compress())
  coded:get("/text", function() return ("compress me "):rep(500) end)
  coded:get("/stream", function(ctx)
    ctx:set("Content-Type", "text/plain")
    ctx:stream(function(stream) for _ = 1, 5 do stream:write(("again "):rep(100)) end end)
  end)
end)
app:templates "views"
app:get("/page", function(ctx) return ctx:render("page", { names = { "a", "<b>" } }) end)
app:static("/files", "public", { listing = true, precompressed = true })
app:get("/attachment", function(ctx)
  ctx:attachment "données.txt"
  return ctx:file "public/small.txt"
end)

local function late(ctx)
  pcall(http.sleep, 0.004)
  ctx:set("X-Late", ctx.path)
  state.late = state.late + 1
  return "late"
end
app:any("/late/:n", timeout(0.001), late)
app:get("/late_file", timeout(0.001), function(ctx)
  ctx:file "public/large.txt"
  return late(ctx)
end)
app:get("/cancelled", timeout(0.001, { cancel = true }), function() http.sleep(60) end)
app:get("/split", function(ctx)
  ctx:timeout_error("split", 504)
  return late(ctx)
end)
app:get("/leave", function(ctx)
  ctx:on_abort(function() state.aborted = state.aborted + 1 end)
  local child = http.spawn(http.sleep, 60)
  ctx:file "public/large.txt"
  http.wait(child)
end)
app:get("/tasks", function(ctx)
  ctx:defer(function() state.deferred = true end)
  local a = http.spawn(function() http.sleep(0) return 1 end)
  local b = http.spawn(function() return 2 end)
  return tostring(http.wait(a) + http.wait(b))
end)
app:get("/inside", function() return app:request { path = "/n/1" }.body end)
app:get("/inside/file", function()
  return app:request { path = "/files/large.txt" }.body
end)

app:get("/hijack", function(ctx)
  ctx:hijack(function(conn)
    local writer = http.spawn(function() conn:write "ready\n" end)
    http.wait(writer)
    for line in function() return conn:read_line() end do conn:write("<" .. line .. ">\n") end
  end)
end)
app:get("/upgrade", function(ctx)
  return ctx:upgrade("echo", function(conn)
    for piece in function() return conn:read() end do conn:write(piece) end
  end)
end)

app:get("/counts", function()
  local C, generation = door.C, door.generation
  collectgarbage()
  collectgarbage()
  return { in_flight = C.jh_generation_in_flight(generation),
    shadows = C.jh_generation_shadows(generation),
    connections = C.jh_generation_connections(generation), heap_kb = collectgarbage "count",
    aborted = state.aborted, late = state.late }
end)
return app
]]

local FILES = {
  ["app.lua"] = APP,
  ["views/page.html"] = "<% for _, name in ipairs(names) do %><p><%= name %></p><% end %>",
  ["public/small.txt"] = ("small "):rep(50),
  ["public/small.txt.gz"] = "not looked into",
  ["public/middle.txt"] = ("middle"):rep(5000),
  ["public/large.txt"] = ("large "):rep(50000),
  ["public/dir/a.txt"] = "a",
}

local function get(path, fields, method)
  return ("%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n"):format(method or "GET", path, fields or "")
end

local function post(path, body, fields)
  return get(path, ("%sContent-Length: %d\r\n"):format(fields or "", #body), "POST") .. body
end

local function chunked(path, body, trailer)
  local chunks = ("%x;x=y\r\n%s\r\n0\r\n%s\r\n"):format(#body, body, trailer or "")
  return get(path, "Transfer-Encoding: chunked\r\n", "POST") .. chunks
end

local BODY = ("body "):rep(9000)
local FORM = multipart.body {
  { name = "title", content = "t" },
  { name = "f", filename = "f.bin", type = "text/plain", content = ("spool"):rep(2000) },
}
local SMALL_FORM = multipart.body {
  { name = "title", content = "t" },
  { name = "f", filename = "f.bin", content = "memory" },
}
local FORM_TYPE = "Content-Type: " .. multipart.headers["Content-Type"] .. "\r\n"
local RANGES = "Range: bytes=0-9,100-199,-5\r\n"

-- Bytes of a request, and what its answer must be: status (200), body, bytes, method. All of them
-- keep their connection, so they are pipelined in any number.
local PLAIN = {
  { get "/n/1?q=x", body = '{"n":"1"}' },
  { get("/n/1", "", "HEAD"), method = "HEAD" },
  { get "/missing", status = 404 },
  { get("/n/1", "", "DELETE"), status = 405 },
  { get("/n/1", "", "OPTIONS"), status = 204 },
  { get "/error", status = 500 },
  { post("/echo", "small"), body = "small" },
  { post("/echo", BODY), body = BODY },
  { chunked("/echo", BODY), body = BODY },
  { post("/count", BODY), body = tostring(#BODY) },
  { chunked("/count", BODY, "X-Sum: ok\r\n"), body = #BODY .. "ok" },
  { post("/unread", BODY), body = "unread" },
  { chunked("/unread", "few"), body = "unread" },
  { post("/echo", "go on", "Expect: 100-continue\r\n"), body = "go on" },
  { post("/inflate", "nonsense", "Content-Encoding: gzip\r\n"), status = 400 },
  { post("/limit", "short"), body = "short" },
  { post("/parts", FORM, FORM_TYPE), body = "10001" },
  { post("/form", FORM, FORM_TYPE), body = "t10000" },
  { post("/form", SMALL_FORM, FORM_TYPE), body = "t6" },
  { post("/form?save=1", FORM, FORM_TYPE), body = "t10000" },
  { get "/stream", bytes = 1500 },
  { get "/long", bytes = 400000 },
  { get "/events", bytes = 105 },
  { get "/hints", body = "hinted" },
  { get("/coded/text", "Accept-Encoding: gzip\r\n"), coding = "gzip" },
  { get("/coded/text", "Accept-Encoding: br\r\n"), coding = "br" },
  { get("/coded/text", "Accept-Encoding: zstd\r\n"), coding = "zstd" },
  { get("/coded/stream", "Accept-Encoding: gzip\r\n"), coding = "gzip" },
  { get "/page", body = "<p>a</p><p>&lt;b&gt;</p>" },
  { get "/files/small.txt", bytes = 300 },
  { get("/files/small.txt", "Accept-Encoding: gzip\r\n"), body = "not looked into" },
  { get("/files/small.txt", 'If-None-Match: *\r\n'), status = 304 },
  { get "/files/middle.txt", bytes = 30000 },
  { get "/files/large.txt", bytes = 300000 },
  { get("/files/large.txt", "", "HEAD"), method = "HEAD" },
  { get("/files/large.txt", "Range: bytes=299000-\r\n"), status = 206, bytes = 1000 },
  { get("/files/large.txt", RANGES), status = 206 },
  { get("/files/middle.txt", RANGES), status = 206 },
  { get("/files/large.txt", "Range: bytes=300000-\r\n"), status = 416 },
  { get("/files/large.txt", 'If-Match: "other"\r\n'), status = 412 },
  { get "/files/dir/", status = 200 },
  { get "/files/dir", status = 302 },
  { get "/files/none.txt", status = 404 },
  { get "/attachment", bytes = 300 },
  { get "/tasks", body = "3" },
  { get "/inside/file", bytes = 300000 },
  { get "/inside", body = '{"n":"1"}' },
  { get "/late/1", status = 503 },
  { post("/late/2", BODY), status = 503 },
  { get "/late_file", status = 503 },
  { get "/cancelled", status = 503 },
  { get "/split", status = 504, body = "split\n" },
}

local function check(c, want)
  local what = want[1]:match "^[^\r]*"
  local r = c:response { method = want.method }
  if (want.status or r.status < 400 and r.status) ~= r.status then
    error(("%s: answered %d: %s"):format(what, r.status, r.body))
  end
  if want.body then assert(want.body == r.body, what .. ": answered " .. r.body:sub(1, 200)) end
  if want.bytes then assert.are.equal(want.bytes, #r.body, what) end
  if want.coding then assert.are.equal(want.coding, r.headers["content-encoding"], what) end
  assert.is_nil(r.headers["x-late"], what)
end

-- Sends while it reads, so that neither side waits for the other. How many were answered.
local function pipeline(s)
  local c = wire.connect(s)
  for first = 1, #PLAIN, 5 do
    local last = math.min(first + 4, #PLAIN)
    local bytes = {}
    for i = first, last do bytes[#bytes + 1] = PLAIN[i][1] end
    c:send(table.concat(bytes))
    for i = first, last do check(c, PLAIN[i]) end
  end
  c:close()
  return #PLAIN
end

-- What ends its connection: requests that are refused, and connections that are taken over.
local ENDING = {
  function(c) assert.are.equal(400, c:send("GET / HTTP/1.1\r\n\r\n"):response().status) end,
  function(c) assert.are.equal(400, c:send(get("/", "Bad Field: x\r\n")):response().status) end,
  function(c) assert.are.equal(413, c:send(post("/limit", BODY)):response().status) end,
  function(c)
    c:send(post("/refuse", "", "Expect: 100-continue\r\n"):gsub("Length: 0", "Length: 9"))
    assert.are.equal(417, c:response().status)
  end,
  function(c) assert.are.equal(403, c:send(post("/early", BODY)):response().status) end,
  function(c) assert.are.equal("unread", c:send(chunked("/unread", BODY)):response().body) end,
  function(c)
    c:send(get("/n/2", "Connection: close\r\n"))
    assert.are.equal('{"n":"2"}', c:response().body)
    c:expect_closed()
  end,
  function(c)
    c:send(get("/stream"):gsub("1%.1", "1.0"))
    assert.are.equal(1500, #c:response().body)
  end,
  function(c)
    c:send(get "/hijack" .. "one\n"):read_until "<one>\n"
    c:send "two\n"
    assert.are.equal("<two>\n", c:read_until "\n")
    c:half_close()
    c:expect_closed()
  end,
  function(c)
    c:send(get("/upgrade", "Connection: upgrade\r\nUpgrade: echo\r\n"))
    assert.are.equal(101, c:response().status)
    c:send "hello"
    assert.are.equal("hello", c:read(5))
  end,
  -- These leave: at once, in the middle of a body, of an answer, of a wait.
  function(c) c:send(get "/leave"):reset() end,
  function(c) c:send(get "/leave"):half_close() end,
  function(c) c:send(post("/count", BODY):sub(1, 20000)):reset() end,
  function(c) c:send(post("/form", FORM, FORM_TYPE):sub(1, -3000)):reset() end,
  function(c) c:send(get "/files/large.txt"):read(1000) c:reset() end,
  function(c) c:send(get "/long"):read(1000) c:reset() end,
  function(c) c:send(get "/late/3"):reset() end,
  function(c) c:send(get "/hijack"):read_until "ready\n" c:reset() end,
}

local function endings(s)
  for _, run in ipairs(ENDING) do
    local c = wire.connect(s)
    run(c)
    c:close()
  end
  return #ENDING
end

local function counts(s) return require "justhttp.json".decode(s:get("/counts").body) end

-- Everything is given back; what Lua still holds then.
local function settle(s)
  local last
  wait_for(function()
    last = counts(s)
    return last.in_flight == 1 and last.shadows == 0 and last.connections == 1
  end, 10, "everything to be given back")
  return last
end

-- What the descriptors of a process are, sorted; without those that are kept of served files, and
-- without sockets, whose number is that of connections.
local function descriptors_of(pid)
  local list = {}
  local pipe = io.popen(("cd /proc/%d/fd && readlink *"):format(pid))
  for line in pipe:lines() do
    local is_counted = not line:find("/app", 1, true) and not line:find "^socket"
    if is_counted then list[#list + 1] = line:gsub("%[%d+%]", "") end
  end
  pipe:close()
  table.sort(list)
  return list
end

-- What an app's heap may gain by chance: traces, pooled dispatchers, interned strings.
local HEAP_SLACK_KB = 300

describe("requests of every kind", function()
  it("get their answers and leave nothing behind", function()
    local wanted = tonumber(os.getenv "JUSTHTTP_REQUESTS") or 1500
    local dir = sys.temp_dir()
    local s = server.start { files = FILES, env = { SPEC_SAVED = dir .. "/saved" },
      options = { log_level = "off" } }
    local worker = s:workers()[1]
    assert.are.equal(200, s:get("/n/1").status)
    local descriptors = descriptors_of(worker)
    local done, warm = 0, nil
    while done < wanted do
      done = done + pipeline(s) + endings(s)
      if not warm and done >= wanted / 3 then warm = settle(s) end
    end
    local last = settle(s)
    assert.are.same({ worker }, s:workers())
    assert.is_true(last.aborted > 0 and last.late > 0)
    assert.is_true(last.heap_kb < warm.heap_kb + HEAP_SLACK_KB,
      ("the Lua heap grew from %d to %d KiB"):format(warm.heap_kb, last.heap_kb))
    assert.are.same(descriptors, descriptors_of(worker))
    s:stop()
    sys.remove(dir)
    if os.getenv "JUSTHTTP_REQUESTS" then print(("%d requests of every kind"):format(done)) end
  end)
end)
