-- upload_parts_spec.lua: ctx:parts() gives the parts of a form as they come in, exactly as they
-- were sent, however the bytes are cut; what is wrong with a form or above a limit is answered
-- clearly.
local multipart = require "spec.support.multipart"
local server = require "spec.support.server"

local CODE = [[
local http = require "justhttp"
local app = http.app()
app:use(http.middleware.limits{ body = "64m" })
local function checksum(bytes, sum)
  for i = 1, #bytes do sum = (sum * 31 + bytes:byte(i)) % 16777213 end
  return sum
end
app:post("/parts", function(ctx)
  local bytes = tonumber(ctx.query.n)
  local list = {}
  for part in ctx:parts() do
    local sum, count, largest = 0, 0, 0
    for piece in function() return part:read(bytes) end do
      sum, count = checksum(piece, sum), count + #piece
      largest = math.max(largest, #piece)
    end
    assert(part:read(bytes) == nil and part:read() == nil)
    assert(not bytes or largest <= bytes)
    list[#list + 1] = { name = part.name, filename = part.filename, raw = part.raw_filename,
      type = part.type, sum = sum, count = count, custom = part.headers["x-CUSTOM"] }
  end
  return list
end)
app:post("/skip", function(ctx)
  local names = {}
  for part in ctx:parts() do names[#names + 1] = part.name .. "=" .. part:read(3) end
  return table.concat(names, " ")
end)
app:post("/first", function(ctx)
  for part in ctx:parts() do return part.name end
end)
app:post("/after_body", function(ctx)
  local length = #ctx.body
  local names = {}
  for part in ctx:parts() do names[#names + 1] = part.name .. part:read() end
  return length .. " " .. table.concat(names, " ")
end)
app:post("/stale", function(ctx)
  local parts = {}
  for part in ctx:parts() do parts[#parts + 1] = part end
  return select(2, pcall(parts[1].read, parts[1]))
end)
app:post("/twice", function(ctx)
  ctx:parts()
  return select(2, pcall(ctx.parts, ctx))
end)
app:post("/touched", function(ctx)
  ctx:read(1)
  return select(2, pcall(ctx.parts, ctx))
end)
app:post("/limits", function(ctx)
  local count = 0
  for part in ctx:parts(ctx.query) do count = count + #part:read() end
  return tostring(count)
end)
app:post("/options", function(ctx) return select(2, pcall(ctx.parts, ctx, { size = 1 })) end)
app:get("/", function() return "here" end)
return app
]]

local function checksum(bytes)
  local sum = 0
  for i = 1, #bytes do sum = (sum * 31 + bytes:byte(i)) % 16777213 end
  return sum
end

-- Content that looks like boundaries wherever it can.
local function lures(size)
  local pieces, len, i = {}, 0, 0
  local near = "\r\n--" .. multipart.boundary
  while len < size do
    i = i + 1
    local piece = i % 3 == 0 and near:sub(1, i % #near) or ("%d\r"):format(i)
    pieces[#pieces + 1], len = piece, len + #piece
  end
  return table.concat(pieces):sub(1, size)
end

local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

describe("ctx:parts", function()
  local s, json

  setup(function()
    json = require "justhttp.json"
    s = server.start { code = CODE, options = { log_level = "off" } }
  end)
  teardown(function() s:stop() end)

  local parts = {
    { name = "a", content = "" }, { name = "b b", content = "zwei" },
    { name = "f", filename = "../..\\x.txt", type = "text/plain", content = lures(300) },
    { name = "big", filename = "big.bin", type = "image/png", content = lures(200003) },
    { name = "f", filename = "", content = "" }, { name = "last", content = lures(70000) },
  }

  local function want_of(sent)
    local want = {}
    for i, part in ipairs(sent) do
      want[i] = { name = part.name, raw = part.filename, type = part.type,
                  count = #part.content, sum = checksum(part.content),
                  filename = part.filename and (part.filename:match "[^\\/]+$" or "file") }
    end
    return want
  end

  it("has them as they were sent, in pieces of any size, in requests of any shape", function()
    local want = want_of(parts)
    local body = multipart.body(parts)
    local c = s:connect()
    for _, n in ipairs { "", "?n=1000", "?n=65536", "?n=1000000" } do
      for _, chunk_bytes in ipairs { false, 100, 4001, 70000, 1000000 } do
        local bytes = multipart.request("/parts" .. n, body, { chunk_bytes = chunk_bytes or nil })
        assert.are.same(want, json.decode(c:send(bytes):response().body))
      end
    end
    assert.are.equal("here", c:send(GET):response().body)
    c:close()
  end)

  it("has those of a small form too, whole or byte by byte", function()
    local small = { parts[1], parts[2], parts[3], parts[5] }
    local bytes = multipart.request("/parts", multipart.body(small))
    local c = s:connect()
    assert.are.same(want_of(small), json.decode(c:send(bytes):response().body))
    for _, step in ipairs { 1, 7, 100 } do
      c:send_slowly(bytes .. GET, { bytes = step, pause = 0.0001 })
      assert.are.same(want_of(small), json.decode(c:response().body))
      assert.are.equal("here", c:response().body)
    end
    c:close()
  end)

  it("has their headers", function()
    local body = "--x\r\nX-Custom: 1\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--"
    local r = s:request { method = "POST", path = "/parts", body = body,
                          headers = { ["Content-Type"] = 'Multipart/Form-Data; boundary="x"' } }
    assert.are.equal("1", json.decode(r.body)[1].custom)
  end)

  it("passes over what is not read of them", function()
    for _, chunk_bytes in ipairs { false, 5000 } do
      local c = s:connect()
      local body = multipart.body { { name = "a", content = lures(100000) },
        { name = "b", content = "123" }, { name = "c", content = lures(65536) } }
      local bytes = multipart.request("/skip", body, { chunk_bytes = chunk_bytes or nil })
      assert.are.equal("a=1\r2 b=123 c=1\r2", (c:send(bytes .. GET):response().body))
      assert.are.equal("here", c:response().body)
      c:close()
    end
  end)

  it("may be left early", function()
    local c = s:connect()
    local body = multipart.body { { name = "a", content = lures(100000) },
      { name = "b", content = "123" } }
    assert.are.equal("a", c:send(multipart.request("/first", body) .. GET):response().body)
    assert.are.equal("here", c:response().body)
    c:close()
  end)

  it("comes after ctx.body as well", function()
    for _, size in ipairs { 10, 100000 } do
      local body = multipart.body { { name = "a", content = ("x"):rep(size) } }
      local r = s:request { method = "POST", path = "/after_body", body = body,
                            headers = multipart.headers }
      assert.are.equal(#body .. " a" .. ("x"):rep(size), r.body)
    end
  end)

  local function post(path, body, headers)
    return s:request { method = "POST", path = path, body = body,
                       headers = headers or multipart.headers }
  end

  it("says how it must be used", function()
    local body = multipart.body { { name = "a", content = "1" }, { name = "b", content = "2" } }
    assert.matches("this part is over", post("/stale", body).body)
    assert.matches("asked for before", post("/twice", body).body)
    assert.matches("unknown option \"size\"", post("/options", body).body)
    local large = multipart.body { { name = "a", content = ("x"):rep(100000) } }
    assert.matches("read in part already", post("/touched", large).body)
  end)

  it("answers 415 to other bodies and 400 to malformed ones", function()
    local function refuses(status, text, body, content_type)
      local headers = content_type and { ["Content-Type"] = content_type }
      for _, padding in ipairs { "", ("x"):rep(50000) } do
        local r = post("/parts", body .. padding, headers)
        assert.are.same({ status, text .. "\n" }, { r.status, r.body })
      end
    end
    refuses(415, "the body is not multipart/form-data", "a=b", "application/x-www-form-urlencoded")
    refuses(415, "the body is not multipart/form-data", "a=b", "multipart/mixed; boundary=x")
    refuses(400, "multipart/form-data without a valid boundary", "a", "multipart/form-data")
    refuses(400, "multipart/form-data without a valid boundary", "a",
      'multipart/form-data; boundary="a\195\188"')
    local b = "--" .. multipart.boundary
    refuses(400, "the body does not begin with its boundary", "a")
    refuses(400, "part without Content-Disposition", b .. "\r\n\r\na")
    refuses(400, "bare LF in a part header", b .. "\r\nA: b\n\na")
    refuses(400, "the body ends before its final boundary", multipart.head("a") .. "b")
    assert.are.equal(400, post("/parts", "").status)
  end)

  it("answers 413 above a limit", function()
    local function refuses(text, query, body)
      local r = post("/limits?" .. query, body)
      assert.are.same({ 413, text .. "\n" }, { r.status, r.body })
    end
    local function fields(count, size)
      local list = {}
      for i = 1, count do list[i] = { name = "a" .. i, content = ("x"):rep(size) } end
      return multipart.body(list)
    end
    local file = { name = "f", filename = "f", content = ("x"):rep(100000) }
    refuses("too many parts", "parts=2", fields(3, 1))
    assert.are.equal("2", post("/limits?parts=2", fields(2, 1)).body)
    refuses("a field is too large", "field=9", fields(3, 10))
    assert.are.equal("30", post("/limits?field=10", fields(3, 10)).body)
    refuses("a file is too large", "file=97k&field=1", multipart.body { file })
    assert.are.equal("100000", post("/limits?file=98k", multipart.body { file }).body)
    refuses("too many files", "files=1", multipart.body { file, file })
    refuses("the form is too large", "total=30", fields(4, 10))
    refuses("part header too large", "header=40", fields(1, 1))
    refuses("too many parts", "", fields(1001, 1))
    refuses("a field is too large", "", fields(1, 1048577))
  end)

  it("answers 413 when the body around it is too large", function()
    local c = s:connect()
    c:try_send(("POST /parts HTTP/1.1\r\nHost: a\r\nContent-Length: 67108865\r\n"
      .. "Content-Type: %s\r\n\r\n"):format(multipart.headers["Content-Type"]))
    assert.are.equal(413, c:response().status)
    c:close()
  end)
end)
