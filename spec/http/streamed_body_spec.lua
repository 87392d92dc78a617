-- streamed_body_spec.lua: bodies above body_buffer_bytes are read on demand: whole, in pieces of
-- any size, slowly; the client is held back meanwhile, and every cut of the bytes gives the same
-- body.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local function checksum(bytes, sum)
  for i = 1, #bytes do sum = (sum * 31 + bytes:byte(i)) % 16777213 end
  return sum
end
app:post("/whole", function(ctx) return #ctx.body .. " " .. checksum(ctx.body, 0) end)
app:post("/read/:n", function(ctx)
  local count, sum = 0, 0
  for piece in function() return ctx:read(tonumber(ctx.params.n)) end do
    assert(#piece > 0 and #piece <= tonumber(ctx.params.n))
    count, sum = count + #piece, checksum(piece, sum)
  end
  assert(ctx:read() == nil)
  return count .. " " .. sum
end)
app:post("/slow", function(ctx)
  local count, sum = 0, 0
  for piece in function() return ctx:read(100000) end do
    count, sum = count + #piece, checksum(piece, sum)
    http.sleep(0.001)
  end
  return count .. " " .. sum
end)
app:post("/later", function(ctx)
  http.sleep(0.01)
  return #ctx.body .. " " .. checksum(ctx.body, 0)
end)
local is_open = false
app:post("/gated", function(ctx)
  while not is_open do http.sleep(0.005) end
  return #ctx.body .. " " .. checksum(ctx.body, 0)
end)
app:post("/two", function(ctx)
  local first = ctx:read(10)
  return first .. " " .. #ctx.body
end)
app:get("/open", function() is_open = true return "open" end)
app:post("/turns", function(ctx)
  local turns, is_done = 0, false
  http.spawn(function()
    while not is_done do
      http.sleep(0)
      turns = turns + 1
    end
  end)
  http.sleep(0.1)
  turns = 0
  local count = 0
  for piece in ctx:pieces() do count = count + #piece end
  is_done = true
  return count .. " " .. turns
end)
app:get("/", function() return "here" end)
return app
]]

local function checksum(bytes)
  local sum = 0
  for i = 1, #bytes do sum = (sum * 31 + bytes:byte(i)) % 16777213 end
  return #bytes .. " " .. sum
end

local function bytes_of(size)
  local pieces = {}
  for i = 1, math.ceil(size / 8) do pieces[i] = ("%08x"):format(i) end
  return table.concat(pieces):sub(1, size)
end

local function plain(path, body)
  return ("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(path, #body, body)
end

local function chunked(path, body, chunk_bytes)
  local chunks = {}
  for at = 1, #body, chunk_bytes do
    local piece = body:sub(at, at + chunk_bytes - 1)
    chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  return ("POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    .. "%s0\r\n\r\n"):format(path,
    table.concat(chunks))
end

local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

describe("a streamed body", function()
  local s

  setup(function() s = server.start { code = CODE, options = { max_body_bytes = "64m" } } end)
  teardown(function() s:stop() end)

  for _, path in ipairs { "/whole", "/read/1000", "/read/65536", "/slow", "/later" } do
    it("arrives as it was sent: " .. path, function()
      local c = s:connect()
      for _, size in ipairs { 16385, 20000, 65537, 200001, 1000003 } do
        local body = bytes_of(size)
        local want = checksum(body)
        assert.are.equal(want, c:send(plain(path, body)):response().body)
        assert.are.equal(want, c:send(chunked(path, body, 4001)):response().body)
      end
      assert.are.equal("here", c:send(GET):response().body)
      c:close()
    end)
  end

  it("arrives as it was sent, however it is cut", function()
    local body = bytes_of(20011)
    local want = checksum(body)
    for _, bytes in ipairs { plain("/read/3000", body), chunked("/read/3000", body, 997),
                             chunked("/whole", body, 16384), plain("/whole", body) } do
      for _, step in ipairs { 1, 2, 3, 7, 100, 4096, 16383, 16384, 16385 } do
        -- Byte by byte around the borders is enough: the head, and the last bytes.
        local c = s:connect()
        if step < 100 then
          c:send_slowly(bytes:sub(1, 150), { bytes = step, pause = 0.0002 })
          c:send(bytes:sub(151, -101))
          c:send_slowly(bytes:sub(-100), { bytes = step, pause = 0.0002 })
        else
          c:send_slowly(bytes, { bytes = step, pause = 0.0005 })
        end
        assert.are.equal(want, c:response().body)
        assert.are.equal("here", c:send(GET):response().body)
        c:close()
      end
    end
  end)

  it("may be read in part with read and to its end with body", function()
    local body = bytes_of(30000)
    local c = s:connect()
    for _, bytes in ipairs { plain("/two", body), chunked("/two", body, 5000) } do
      local first = c:send(bytes):response().body:match "^%S+"
      assert.are.equal(body:sub(1, #first), first)
    end
    assert.are.equal("here", c:send(GET):response().body)
    c:close()
  end)

  it("is found complete when it is followed by a request", function()
    local body = bytes_of(100000)
    local c = s:connect()
    c:send(chunked("/whole", body, 10000) .. GET .. plain("/read/9999", body) .. GET)
    assert.are.equal(checksum(body), c:response().body)
    assert.are.equal("here", c:response().body)
    assert.are.equal(checksum(body), c:response().body)
    assert.are.equal("here", c:response().body)
    c:close()
  end)

  it("is held back while the handler does not read", function()
    local body = bytes_of(8000000)
    local c = s:connect { send_bytes = 65536 }
    local bytes = plain("/gated", body)
    c.patience = 0.1
    local ok, _, sent = c:try_send(bytes)
    assert.is_falsy(ok)
    -- What the kernel buffers, and no more.
    assert.is_true(sent < 7900000, "the server took " .. sent)
    c.patience = 5 * sys.patience
    assert.are.equal("open", s:get("/open").body)
    c:send(bytes:sub(sent + 1))
    assert.are.equal(checksum(body), c:response().body)
    c:close()
  end)

  it("leaves others their turns, however fast it comes", function()
    local c = s:connect { send_bytes = 4000000 }
    local body = c:send(plain("/turns", bytes_of(4000000))):response().body
    local count, turns = body:match "(%d+) (%d+)"
    assert.are.equal("4000000", count)
    -- At most 256 KiB in each turn, and what is less than a read of 64 KiB over it.
    assert.is_true(tonumber(turns) >= 11, turns .. " turns")
    c:close()
  end)

  it("does not grow the worker", function()
    local alone = server.start { code = CODE, options = { max_body_bytes = "64m" } }
    local worker = alone:workers()[1]
    local function most_resident_kb()
      return tonumber(sys.read_file(("/proc/%d/status"):format(worker)):match("VmHWM:%s*(%d+)"))
    end
    local piece = ("x"):rep(1000000)
    local function upload()
      local c = alone:connect()
      c:send("POST /read/65536 HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
      for _ = 1, 20 do c:send(piece) end
      assert.is_truthy(c:response().body:find("^20000000 "))
      c:close()
    end
    local before = most_resident_kb()
    for _ = 1, 3 do upload() end
    local grown = most_resident_kb() - before
    alone:stop()
    if sys.patience == 1 then assert.is_true(grown < 20000, "grew by " .. grown .. " kB") end
  end)
end)
