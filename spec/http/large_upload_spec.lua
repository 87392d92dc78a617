-- large_upload_spec.lua: an upload of any size runs in constant memory, read or kept, and others
-- are served meanwhile. 64 MiB here; JUSTHTTP_SPEC_UPLOAD_BYTES=2147483648 is the real thing. curl
-- is a client that was not written for these specs.
local ffi = require "ffi"
local multipart = require "spec.support.multipart"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local BYTES = tonumber(os.getenv "JUSTHTTP_SPEC_UPLOAD_BYTES") or 67108864

local CODE = [[
local http = require "justhttp"
local app = http.app()
app:use(http.middleware.limits{ body = "8g" })
app:post("/pieces", function(ctx)
  local bytes = 0
  for piece in ctx:pieces() do bytes = bytes + #piece end
  return tostring(bytes)
end)
app:post("/parts", function(ctx)
  local bytes = 0
  for part in ctx:parts() do
    for piece in function() return part:read(65536) end do bytes = bytes + #piece end
  end
  return tostring(bytes)
end)
app:post("/files", function(ctx) return tostring(ctx:files().f[1].size) end)
app:post("/save", function(ctx)
  local file = ctx:files().f[1]
  assert(file:save(ctx.query.path))
  return tostring(file.size)
end)
app:get("/", function() return "here" end)
return app
]]

describe("a large upload", function()
  local s, dir

  setup(function()
    dir = sys.temp_dir()
    s = server.start { code = CODE, options = { upload_dir = dir } }
  end)
  teardown(function()
    s:stop()
    sys.remove(dir)
  end)

  local function status_of(name)
    local text = sys.read_file(("/proc/%d/status"):format(s:workers()[1]))
    return tonumber(text:match(name .. ":%s*(%d+)"))
  end

  local function cpu_seconds()
    local stat = sys.read_file(("/proc/%d/stat"):format(s:workers()[1]))
    local user, system = stat:match("%) %a" .. (" %-?%d+"):rep(10) .. " (%d+) (%d+)")
    return (user + system) / 100
  end

  local random = ffi.new "uint32_t[65536]"
  for i = 0, 65535 do random[i] = math.random(0, 2 ^ 32 - 1) end
  local piece = ffi.string(random, 262144)

  -- Sends a file of BYTES, made while it is sent. Returns the answer's body.
  local function upload(path, chunked)
    local head, tail = multipart.head("f", "big.bin", "application/octet-stream"), multipart.tail
    local c = s:connect()
    c.patience = 60 * sys.patience
    local function send(bytes)
      if chunked then bytes = ("%x\r\n%s\r\n"):format(#bytes, bytes) end
      c:send(bytes)
    end
    c:send(("POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\n%s\r\n\r\n"):format(path,
      multipart.headers["Content-Type"],
      chunked and "Transfer-Encoding: chunked" or "Content-Length: " .. #head + BYTES + #tail))
    send(head)
    for _ = 1, BYTES / #piece do send(piece) end
    send(tail)
    if chunked then c:send "0\r\n\r\n" end
    local body = c:response().body
    c:close()
    return tonumber(body), #head + BYTES + #tail
  end

  for _, case in ipairs { { "/pieces", false }, { "/parts", false }, { "/parts", true },
                          { "/files", false } } do
    local path, chunked = case[1], case[2]
    it(("takes no memory: %s%s"):format(path, chunked and ", chunked" or ""), function()
      s:get "/"
      local before, cpu = status_of "VmRSS", cpu_seconds()
      local bytes, whole = upload(path, chunked)
      assert.are.equal(path == "/pieces" and whole or BYTES, bytes)
      if sys.patience == 1 then
        local grown = status_of "VmHWM" - before
        assert.is_true(grown < 24000, "it grew by " .. grown .. " kB")
        -- A bound that only a mistake breaks; spec/bench has the figures.
        assert.is_true(cpu_seconds() - cpu < BYTES / 2 ^ 30 * 8 + 0.2, "it was slow")
      end
    end)
  end

  it("keeps nobody waiting", function()
    local child = ffi.C.fork()
    if child == 0 then
      pcall(upload, "/parts")
      ffi.C._exit(0)
    end
    local worst, count = 0, 0
    local status = ffi.new "int[1]"
    local c = s:connect()
    while ffi.C.waitpid(child, status, 1) == 0 do
      local start = sys.now()
      assert.are.equal("here", c:request({}).body)
      worst, count = math.max(worst, sys.now() - start), count + 1
    end
    c:close()
    assert.is_true(count > 10, count .. " requests meanwhile")
    assert.is_true(worst < 0.5 * sys.patience, "one took " .. worst)
  end)

  describe("by curl", function()
    local function curl(arguments)
      local pipe = io.popen(("curl -sS --noproxy '*' %s 2>&1"):format(arguments))
      local text = pipe:read "*a"
      pipe:close()
      return text
    end

    setup(function()
      local file = assert(io.open(dir .. "/source", "wb"))
      for _ = 1, 40 do file:write(piece) end
      file:close()
    end)

    it("arrives as it was sent", function()
      for i, more in ipairs { "", "-H 'Transfer-Encoding: chunked'", "-H 'Expect: 100-continue'",
                              "-H 'Expect:'", "--http1.0", "--limit-rate 100m" } do
        local path = dir .. "/saved" .. i
        assert.are.equal("10485760", curl(("%s -F a=b -F f=@%s/source '%s/save?path=%s'"):format(
          more, dir, s.url, path)))
        assert.is_true(sys.read_file(path) == piece:rep(40))
        os.remove(path)
      end
    end)

    it("arrives from standard input", function()
      assert.are.equal("10485760",
        curl(("-F 'f=@-;filename=x' '%s/files' < %s/source"):format(s.url, dir)))
    end)
  end)
end)
