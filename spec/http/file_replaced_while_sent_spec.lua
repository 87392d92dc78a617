-- file_replaced_while_sent_spec.lua: whatever happens to a file while it is sent, a client that
-- gets as many bytes as it was promised has one state of the file; otherwise the connection breaks
-- off.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local SIZE = 16 * 1024 * 1024

describe("a file that is sent to a slow reader", function()
  local s, path

  setup(function()
    s = server.start { files = { ["app.lua"] = [[
      local http = require "justhttp"
      local app = http.app()
      app:static("/log", "public", { growing = true })
      app:static("/", "public")
      return app ]], ["public/x"] = "" } }
    path = s.dir .. "/app/public/large.bin"
  end)
  teardown(function() s:stop() end)

  local function fill(byte, size, how)
    local file = assert(io.open(path, how or "wb"))
    local block = byte:rep(65536)
    for _ = 1, (size or SIZE) / 65536 do file:write(block) end
    file:close()
  end

  -- Begins a download of the old content and stops reading after its head.
  local function begin(target, range)
    fill "o"
    local c = s:connect { receive_bytes = 65536 }
    c:send(("GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n"):format(target or "/large.bin",
      range and "Range: " .. range .. "\r\n" or ""))
    local head = c:read_until "\r\n\r\n"
    return c, tonumber(head:match "Content%-Length: (%d+)")
  end

  local function rest(c)
    local bytes = c:read_all()
    c:close()
    return bytes
  end

  local function is_alive()
    return s:get("/x").status == 200
  end

  it("arrives whole", function()
    local c, length = begin()
    assert.equal(SIZE, length)
    assert.is_true(c:read(SIZE) == ("o"):rep(SIZE))
    c:close()
  end)

  it("is still the old one when it was replaced", function()
    local c, length = begin()
    os.rename(path, path .. ".old")
    fill "n"
    assert.is_true(c:read(length) == ("o"):rep(length))
    assert.equal("n", s:get("/large.bin", { Range = "bytes=0-0" }).body)
    c:close()
    os.remove(path .. ".old")
  end)

  it("is still the old one when another was renamed over it", function()
    local c, length = begin()
    local new = path .. ".new"
    sys.write_file(new, "new")
    os.rename(new, path)
    assert.is_true(c:read(length) == ("o"):rep(length))
    c:send "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.equal("new", c:response().body)
    c:close()
  end)

  it("is still the old one when it was removed", function()
    local c, length = begin()
    os.remove(path)
    assert.is_true(c:read(length) == ("o"):rep(length))
    assert.equal(404, s:get("/large.bin").status)
    c:close()
  end)

  it("breaks off when it was truncated", function()
    local c, length = begin()
    sys.write_file(path, "")
    local bytes = rest(c)
    assert.is_true(#bytes < length)
    assert.is_nil(bytes:find "[^o]")
    assert.is_true(is_alive())
    assert.equal("", s:get("/large.bin").body)
  end)

  it("breaks off when it was written anew, as long as before", function()
    local c, length = begin()
    fill "n"
    assert.is_true(#rest(c) < length)
    assert.is_true(is_alive())
  end)

  it("breaks off when some of it was changed in place", function()
    local c, length = begin()
    local file = io.open(path, "r+b")
    file:seek("set", SIZE - 10)
    file:write "n"
    file:close()
    local bytes = rest(c)
    assert.is_true(#bytes < length)
    assert.is_nil(bytes:find "n")
  end)

  it("breaks off in the middle of several ranges, too", function()
    local c, length = begin("/large.bin", ("bytes=0-1,%d-%d,5-9"):format(1000, SIZE - 1000))
    fill "n"
    assert.is_true(#rest(c) < length)
    assert.is_true(is_alive())
  end)

  it("breaks off when it was appended to, unless files may grow", function()
    local c, length = begin()
    fill("n", 65536, "ab")
    assert.is_true(#rest(c) < length)
    c, length = begin "/log/large.bin"
    fill("n", 65536, "ab")
    assert.equal(SIZE, length)
    assert.is_true(c:read(SIZE) == ("o"):rep(SIZE))
    assert.is_true(c:is_quiet(0.05))
    c:close()
    c, length = begin "/log/large.bin"
    sys.write_file(path, "")
    assert.is_true(#rest(c) < length)
    assert.is_true(is_alive())
  end)

  it("is let go when the client is", function()
    fill "o"
    local function open_files()
      local count = 0
      for line in io.popen(("ls -l /proc/%d/fd"):format(s:workers()[1])):lines() do
        if line:find("large.bin", 1, true) then count = count + 1 end
      end
      return count
    end
    local clients = {}
    for i = 1, 10 do clients[i] = begin() end
    assert.is_true(open_files() >= 1)
    for i = 1, 10 do clients[i]:reset() end
    local wait_for = require "spec.support.wait"
    -- What is left are those that the caches of the two roots hold.
    wait_for(function() return is_alive() and open_files() <= 2 end)
  end)
end)

describe("a reader of a file that does not read", function()
  it("is left when its time is over", function()
    local s = server.start { options = { write_timeout_ms = 200 }, files = { ["app.lua"] = [[
      local http = require "justhttp"
      local app = http.app()
      app:static("/", "public")
      return app ]], ["public/x"] = ("x"):rep(65536) } }
    local file = io.open(s.dir .. "/app/public/large.bin", "wb")
    for _ = 1, 256 do file:write(("o"):rep(65536)) end
    file:close()
    local c = s:connect { receive_bytes = 4096 }
    c:send "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    c:read_until "\r\n\r\n"
    sys.sleep(0.5)
    assert.is_true(#c:read_all() < SIZE)
    c:close()
    -- One that reads, however slowly, gets all of it.
    c = s:connect { receive_bytes = 65536, deadline = 20 }
    c:send "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    c:read_until "\r\n\r\n"
    local count = 0
    while count < SIZE do
      count = count + #c:read(math.min(1048576, SIZE - count))
      sys.sleep(0.02)
    end
    c:close()
    s:stop()
  end)
end)
