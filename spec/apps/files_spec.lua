-- apps/files, started for real: what its README shows, and what its page relies on.
local json = require "justhttp.json"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("apps/files", function()
  local s, store

  setup(function()
    store = sys.temp_dir()
    os.execute(("mkdir %s/sub && echo hello > %s/hello.txt"):format(store, store))
    s = server.start { app = "apps/files", env = { FILES_STORE = store } }
  end)
  teardown(function()
    s:stop()
    sys.remove(store)
  end)

  local function list(path)
    local names = {}
    for i, entry in ipairs(json.decode(s:get(path, { Accept = "application/json" }).body)) do
      names[i] = entry.name
    end
    return names
  end

  local function upload(path, files, headers)
    local parts = {}
    for i, file in ipairs(files) do
      parts[i] = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\""
        .. file[1] .. "\"\r\n\r\n" .. file[2]
    end
    headers = headers or {}
    headers["Content-Type"] = "multipart/form-data; boundary=b"
    return s:request { method = "POST", path = path, headers = headers,
      body = table.concat(parts, "\r\n") .. "\r\n--b--\r\n" }
  end

  it("has a page, and what belongs to it", function()
    local r = s:get "/"
    assert.equal("text/html; charset=utf-8", r.headers["content-type"])
    assert.matches('<script src="files.js"', r.body)
    assert.equal("text/javascript; charset=utf-8", s:get("/files.js").headers["content-type"])
    assert.equal("text/css; charset=utf-8", s:get("/files.css").headers["content-type"])
  end)

  it("lists, serves and cuts files", function()
    assert.same({ "sub", "hello.txt" }, list "/files/")
    assert.matches("hello.txt", s:get("/files/").body)
    assert.equal("hello\n", s:get("/files/hello.txt").body)
    local r = s:get("/files/hello.txt", { Range = "bytes=1-3" })
    assert.equal(206, r.status)
    assert.equal("ell", r.body)
    r = s:get "/files/hello.txt?download"
    assert.equal('attachment; filename="hello.txt"', r.headers["content-disposition"])
    assert.matches("sandbox", r.headers["content-security-policy"])
  end)

  it("takes uploads", function()
    local r = upload("/upload/sub/", { { "a.txt", "one" }, { "b.bin", ("b"):rep(300000) } })
    assert.equal(201, r.status)
    assert.same({ { name = "a.txt", size = 3 }, { name = "b.bin", size = 300000 } },
      json.decode(r.body).saved)
    assert.equal("one", s:get("/files/sub/a.txt").body)
    assert.equal(("b"):rep(300000), s:get("/files/sub/b.bin").body)
  end)

  it("overwrites nothing", function()
    upload("/upload/", { { "same.tar.gz", "1" } })
    local r = upload("/upload/", { { "same.tar.gz", "2" }, { "same.tar.gz", "3" } })
    assert.equal("same.tar (2).gz", json.decode(r.body).saved[1].name)
    assert.equal("same.tar (3).gz", json.decode(r.body).saved[2].name)
    assert.equal("1", s:get("/files/same.tar.gz").body)
    assert.equal("3", s:get("/files/same.tar%20(3).gz").body)
  end)

  it("puts nothing beside its store", function()
    local r = upload("/upload/", { { "../../evil.txt", "evil" } })
    assert.equal(201, r.status)
    assert.equal("evil.txt", json.decode(r.body).saved[1].name)
    for _, path in ipairs { "/upload/%2e%2e/", "/upload/..%2f", "/upload/missing/",
      "/upload/.x/" } do
      assert.is_true(upload(path, { { "x", "x" } }).status >= 404, path)
    end
  end)

  it("refuses forms without files, and those of other sites", function()
    assert.equal(400, upload("/upload/", {}).status)
    assert.equal(403, upload("/upload/", { { "x", "x" } }, {
      ["Sec-Fetch-Site"] = "cross-site" }).status)
    local r = s:request { method = "POST", path = "/upload/", body = "x" }
    assert.equal(415, r.status)
  end)
end)
