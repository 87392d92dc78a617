-- static_files_spec.lua: directories and single files over the wire: what is served, what is
-- refused, and how it goes together with middleware, groups and the app's own answers.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local CODE = [[
local http = require "justhttp"
local app = http.app()
app:use(function(ctx, next)
  ctx:set("X-Before", "yes")
  next()
  ctx:set("X-After", ctx.status .. " " .. ctx.response_bytes)
end)
app:static("/assets", "public")
app:static("/none", "public", { index = false, etag = false, cache_control = false })
app:static("/dots", "public", { dotfiles = true, index = { "a.txt", "index.html" }, max_age = 60 })
app:static("/spa", "public", { fallback = "index.html" })
app:static("/rules", "public", { cache_control = { { "%.html$", "private" } }, immutable = "^a" })
app:static("/asked", "public", { cache_control = function(path, ctx)
  return path == "a.txt" and "max-age=" .. ctx.query.age or nil
end })
app:group("/api", function(api) api:static("/files", "public") end)
app:use("/own", function(ctx, next)
  ctx:set("Cache-Control", "no-store")
  ctx:set("ETag", '"own"')
  next()
end)
app:static("/own", "public")
app:get("/file", function(ctx)
  return ctx:file(ctx.query.path, ctx.query.root and { root = ctx.query.root })
end)
app:get("/page", function(ctx) ctx.status = 404 return ctx:file("public/index.html") end)
app:get("/typed", function(ctx)
  return ctx:file("public/a.txt", { type = "text/x-own", attachment = true, max_age = 5 })
end)
app:get("/changed", function(ctx) ctx:file("public/a.txt") ctx:text("changed my mind") end)
app:get("/failed", function(ctx) ctx:file("public/a.txt") error "on purpose" end)
app:get("/err", function(ctx)
  local _, err = ctx:file("public/missing")
  ctx:text(err)
end)
app:get("/inside", function()
  return { got = #app:request({ path = "/assets/large.bin" }).body }
end)
app:not_found(function(ctx) ctx.status = 404 return "nothing at " .. ctx.path end)
return app
]]

local LARGE = 6000000

