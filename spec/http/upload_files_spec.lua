-- upload_files_spec.lua: ctx:form() and ctx:files() collect forms: fields and small files in
-- memory, large files in temporary files without names that are gone at the end, whatever the end
-- is; saving gives them a name, without copying where the file system allows that.
local multipart = require "spec.support.multipart"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local CODE = [[
local http = require "justhttp"
local app = http.app()
app:use(http.middleware.limits{ body = "64m" })
app:post("/collect", function(ctx)
  local fields, _, all = ctx:form()
  local files = {}
  for name, list in pairs(ctx:files()) do
    files[name] = {}
    for i, file in ipairs(list) do
      files[name][i] = { name = file.name, raw = file.raw_name, type = file.type, size = file.size,
        field = file.field, spooled = file._spool and true or false }
    end
  end
  return { fields = fields, all = all, files = files }
end)
app:post("/content", function(ctx)
  local file = ctx:files().f[1]
  local n = tonumber(ctx.query.n)
  local pieces = {}
  for piece in function() return file:read(n) end do pieces[#pieces + 1] = piece end
  assert(file:read(n) == nil)
  file:rewind()
  local whole = file:read()
  assert(whole == table.concat(pieces))
  return whole
end)
app:post("/lines", function(ctx)
  local lines = {}
  for line in ctx:files().f[1]:lines() do lines[#lines + 1] = line end
  return lines
end)
local function save(ctx, file)
  local ok, err = file:save(ctx.query.path, { overwrite = ctx.query.overwrite == "1" })
  return ok and 200 or 409, { ok = ok, err = err }
end
app:post("/save", function(ctx) return save(ctx, ctx:files().f[1]) end)
app:post("/save_part", function(ctx)
  for part in ctx:parts() do
    if part.filename then return save(ctx, part) end
  end
end)
app:post("/save_twice", function(ctx)
  local file = ctx:files().f[1]
  assert(file:save(ctx.query.path .. ".1"))
  assert(file:save(ctx.query.path .. ".2"))
  return file:read(5)
end)
app:post("/keep", function(ctx)
  local files = ctx:files()
  http.spawn(function()
    http.sleep(0.001)
    http.log.info("late: %s", select(2, pcall(files.f[1].read, files.f[1])))
  end)
  return "kept"
end)
app:post("/close", function(ctx)
  local file = ctx:files().f[1]
  file:close()
  return select(2, pcall(file.read, file))
end)
app:post("/limits", function(ctx)
  ctx:form(ctx.query)
  return "ok"
end)
app:post("/fail", function(ctx)
  ctx:files()
  error "on purpose"
end)
app:post("/other", function(ctx)
  local fields, err = ctx:form()
  local files, err_files = ctx:files()
  return { fields = fields, err = err, files = files, err_files = err_files }
end)
app:get("/", function() return "here" end)
return app
]]

-- Bytes that repeat in no power of two.
local block = {}
for i = 1, 9362 do block[i] = ("%07x"):format(i) end
block = table.concat(block):sub(1, 65521)

local function bytes_of(size)
  return block:rep(math.ceil(size / #block)):sub(1, size)
end

local function output_of(command)
  local pipe = io.popen(command)
  local text = pipe:read "*a"
  pipe:close()
  return text
end

describe("ctx:files", function()
  local s, json, dir

  setup(function()
    json = require "justhttp.json"
    dir = sys.temp_dir()
    os.execute("mkdir " .. dir .. "/uploads " .. dir .. "/kept")
    s = server.start { code = CODE, options = { upload_dir = dir .. "/uploads" } }
  end)
  teardown(function()
    assert.are.equal("", output_of("ls -A " .. dir .. "/uploads"))
    s:stop()
    sys.remove(dir)
  end)

  local function fd_count()
    local pid = s:workers()[1]
    return tonumber(output_of(("ls /proc/%d/fd | wc -l"):format(pid)))
  end

  local function post(path, parts)
    return s:request { method = "POST", path = path, body = multipart.body(parts),
                       headers = multipart.headers }
  end

  local function one(size)
    return { { name = "f", filename = "x.bin", content = bytes_of(size) } }
  end

  it("has them by their fields, with their names made safe", function()
    local body = json.decode(post("/collect", {
      { name = "a", content = "1" }, { name = "a", content = "2" }, { name = "b", content = "" },
      { name = "f", filename = "../etc/passwd", type = "text/plain", content = "small" },
      { name = "f", filename = "big", content = bytes_of(300000) },
      { name = "unchosen", filename = "", type = "application/octet-stream", content = "" },
      { name = "empty", filename = "empty.txt", content = "" },
    }).body)
    assert.are.same({ a = "1", b = "" }, body.fields)
    assert.are.same({ a = { "1", "2" }, b = { "" } }, body.all)
    assert.are.same({
      f = { { name = "passwd", raw = "../etc/passwd", type = "text/plain", size = 5, field = "f",
              spooled = false },
            { name = "big", raw = "big", size = 300000, field = "f", spooled = true } },
      empty = { { name = "empty.txt", raw = "empty.txt", size = 0, field = "empty",
                  spooled = false } },
    }, body.files)
  end)

  it("has their content, from memory and from files", function()
    for _, size in ipairs { 0, 1, 1000, 262144, 262145, 1000003 } do
      for _, n in ipairs { 7777, 65536, 10000000 } do
        local want = bytes_of(size)
        assert.is_true(want == post("/content?n=" .. n, one(size)).body, "size " .. size)
      end
    end
  end)

  it("has them by lines", function()
    local function lines(content)
      return json.decode(post("/lines", { { name = "f", filename = "x", content = content } }).body)
    end
    assert.are.same({}, lines "")
    assert.are.same({ "a", "", "b", "c" }, lines "a\n\nb\r\nc")
    assert.are.same({ "a" }, lines "a\n")
    local long = ("x"):rep(100000)
    assert.are.same({ long, "y", long, "z\rz" }, lines(long .. "\ny\r\n" .. long .. "\r\nz\rz\n"))
    local many = {}
    for i = 1, 60000 do many[i] = "line " .. i end
    assert.are.same(many, lines(table.concat(many, "\n")))
  end)

  local function stat(path, what)
    return (output_of(("stat -c %%%s %s"):format(what, path)):gsub("\n", ""))
  end

  for _, route in ipairs { "/save", "/save_part" } do
    it("saves them under a name that is not taken: " .. route, function()
      for _, size in ipairs { 0, 10, 1000003 } do
        local path = ("%s/kept/%s%d"):format(dir, route:sub(2), size)
        assert.are.equal(200, post(route .. "?path=" .. path, one(size)).status)
        assert.is_true(sys.read_file(path) == bytes_of(size))
        assert.are.equal("640", stat(path, "a"))
        assert.are.equal("1", stat(path, "h"))
        local r = post(route .. "?path=" .. path, one(7))
        assert.are.same({ 409, path .. ": File exists" }, { r.status, json.decode(r.body).err })
        assert.is_true(sys.read_file(path) == bytes_of(size))
        assert.are.equal(200, post(route .. "?overwrite=1&path=" .. path, one(7)).status)
        assert.is_true(sys.read_file(path) == bytes_of(7))
      end
    end)

    it("says why it cannot: " .. route, function()
      for _, size in ipairs { 10, 1000003 } do
        local function err(path)
          local r = post(route .. "?overwrite=1&path=" .. path, one(size))
          assert.are.equal(409, r.status)
          return json.decode(r.body).err
        end
        assert.matches("no/where: No such file or directory", err(dir .. "/no/where"))
        assert.matches("kept: Is a directory", err(dir .. "/kept"))
        assert.matches("File name too long", err(dir .. "/" .. ("x"):rep(300)))
        assert.matches("File name too long", err(dir .. "/" .. ("x"):rep(5000)))
      end
      assert.are.equal("", output_of("ls -A " .. dir .. " | grep justhttp"))
    end)

    it("saves them into another file system: " .. route, function()
      if not sys.read_file("/proc/mounts"):find " /dev/shm " then return pending "no /dev/shm" end
      local shm = output_of("mktemp -d /dev/shm/justhttp-spec.XXXXXX"):match "%S+"
      local path = shm .. "/file"
      for _, size in ipairs { 10, 1000003, 9000000 } do
        assert.are.equal(200, post(route .. "?path=" .. path, one(size)).status)
        local is_same = sys.read_file(path) == bytes_of(size)
        local mode = stat(path, "a")
        local again = post(route .. "?path=" .. path, one(size)).status
        local over = post(route .. "?overwrite=1&path=" .. path, one(5)).status
        local is_over = sys.read_file(path) == bytes_of(5)
        os.remove(path)
        assert.are.same({ true, "640", 409, 200, true }, { is_same, mode, again, over, is_over })
      end
      local left = output_of("ls -A " .. shm)
      sys.remove(shm)
      assert.are.equal("", left)
    end)
  end

  it("saves one twice as two files", function()
    for _, size in ipairs { 10, 1000003 } do
      local path = dir .. "/kept/twice" .. size
      assert.are.equal(bytes_of(5), post("/save_twice?path=" .. path, one(size)).body)
      assert.is_true(sys.read_file(path .. ".1") == bytes_of(size))
      assert.is_true(sys.read_file(path .. ".2") == bytes_of(size))
      assert.are_not.equal(stat(path .. ".1", "i"), stat(path .. ".2", "i"))
    end
  end)

  it("does without O_TMPFILE", function()
    if sys.patience > 1 then return pending "a sanitizer's runtime must come first" end
    sys.write_file(dir .. "/no_tmpfile.c", [[
      #define _GNU_SOURCE
      #include <dlfcn.h>
      #include <errno.h>
      #include <fcntl.h>
      #include <stdarg.h>
      static int (*next)(const char *, int, ...);
      int open(const char *path, int flags, ...) {
        va_list rest;
        va_start(rest, flags);
        int mode = va_arg(rest, int);
        va_end(rest);
        if (!next) *(void **)&next = dlsym(RTLD_NEXT, "open");
        if ((flags & O_TMPFILE) == O_TMPFILE) { errno = EOPNOTSUPP; return -1; }
        return next(path, flags, mode);
      }
      int open64(const char *path, int flags, ...) __attribute__((alias("open")));
    ]])
    local library = dir .. "/no_tmpfile.so"
    assert.are.equal("", output_of(("gcc -shared -fPIC -o %s %s/no_tmpfile.c 2>&1"):format(library,
      dir)))
    local other = server.start { code = CODE, options = { upload_dir = dir .. "/uploads" },
                                 env = { LD_PRELOAD = library } }
    for _, size in ipairs { 10, 1000003, 9000000 } do
      local path = dir .. "/kept/named" .. size
      local request = { method = "POST", path = "/save?path=" .. path, headers = multipart.headers,
                        body = multipart.body(one(size)) }
      assert.are.equal(200, other:request(request).status)
      assert.is_true(sys.read_file(path) == bytes_of(size))
      assert.are.same({ "640", "1" }, { stat(path, "a"), stat(path, "h") })
      assert.are.equal(409, other:request(request).status)
      request.path = request.path .. "&overwrite=1"
      assert.are.equal(200, other:request(request).status)
      assert.is_true(sys.read_file(path) == bytes_of(size))
    end
    assert.are.equal("", output_of("ls -A " .. dir .. "/uploads"))
    assert.are.equal("", output_of("ls -A " .. dir .. "/kept | grep justhttp"))
    other:stop()
  end)

  it("keeps none longer than its request", function()
    local before = fd_count()
    for _, size in ipairs { 10, 1000003 } do
      assert.are.equal("kept", post("/keep", one(size)).body)
      wait_for(function() return s:stderr():find "late: .*used after its response" end)
      assert.matches("file:read: the file is closed", post("/close", one(size)).body)
    end
    assert.are.equal(500, post("/fail", one(1000003)).status)
    wait_for(function() return fd_count() <= before end)
  end)

  it("lets go of them when the client leaves or stops in the middle", function()
    local before = fd_count()
    local bytes = multipart.request("/collect", multipart.body(one(2000000)))
    for _, ending in ipairs { "close", "reset", "half_close" } do
      local conns = {}
      for i = 1, 5 do conns[i] = s:connect():send(bytes:sub(1, 1000000)) end
      -- Their spools are there.
      wait_for(function() return fd_count() >= before + 10 end)
      for i = 1, 5 do
        conns[i][ending](conns[i])
        if ending == "half_close" then conns[i]:close() end
      end
      wait_for(function() return fd_count() <= before end)
    end
    assert.are.equal("here", s:get("/").body)
  end)

  it("refuses many small fields and files within bounds", function()
    local function fields(count, size)
      local list = {}
      for i = 1, count do list[i] = { name = "a" .. i, content = ("x"):rep(size) } end
      return list
    end
    local function files(count, size)
      local list = fields(count, size)
      for i = 1, count do list[i].filename = "x" end
      return list
    end
    local function refuses(text, path, parts)
      local r = post(path, parts)
      assert.are.same({ 413, text .. "\n" }, { r.status, r.body })
    end
    refuses("too many parts", "/collect", fields(100000, 0))
    refuses("too many files", "/collect", files(101, 0))
    refuses("the fields of the form are too large", "/collect", fields(5, 1000000))
    refuses("the fields of the form are too large", "/limits?memory=1000", fields(2, 501))
    assert.are.equal("ok", post("/limits?memory=1000", fields(2, 500)).body)
    local before = fd_count()
    assert.are.equal("ok", post("/limits?memory=1000", files(100, 501)).body)
    wait_for(function() return fd_count() <= before end)
  end)

  it("explains bodies of other types", function()
    local r = s:request { method = "POST", path = "/other", body = "a=b",
                          headers = { ["Content-Type"] = "text/plain" } }
    local body = json.decode(r.body)
    assert.matches("the body is text/plain", body.err)
    assert.are.equal("the body is text/plain, not multipart/form-data", body.err_files)
    r = s:request { method = "POST", path = "/other", body = "a=b",
                    headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } }
    assert.are.same({ a = "b" }, json.decode(r.body).fields)
  end)
end)

describe("upload_dir", function()
  it("must be a directory", function()
    local r = server.run { "run", "-e", "return function() end", "--listen", "127.0.0.1:0",
                           "--upload-dir", "/nowhere/to/be/found" }
    assert.are.equal(2, r.code)
    assert.matches("^[^\n]*%-%-upload%-dir: '/nowhere/to/be/found' is no directory\n$", r.stderr)
  end)

  describe("out of order", function()
    local s, dir

    before_each(function()
      dir = sys.temp_dir()
      os.execute("mkdir " .. dir .. "/uploads")
      s = server.start { code = CODE, options = { upload_dir = dir .. "/uploads" } }
    end)
    after_each(function()
      s:stop()
      sys.remove(dir)
    end)

    local function upload()
      local part = { name = "f", filename = "x", content = ("x"):rep(300000) }
      return s:request { method = "POST", path = "/collect", body = multipart.body { part },
                         headers = multipart.headers }
    end

    it("answers 503 and logs why when it is gone", function()
      os.execute("rmdir " .. dir .. "/uploads")
      assert.are.equal(503, upload().status)
      assert.matches("cannot make a temporary file in [^ ]+/uploads: No such file or directory",
        s:stderr())
    end)

    it("answers 507 and logs why when there is no room", function()
      os.execute("prlimit --fsize=100000: --pid " .. s:workers()[1])
      assert.are.equal(507, upload().status)
      assert.matches("cannot store an upload: File too large", s:stderr())
      assert.are.equal("here", s:get("/").body)
    end)

    it("answers 503 when there are no descriptors left", function()
      local c = s:connect()
      assert.are.equal("here", c:request({}).body)
      os.execute("prlimit --nofile=4: --pid " .. s:workers()[1])
      local part = { name = "f", filename = "x", content = ("x"):rep(300000) }
      c:send(multipart.request("/collect", multipart.body { part }))
      assert.are.equal(503, c:response().status)
      assert.matches("cannot make a temporary file in [^ ]+/uploads: Too many open files",
        s:stderr())
      c:close()
      os.execute("prlimit --nofile=1000: --pid " .. s:workers()[1])
      assert.are.equal("here", s:get("/").body)
    end)
  end)
end)
