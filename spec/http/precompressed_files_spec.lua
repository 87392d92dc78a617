-- precompressed_files_spec.lua: neighbours that a build made (name.br, name.zst, name.gz) are sent
-- to clients that take them.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

describe("a precompressed file", function()
  local s, public

  setup(function()
    s = server.start { files = { ["app.lua"] = [[
      local http = require "justhttp"
      local app = http.app()
      app:static("/plain", "public")
      app:static("/", "public", { precompressed = true })
      return app ]],
      ["public/all.js"] = "identity", ["public/all.js.br"] = "br", ["public/all.js.zst"] = "zstd",
      ["public/all.js.gz"] = "gzip", ["public/one.css"] = "identity one",
        ["public/one.css.gz"] = "gzip one",
      ["public/none.txt"] = "none", ["public/index.html"] = "index",
        ["public/index.html.br"] = "index br",
      ["public/only.js.gz"] = "only", ["public/old.js"] = "new", ["public/old.js.gz"] = "old",
    } }
    public = s.dir .. "/app/public/"
    os.execute("touch -d '1 hour ago' " .. sys.quote(public .. "old.js.gz"))
    sys.write_file(public .. "large.js", ("l"):rep(200000))
    sys.write_file(public .. "large.js.gz", ("g"):rep(150000))
    sys.write_file(public .. "dir.js", "x\n")
    os.execute(("cd %s && mkdir dir.js.gz && ln -s /etc/hostname dir.js.br")
      :format(sys.quote(public)))
  end)
  teardown(function() s:stop() end)

  local function get(path, accept, headers)
    headers = headers or {}
    headers["Accept-Encoding"] = accept
    return s:get(path, headers)
  end

  it("is sent to who likes it best", function()
    for accept, want in pairs {
      ["gzip, deflate, br, zstd"] = "br", ["gzip, zstd"] = "zstd", gzip = "gzip",
        ["gzip;q=1, br;q=0.5"] = "gzip",
      ["br;q=0, gzip"] = "gzip", ["*"] = "br", ["GZIP"] = "gzip",
    } do
      local r = get("/all.js", accept)
      assert.equal(want, r.body, accept)
      assert.equal(want, r.headers["content-encoding"])
      assert.equal("Accept-Encoding", r.headers.vary)
      assert.equal("text/javascript; charset=utf-8", r.headers["content-type"])
      assert.equal(tostring(#want), r.headers["content-length"])
    end
  end)

  it("is not sent to others, who hear that it depends", function()
    for _, accept in ipairs { "identity", "deflate", "br;q=0", "" } do
      local r = get("/all.js", accept)
      assert.equal("identity", r.body, accept)
      assert.is_nil(r.headers["content-encoding"])
      assert.equal("Accept-Encoding", r.headers.vary)
    end
    assert.equal("identity", s:get("/all.js").body)
  end)

  it("is what there is", function()
    assert.equal("gzip one", get("/one.css", "br, gzip").body)
    local r = get("/none.txt", "br, gzip")
    assert.equal("none", r.body)
    assert.is_nil(r.headers.vary)
    assert.equal("index br", get("/", "br").body)
    assert.equal(404, get("/only.js", "gzip").status)
    r = get("/only.js.gz", "gzip")
    assert.equal("only", r.body)
    assert.is_nil(r.headers["content-encoding"])
    assert.equal("x\n", get("/dir.js", "br, gzip").body)
    assert.equal(150000, #get("/large.js", "gzip").body)
    assert.equal(200000, #get("/large.js", "br").body)
  end)

  it("is not used when it is older than the file", function()
    assert.equal("new", get("/old.js", "gzip").body)
  end)

  it("is off unless it is asked for", function()
    local r = get("/plain/all.js", "br")
    assert.equal("identity", r.body)
    assert.is_nil(r.headers.vary)
  end)

  it("has an entity tag of its own", function()
    local tags = {}
    for _, accept in ipairs { "br", "zstd", "gzip", "identity" } do
      local tag = get("/all.js", accept).headers.etag
      assert.is_nil(tags[tag])
      tags[tag] = true
      local r = get("/all.js", accept, { ["If-None-Match"] = tag })
      assert.equal(304, r.status)
      assert.equal("Accept-Encoding", r.headers.vary)
      assert.equal(tag, r.headers.etag)
    end
    local br = get("/all.js", "br").headers.etag
    assert.equal(200, get("/all.js", "gzip", { ["If-None-Match"] = br }).status)
  end)

  it("is not cut into ranges", function()
    local r = get("/all.js", "br", { Range = "bytes=0-2" })
    assert.equal(206, r.status)
    assert.equal("ide", r.body)
    assert.is_nil(r.headers["content-encoding"])
    assert.equal("Accept-Encoding", r.headers.vary)
  end)

  it("may come, change and go while the file is served", function()
    assert.equal("none", get("/none.txt", "gzip").body)
    sys.write_file(public .. "none.txt.gz", "now")
    wait_for(function() return get("/none.txt", "gzip").body == "now" end, 5)
    sys.write_file(public .. "none.txt.gz", "then")
    wait_for(function() return get("/none.txt", "gzip").body == "then" end, 5)
    os.remove(public .. "none.txt.gz")
    wait_for(function() return get("/none.txt", "gzip").body == "none" end, 5)
    sys.write_file(public .. "none.txt", "changed")
    assert.equal("changed", get("/none.txt", "gzip").body)
  end)
end)