describe("static files", function()
  local s, public

  setup(function()
    s = server.start { options = { log_level = "off" }, files = {
      ["app.lua"] = CODE,
      ["public/index.html"] = "<h1>index</h1>",
      ["public/a.txt"] = "text",
      ["public/empty"] = "",
      ["public/ü ?#%.txt"] = "odd name",
      ["public/.env"] = "secret",
      ["public/.well-known/x"] = "known",
      ["public/sub/index.html"] = "sub",
      ["public/bare/b.txt"] = "b",
      ["public/middle.bin"] = ("m"):rep(50000),
      ["public/app.3f9a1c2b.js"] = "hashed",
      ["secret.txt"] = "secret",
    } }
    public = s.dir .. "/app/public"
    sys.write_file(public .. "/large.bin", ("0123456789abcdef"):rep(LARGE / 16))
    os.execute(([[
      cd %s
      ln -s ../secret.txt out; ln -s / root; ln -s "$PWD/../secret.txt" absolute; ln -s a.txt inside
      ln -s .. up; ln -s loop loop; mkfifo fifo; touch unreadable; ln -s sub link
    ]]):format(sys.quote(public)))
  end)
  teardown(function() s:stop() end)

  it("are answered with type, length and validators", function()
    local r = s:get "/assets/a.txt"
    assert.equal(200, r.status)
    assert.equal("text", r.body)
    assert.equal("text/plain; charset=utf-8", r.headers["content-type"])
    assert.equal("4", r.headers["content-length"])
    assert.equal("bytes", r.headers["accept-ranges"])
    assert.equal("no-cache", r.headers["cache-control"])
    assert.matches('^"4%-%x+"$', r.headers.etag)
    assert.matches("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", r.headers["last-modified"])
    assert.is_nil(r.headers.vary)
  end)

  it("may be empty, large or between", function()
    local c = s:connect()
    for _ = 1, 2 do
      assert.equal("", c:request({ path = "/assets/empty" }).body)
      assert.equal(("m"):rep(50000), c:request({ path = "/assets/middle.bin" }).body)
      local r = c:request { path = "/assets/large.bin" }
      assert.equal(LARGE, #r.body)
      assert.equal(("0123456789abcdef"):rep(LARGE / 16), r.body)
    end
    c:close()
  end)

  it("have names of any bytes", function()
    assert.equal("odd name", s:get("/assets/%C3%BC%20%3F%23%25.txt").body)
  end)

  it("have an index", function()
    assert.equal("<h1>index</h1>", s:get("/assets/").body)
    assert.equal("sub", s:get("/assets/sub/").body)
    assert.equal("text", s:get("/dots/").body)
    assert.equal("sub", s:get("/dots/sub/").body)
    assert.equal(403, s:get("/none/").status)
    assert.equal(403, s:get("/assets/bare/").status)
    assert.equal(404, s:get("/assets/missing/").status)
    assert.equal(404, s:get("/assets/a.txt/").status)
  end)

  it("redirect to a directory's own address, and nowhere else", function()
    for path, target in pairs {
      ["/assets"] = "/assets/", ["/assets/sub"] = "/assets/sub/",
        ["/assets/sub?a=b%20c"] = "/assets/sub/?a=b%20c",
      ["//assets/sub"] = "/assets/sub/", ["/api/files/sub"] = "/api/files/sub/",
        ["/assets/link"] = "/assets/link/",
      ["/assets/%73ub"] = "/assets/sub/",
    } do
      local r = s:get(path)
      assert.equal(302, r.status)
      assert.equal(target, r.headers.location)
    end
    assert.equal(404, s:get("//evil.example/%2e%2e").status)
  end)

  it("are in groups too", function()
    assert.equal("text", s:get("/api/files/a.txt").body)
  end)

  it("answer HEAD with the head of GET", function()
    local c = s:connect()
    for _, path in ipairs { "/assets/a.txt", "/assets/middle.bin", "/assets/large.bin",
      "/assets/empty" } do
      local head = c:request { method = "HEAD", path = path }
      local get = c:request { path = path }
      assert.equal(tostring(#get.body), head.headers["content-length"])
      assert.equal(get.headers.etag, head.headers.etag)
    end
    c:close()
  end)

  it("take no other method", function()
    local r = s:request { method = "POST", path = "/assets/a.txt", body = "x" }
    assert.equal(405, r.status)
    assert.equal("GET, HEAD, OPTIONS", r.headers.allow)
  end)

  it("are answered in order when requests are pipelined", function()
    local c = s:connect()
    local bytes, paths = {}, {}
    for i = 1, 12 do
      local path = ({ "/assets/a.txt", "/assets/large.bin", "/assets/middle.bin",
        "/assets/missing" })[i % 4 + 1]
      paths[i] = path
      bytes[i] = "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n"
    end
    c:send(table.concat(bytes))
    local sizes = { ["/assets/a.txt"] = 4, ["/assets/large.bin"] = LARGE,
      ["/assets/middle.bin"] = 50000 }
    for i = 1, 12 do
      local r = c:response()
      if sizes[paths[i]] then assert.equal(sizes[paths[i]], #r.body) else assert.equal(404,
        r.status) end
    end
    c:close()
  end)

  it("close the connection when that was asked for", function()
    for _, path in ipairs { "/assets/a.txt", "/assets/middle.bin", "/assets/large.bin" } do
      local c = s:connect()
      c:send("GET " .. path .. " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      local r = c:response()
      assert.equal("close", r.headers.connection)
      assert.equal(r.headers["content-length"], tostring(#r.body))
      c:expect_closed()
      c:close()
    end
    local c = s:connect()
    c:send "GET /assets/large.bin HTTP/1.0\r\nHost: a\r\n\r\n"
    assert.equal(LARGE, #c:response().body)
    c:expect_closed()
    c:close()
  end)

  it("reach clients that read slowly, and others meanwhile", function()
    local slow = s:connect { receive_bytes = 4096 }
    slow:send "GET /assets/large.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    slow:send "GET /assets/a.txt HTTP/1.1\r\nHost: a\r\n\r\n"
    slow:read_until "\r\n\r\n"
    for _ = 1, 20 do assert.equal("text", s:get("/assets/a.txt").body) end
    local count, piece = 0, 100000
    while count < LARGE do
      count = count + #slow:read(math.min(piece, LARGE - count))
    end
    assert.equal("text", slow:response().body)
    slow:close()
  end)

  it("are seen by the middleware around them", function()
    local r = s:get "/assets/a.txt"
    assert.equal("yes", r.headers["x-before"])
    assert.equal("200 4", r.headers["x-after"])
    assert.equal("200 " .. LARGE, s:get("/assets/large.bin").headers["x-after"])
    assert.equal("304 0", s:get("/assets/a.txt", {
      ["If-None-Match"] = r.headers.etag }).headers["x-after"])
    assert.equal("206 2", s:get("/assets/a.txt", { Range = "bytes=1-2" }).headers["x-after"])
    assert.matches("^404 ", s:get("/assets/missing").headers["x-after"])
  end)

  it("leave to the handler what it set itself", function()
    local r = s:get "/own/a.txt"
    assert.equal("no-store", r.headers["cache-control"])
    assert.equal('"own"', r.headers.etag)
    assert.equal(304, s:get("/own/a.txt", { ["If-None-Match"] = '"own"' }).status)
  end)

  it("are cached as the options say", function()
    assert.is_nil(s:get("/none/a.txt").headers["cache-control"])
    assert.is_nil(s:get("/none/a.txt").headers.etag)
    assert.equal("public, max-age=60", s:get("/dots/a.txt").headers["cache-control"])
    assert.equal("private", s:get("/rules/index.html").headers["cache-control"])
    assert.equal("public, max-age=31536000, immutable",
      s:get("/rules/a.txt").headers["cache-control"])
    assert.is_nil(s:get("/rules/middle.bin").headers["cache-control"])
    assert.equal("max-age=7", s:get("/asked/a.txt?age=7").headers["cache-control"])
    assert.is_nil(s:get("/asked/middle.bin?age=7").headers["cache-control"])
    assert.equal("public, max-age=31536000, immutable",
      s:get("/assets/app.3f9a1c2b.js").headers["cache-control"])
  end)

  it("that are missing are the app's to answer", function()
    local r = s:get "/assets/missing"
    assert.equal(404, r.status)
    assert.equal("nothing at /assets/missing", r.body)
  end)

  it("fall back for pages, not for files", function()
    for _, path in ipairs { "/spa/users/42", "/spa/missing/", "/spa/bare/" } do
      local r = s:get(path)
      assert.equal(200, r.status)
      assert.equal("<h1>index</h1>", r.body)
      assert.equal("text/html; charset=utf-8", r.headers["content-type"])
    end
    assert.equal(404, s:get("/spa/missing.js").status)
    assert.equal(200, s:get("/spa/john.doe", { Accept = "text/html,*/*" }).status)
  end)

  it("never lead out of their directory", function()
    for _, path in ipairs {
      "/assets/../secret.txt", "/assets/%2e%2e/secret.txt", "/assets/..%2fsecret.txt",
        "/assets/%2e%2e%2fsecret.txt",
      "/assets/..%5csecret.txt", "/assets/out", "/assets/absolute", "/assets/root/etc/passwd",
      "/assets/up/secret.txt", "/assets/up/", "/assets/root/", "/assets/loop",
        "/assets//etc/passwd",
      "/assets/%2fetc/passwd", "/assets/sub/../../secret.txt", "/assets/....//secret.txt",
      "/assets/%252e%252e/secret.txt", "/assets/.%2e/secret.txt", "/assets/sub/..;/secret.txt",
      "/dots/out", "/dots/%2e%2e/secret.txt", "/spa/out.x",
    } do
      local r = s:get(path)
      assert.equal(404, r.status, path)
      assert.falsy(r.body:find("secret$"), path)
    end
    assert.equal("text", s:get("/assets/inside").body)
    assert.equal("sub", s:get("/assets/link/index.html").body)
  end)

  it("are no dotfiles, unless they are wanted", function()
    assert.equal(404, s:get("/assets/.env").status)
    assert.equal(404, s:get("/assets/%2eenv").status)
    assert.equal("known", s:get("/assets/.well-known/x").body)
    assert.equal("secret", s:get("/dots/.env").body)
  end)

  it("are regular files with names that can be", function()
    assert.equal(400, s:get("/assets/a.txt%00.html").status)
    assert.equal(404, s:get("/assets/fifo").status)
    assert.equal(404, s:get("/assets/" .. ("x"):rep(255)).status)
    assert.equal(404, s:get("/assets/" .. ("x"):rep(300)).status)
    assert.equal(404, s:get("/assets/" .. ("x/"):rep(2000)).status)
    assert.equal(404, s:get("/assets/A.TXT").status)
  end)

  it("answer ctx:file below the app's directory or a root", function()
    assert.equal("text", s:get("/file?path=public/a.txt").body)
    assert.equal("text", s:get("/file?path=a.txt&root=public").body)
    assert.equal("text", s:get("/file?path=/a.txt&root=public").body)
    assert.equal("secret", s:get("/file?path=secret.txt").body)
    assert.equal("text", s:get("/file?path=" .. public .. "/a.txt").body)
    for _, query in ipairs {
      "path=../secret.txt&root=public", "path=out&root=public", "path=.env&root=public",
        "path=&root=public",
      "path=public", "path=..", "path=public/../secret.txt", "path=public/absolute",
      "path=public/a.txt%00", "path=" .. public, "path=/dev/zero", "path=public/fifo",
    } do assert.equal(404, s:get("/file?" .. query).status, query) end
    assert.equal(500, s:get("/file?path=a&root=missing").status)
  end)

  it("carry what ctx:file was told", function()
    local r = s:get "/typed"
    assert.equal("text/x-own", r.headers["content-type"])
    assert.equal('attachment; filename="a.txt"', r.headers["content-disposition"])
    assert.equal("public, max-age=5", r.headers["cache-control"])
    r = s:get("/page", { Range = "bytes=0-1", ["If-None-Match"] = "*" })
    assert.equal(404, r.status)
    assert.equal("<h1>index</h1>", r.body)
  end)

  it("give way to another answer", function()
    local r = s:get "/changed"
    assert.equal("changed my mind", r.body)
    assert.is_nil(r.headers["last-modified"])
    r = s:get "/failed"
    assert.equal(500, r.status)
    assert.is_nil(r.headers["last-modified"])
    assert.equal("not found: public/missing", s:get("/err").body)
  end)

  it("reach in-process requests", function()
    assert.equal(('{"got":%d}'):format(LARGE), s:get("/inside").body)
  end)

  it("show every change at once", function()
    local c = s:connect()
    for i = 1, 200 do
      sys.write_file(public .. "/changing", tostring(i))
      assert.equal(tostring(i), c:request({ path = "/assets/changing" }).body)
    end
    os.remove(public .. "/changing")
    assert.equal(404, c:request({ path = "/assets/changing" }).status)
    os.execute("mkdir " .. sys.quote(public .. "/changing"))
    assert.equal(302, c:request({ path = "/assets/changing" }).status)
    c:close()
  end)

  it("stay refused when a directory on the way becomes a link that leads out", function()
    os.execute(("cd %s && mkdir way && echo fine > way/secret.txt"):format(sys.quote(public)))
    assert.equal("fine\n", s:get("/assets/way/secret.txt").body)
    os.execute(("cd %s && rm -r way && ln -s .. way"):format(sys.quote(public)))
    assert.equal(404, s:get("/assets/way/secret.txt").status)
  end)
end)

describe("a directory of static files", function()
  it("must be there when the app starts", function()
    local s, message = server.try_start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:static("/assets", "no-such-directory")
      return app ]] }
    assert.is_nil(s)
    assert.matches("app.lua:3: app:static: .*/no%-such%-directory: No such file or directory",
      message)
  end)

  it("may be replaced while it is served", function()
    local s = server.start { files = { ["app.lua"] = [[
      local http = require "justhttp"
      local app = http.app()
      app:static("/", "current")
      return app ]], ["1/a.txt"] = "one", ["2/a.txt"] = "two", ["current/a.txt"] = "zero" } }
    local wait_for = require "spec.support.wait"
    assert.equal("zero", s:get("/a.txt").body)
    for _, step in ipairs { { "1", "one" }, { "2", "two" } } do
      os.execute(("cd %s && rm -rf current && ln -s %s current"):format(sys.quote(s.dir
        .. "/app"), step[1]))
      wait_for(function() return s:get("/a.txt").body == step[2] end, 5)
    end
    s:stop()
  end)

  it("may hold more files than are kept", function()
    local files = { ["app.lua"] = [[
      local http = require "justhttp"
      local app = http.app()
      app:static("/", "public")
      return app ]], ["public/x"] = "" }
    local s = server.start { files = files }
    local public = s.dir .. "/app/public/"
    local large = ("l"):rep(70000)
    for i = 1, 400 do sys.write_file(public .. "large" .. i, large .. i) end
    for i = 1, 2200 do sys.write_file(public .. i, tostring(i):rep(i % 50 == 0 and 12000 or 1)) end
    local c = s:connect()
    for _ = 1, 2 do
      for i = 1, 2200 do
        local r = c:request { path = "/" .. i }
        assert.equal(tostring(i), r.body:sub(1, #tostring(i)))
      end
      for i = 1, 400 do assert.equal(large .. i, c:request({ path = "/large" .. i }).body) end
    end
    local fds = 0
    for _ in io.popen(("ls /proc/%d/fd"):format(s:workers()[1])):lines() do fds = fds + 1 end
    assert.is_true(fds < 300, fds)
    c:close()
    s:stop()
  end)
end)
