-- file_ranges_spec.lua: parts of files: one range, several, none that fits, and If-Range.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local CODE = [[
local http = require "justhttp"
local app = http.app()
app:static("/", "public")
app:get("/typed", function(ctx) return ctx:file("public/small.txt", { type = "text/x-own" }) end)
app:post("/posted", function(ctx) return ctx:file("public/small.txt") end)
return app
]]

local SMALL = "abcdefghijklmnopqrstuvwxyz"

describe("a range of a file", function()
  local s, large

  setup(function()
    s = server.start { files = {
      ["app.lua"] = CODE, ["public/small.txt"] = SMALL, ["public/empty.txt"] = "",
      ["public/middle.txt"] = SMALL:rep(2000),
    } }
    local pieces = {}
    for i = 1, 300000 do pieces[i] = ("%09d\n"):format(i) end
    large = table.concat(pieces)
    sys.write_file(s.dir .. "/app/public/large.txt", large)
  end)
  teardown(function() s:stop() end)

  local function get(path, range, headers)
    headers = headers or {}
    headers.Range = range
    return s:get(path, headers)
  end

  it("is sent with its place", function()
    for range, want in pairs {
      ["bytes=0-0"] = { "a", "0-0" }, ["bytes=2-4"] = { "cde", "2-4" }, ["bytes=20-"] = {
        "uvwxyz", "20-25" },
      ["bytes=-3"] = { "xyz", "23-25" }, ["bytes=24-99"] = { "yz", "24-25" },
      ["bytes=-99"] = { SMALL, "0-25" }, ["bytes=0-"] = { SMALL, "0-25" },
    } do
      local r = get("/small.txt", range)
      assert.equal(206, r.status, range)
      assert.equal(want[1], r.body, range)
      assert.equal("bytes " .. want[2] .. "/26", r.headers["content-range"])
      assert.equal("text/plain; charset=utf-8", r.headers["content-type"])
      assert.is_string(r.headers.etag)
      assert.is_string(r.headers["last-modified"])
    end
  end)

  it("may be of a large file", function()
    local c = s:connect()
    for _, range in ipairs { { 0, 9 }, { 1000000, 1000009 }, { 5, 2500000 }, { 2999990, 2999999 },
      { 0, 2999999 } } do
      local r = c:request { path = "/large.txt", headers = {
        Range = ("bytes=%d-%d"):format(range[1], range[2]) } }
      assert.equal(206, r.status)
      assert.is_true(large:sub(range[1] + 1, range[2] + 1) == r.body)
      assert.equal(("bytes %d-%d/3000000"):format(range[1], range[2]), r.headers["content-range"])
    end
    c:close()
  end)

  it("that does not exist is 416 with the size", function()
    for _, range in ipairs { "bytes=26-", "bytes=99-100", "bytes=-0" } do
      local r = get("/small.txt", range)
      assert.equal(416, r.status, range)
      assert.equal("bytes */26", r.headers["content-range"])
    end
  end)

  it("is ignored when it is malformed, abusive, or given twice", function()
    for _, range in ipairs {
      "bytes", "bytes=", "bytes=a-b", "bytes=5-2", "lines=1-2", "bytes=1-2x", "bytes=--1",
      "bytes=0-25,0-25,0-25", "bytes=" .. ("0-0,"):rep(16) .. "0-0",
    } do
      local r = get("/small.txt", range)
      assert.equal(200, r.status, range)
      assert.equal(SMALL, r.body)
    end
    local r = s:get("/small.txt", { { "Range", "bytes=0-1" }, { "Range", "bytes=3-4" } })
    assert.equal(200, r.status)
    assert.equal(200, get("/empty.txt", "bytes=0-").status)
  end)

  it("means nothing to HEAD and POST", function()
    local r = s:request { method = "HEAD", path = "/small.txt", headers = { Range = "bytes=0-1" } }
    assert.equal(200, r.status)
    assert.equal("26", r.headers["content-length"])
    r = s:request { method = "POST", path = "/posted", body = "x", headers = {
      Range = "bytes=0-1" } }
    assert.equal(200, r.status)
    assert.equal(SMALL, r.body)
  end)

  -- The parts of a multipart/byteranges body: { { range, type, body }, … }.
  local function parts_of(r)
    local boundary = r.headers["content-type"]:match "^multipart/byteranges; boundary=([%w-]+)$"
    assert.is_string(boundary)
    local parts = {}
    local mark = "--" .. boundary
    assert.equal(mark .. "\r\n", r.body:sub(1, #mark + 2))
    local at = #mark + 3
    while true do
      local head_end = assert(select(2, r.body:find("\r\n\r\n", at, true)))
      local head = r.body:sub(at, head_end)
      local first, last, size = head:match "Content%-Range: bytes (%d+)%-(%d+)/(%d+)\r\n"
      local length = last - first + 1
      parts[#parts + 1] = { first = tonumber(first), last = tonumber(last), size = tonumber(size),
        type = head:match "Content%-Type: ([^\r]+)", body = r.body:sub(head_end + 1,
          head_end + length) }
      at = head_end + length + 1
      assert.equal("\r\n" .. mark, r.body:sub(at, at + #mark + 1))
      at = at + #mark + 2
      if r.body:sub(at, at + 1) == "--" then break end
      at = at + 2
    end
    assert.equal("--\r\n", r.body:sub(at))
    return parts
  end

  it("may be one of several", function()
    local c = s:connect()
    for path, text in pairs { ["/small.txt"] = SMALL, ["/middle.txt"] = SMALL:rep(2000),
      ["/large.txt"] = large } do
      for _ = 1, 2 do
        local r = c:request { path = path, headers = { Range = "bytes=-3,0-1,5-7" } }
        assert.equal(206, r.status)
        assert.is_nil(r.headers["content-range"])
        assert.equal(tostring(#r.body), r.headers["content-length"])
        local parts = parts_of(r)
        assert.equal(3, #parts)
        assert.equal(text:sub(-3), parts[1].body)
        assert.equal(text:sub(1, 2), parts[2].body)
        assert.equal(text:sub(6, 8), parts[3].body)
        for _, part in ipairs(parts) do
          assert.equal("text/plain; charset=utf-8", part.type)
          assert.equal(#text, part.size)
          assert.is_true(text:sub(part.first + 1, part.last + 1) == part.body)
        end
      end
    end
    c:close()
  end)

  it("may be one of several large ones, for a slow reader", function()
    local c = s:connect { receive_bytes = 4096 }
    c:send("GET /large.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-999999,1500000-2400000,-10\r\n\r\n"
      .. "GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n")
    local r = c:response()
    local parts = parts_of(r)
    assert.is_true(large:sub(1, 1000000) == parts[1].body)
    assert.is_true(large:sub(1500001, 2400001) == parts[2].body)
    assert.is_true(large:sub(-10) == parts[3].body)
    assert.equal(SMALL, c:response().body)
    c:close()
  end)

  it("is joined with others that touch it", function()
    local r = get("/small.txt", "bytes=0-4,3-9,10-12")
    assert.equal(206, r.status)
    assert.equal("bytes 0-12/26", r.headers["content-range"])
    assert.equal(SMALL:sub(1, 13), r.body)
  end)

  it("leaves a type of the handler's own alone", function()
    local r = get("/typed", "bytes=0-1")
    assert.equal(206, r.status)
    assert.equal("text/x-own", r.headers["content-type"])
    assert.equal(200, get("/typed", "bytes=0-1,5-6").status)
  end)

  it("is sent only while the file is the same, with If-Range", function()
    local whole = s:get "/small.txt"
    local etag, modified = whole.headers.etag, whole.headers["last-modified"]
    assert.equal(206, get("/small.txt", "bytes=0-1", { ["If-Range"] = etag }).status)
    for _, other in ipairs { '"other"', "W/" .. etag, "Sun, 06 Nov 1994 08:49:37 GMT", "x" } do
      local r = get("/small.txt", "bytes=0-1", { ["If-Range"] = other })
      assert.equal(200, r.status)
      assert.equal(SMALL, r.body)
    end
    os.execute("touch -d '2 hours ago' " .. sys.quote(s.dir .. "/app/public/small.txt"))
    whole = s:get "/small.txt"
    assert.are_not.equal(modified, whole.headers["last-modified"])
    assert.equal(206, get("/small.txt", "bytes=0-1", {
      ["If-Range"] = whole.headers["last-modified"] }).status)
    assert.equal(200, get("/small.txt", "bytes=99-", { ["If-Range"] = etag }).status)
    assert.equal(200, get("/small.txt", "bytes=0-1", { ["If-Range"] = modified }).status)
  end)

  it("is what a broken download goes on with", function()
    local c = s:connect()
    c:send "GET /large.txt HTTP/1.1\r\nHost: a\r\n\r\n"
    local head = c:read_until "\r\n\r\n"
    local first = c:read(700001)
    c:reset()
    local rest = get("/large.txt", "bytes=700001-", { ["If-Range"] = head:match "ETag: ([^\r]+)" })
    assert.equal(206, rest.status)
    assert.is_true(first .. rest.body == large)
  end)
end)
