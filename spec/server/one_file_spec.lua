-- Apps in one file: a ZIP, and an executable with one behind it.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local FILES = {
  ["app.lua"] = [[
    local http = require "justhttp"
    local app = http.app()
    app:templates "views"
    app:static("/s", "public", { listing = true })
    app:get("/", function() return require "lib.greeting" end)
    app:get("/page", function(ctx) return ctx:render("page", { name = "<Ada>" }) end)
    app:get("/file", function(ctx) return ctx:file "notes.txt" end)
    app:get("/boom", function() require "lib.boom"() end)
    return app
  ]],
  ["config.lua"] = "return { server_header = 'from config' }",
  ["lib/greeting.lua"] = "return 'hello from a bundle'",
  ["lib/boom.lua"] = "return function()\n  error 'boom'\nend",
  ["views/page.html"] = "<p><%= name %></p>",
  ["notes.txt"] = "a note",
  ["public/small.css"] = "b{}",
  ["public/large.txt"] = ("0123456789abcdef"):rep(8192),
  ["public/deep/x.txt"] = "x",
}

describe("an app in one file", function()
  local dir, out, s

  setup(function()
    dir = server.app_dir(FILES)
    out = sys.temp_dir()
    os.execute(("cd %s && zip -qr %s/shop.zip ."):format(dir, out))
    sys.remove(dir)
    s = server.start { app = out .. "/shop.zip" }
  end)
  teardown(function()
    s:stop()
    sys.remove(out)
  end)

  it("serves code, modules and templates", function()
    assert.equal("hello from a bundle", s:get("/").body)
    assert.equal("<p>&lt;Ada&gt;</p>", s:get("/page").body)
    assert.equal("a note", s:get("/file").body)
    assert.equal("from config", s:get("/").headers.server)
  end)

  it("names files and lines in errors as if they stood in a directory", function()
    assert.equal(500, s:get("/boom").status)
    assert.matches("shop/lib/boom.lua:2: boom", s:stderr())
  end)

  it("serves static files with types, validators and ranges", function()
    local small, large = s:get("/s/small.css"), s:get("/s/large.txt")
    assert.equal("text/css; charset=utf-8", small.headers["content-type"])
    assert.equal("b{}", small.body)
    assert.is_true(FILES["public/large.txt"] == large.body)
    assert.equal("bytes", large.headers["accept-ranges"])
    for _, r in ipairs { { "small.css", small }, { "large.txt", large } } do
      local again = s:get("/s/" .. r[1], { ["If-None-Match"] = r[2].headers.etag })
      assert.equal(304, again.status)
      again = s:get("/s/" .. r[1], { ["If-Modified-Since"] = r[2].headers["last-modified"] })
      assert.equal(304, again.status)
    end
    local part = s:get("/s/large.txt", { Range = "bytes=70000-70015" })
    assert.equal(206, part.status)
    assert.equal("bytes 70000-70015/131072", part.headers["content-range"])
    assert.equal("0123456789abcdef", part.body)
  end)

  it("serves no other file than those below the directory", function()
    for _, path in ipairs { "/s/../app.lua", "/s/%2e%2e/app.lua", "/s/none", "/s/small.css/",
      "/s/large.txt/x", "/s//etc/passwd" } do
      assert.equal(404, s:get(path).status, path)
    end
  end)

  it("lists directories", function()
    local r = s:get("/s/", { Accept = "application/json" })
    assert.equal(200, r.status)
    for _, name in ipairs { "small.css", "large.txt", "deep" } do
      assert.matches('"' .. name .. '"', r.body, 1, true)
    end
    assert.equal(301, math.min(s:get("/s/deep").status, 301))
    assert.equal("x", s:get("/s/deep/x.txt").body)
  end)

  it("runs as the tail of an executable, with every command", function()
    local program = out .. "/shop"
    os.execute(("cat %s/justhttp %s/shop.zip > %s && chmod +x %s"):format(
      os.getenv "JUSTHTTP_BUILD" or "build/release", out, program, program))
    local r = server.run { "routes", program = program }
    assert.matches("shop/app.lua:5", r.stdout)
    assert.equal("ok: 6 routes\n", server.run({ "check", program = program }).stdout)
    r = server.run { "check", "apps/hello", program = program }
    assert.equal(2, r.code)
    assert.matches("this executable has its app in it", r.stderr)
    assert.equal(0, server.run({ "--version", program = program }).code)
  end)
end)

describe("an archive that is no app", function()
  it("is refused with a reason", function()
    local dir = server.app_dir { ["x.lua"] = "return 1" }
    os.execute(("cd %s && zip -q none.zip x.lua && printf 'PK\\3\\4' > bad.zip"):format(dir))
    local r = server.run { "check", dir .. "/none.zip" }
    assert.equal(2, r.code)
    assert.matches("none.zip: has no app.lua", r.stderr)
    r = server.run { "check", dir .. "/bad.zip" }
    assert.equal(2, r.code)
    assert.matches("bad.zip: no ZIP archive", r.stderr)
    r = server.run { "check", "apps/hello", "--overlay", dir }
    assert.equal(2, r.code)
    assert.matches("overlay is for apps in one file", r.stderr)
    sys.remove(dir)
  end)
end)
