-- directory_listing_spec.lua: the page for a directory without an index: what it shows and hides.
local json = require "justhttp.json"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("a directory listing", function()
  local s

  setup(function()
    s = server.start { files = { ["app.lua"] = [[
      local http = require "justhttp"
      local app = http.app()
      app:static("/files", "public", { listing = true })
      app:static("/dots", "public", { listing = true, dotfiles = true })
      app:static("/plain", "public")
      return app ]],
      ["public/b.txt"] = "22", ["public/A.txt"] = "1", ["public/c.txt"] = "333",
      ["public/.hidden"] = "", ["public/sub/deep/x"] = "", ["public/sub/ü&<b>.txt"] = "",
      ["public/site/index.html"] = "a site",
    } }
    local prepare = "cd %s && ln -s /etc out && ln -s sub in && mkfifo fifo "
      .. "&& touch -d '2001-02-03 04:05Z' c.txt"
    os.execute(prepare:format(sys.quote(s.dir .. "/app/public")))
  end)
  teardown(function() s:stop() end)

  local function names(path, accept)
    local r = s:get(path, { Accept = accept or "application/json" })
    assert.equal(200, r.status)
    local list = {}
    for i, entry in ipairs(json.decode(r.body)) do list[i] = entry.name end
    return list
  end

  it("is a page of its own", function()
    local r = s:get "/files/"
    assert.equal(200, r.status)
    assert.equal("text/html; charset=utf-8", r.headers["content-type"])
    assert.equal("Accept", r.headers.vary)
    assert.matches("default%-src 'none'", r.headers["content-security-policy"])
    assert.truthy(r.body:find("Index of /files/", 1, true))
    assert.truthy(r.body:find('href="./b.txt"', 1, true))
    assert.truthy(r.body:find("prefers-color-scheme: dark", 1, true))
    assert.falsy(r.body:find("Parent directory", 1, true))
    r = s:get "/files/sub/"
    assert.truthy(r.body:find('<a href="../">Parent directory', 1, true))
    assert.truthy(r.body:find('href="./%C3%BC%26%3Cb%3E.txt">ü&amp;&lt;b&gt;.txt</a>', 1, true))
    assert.equal(r.headers["content-length"],
      s:request({ method = "HEAD", path = "/files/sub/" }).headers["content-length"])
  end)

  it("leads to its own address", function()
    local r = s:get "/files/sub"
    assert.equal(302, r.status)
    assert.equal("/files/sub/", r.headers.location)
  end)

  it("shows what can be asked for, and nothing else", function()
    assert.same({ "in", "site", "sub", "A.txt", "b.txt", "c.txt" }, names "/files/")
    assert.same({ "in", "site", "sub", ".hidden", "A.txt", "b.txt", "c.txt" }, names "/dots/")
    assert.same({ "deep", "ü&<b>.txt" }, names "/files/in/")
    assert.same({ "x" }, names "/files/sub/deep/")
  end)

  it("is sorted as it is asked", function()
    assert.same({ "sub", "site", "in", "c.txt", "b.txt", "A.txt" },
      names "/files/?sort=name&order=desc")
    local list = names "/files/?sort=size&order=desc"
    assert.same({ "c.txt", "b.txt", "A.txt" }, { list[4], list[5], list[6] })
    assert.equal("c.txt", names("/files/?sort=date")[4])
    assert.same(names "/files/", names "/files/?sort=nonsense&order=x")
  end)

  it("tells sizes and times to programs", function()
    local list = json.decode(s:get("/files/?sort=size&order=desc", {
      Accept = "application/json" }).body)
    assert.same({ name = "c.txt", type = "file", size = 3, modified = "2001-02-03T04:05:00Z" },
      list[4])
    assert.equal("directory", list[1].type)
  end)

  it("gives way to an index, and is off unless it is wanted", function()
    assert.equal("a site", s:get("/files/site/").body)
    assert.equal(403, s:get("/plain/").status)
    assert.equal(404, s:get("/files/missing/").status)
    assert.equal(404, s:get("/files/out/").status)
    assert.equal(404, s:get("/files/b.txt/").status)
    assert.equal(404, s:get("/files/.hidden/").status)
  end)
end)
