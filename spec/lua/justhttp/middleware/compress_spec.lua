-- compress, on the wire: what is encoded, what is left alone.
local server = require "spec.support.server"
local wire = require "spec.support.wire"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:use(http.middleware.compress())
local page = ("<p>some text that is long enough</p>\n"):rep(100)
app:get("/page", function(ctx) ctx:set("ETag", '"v1"') ctx:html(page) end)
app:get("/json", function() return { text = page } end)
app:get("/small", function() return "small" end)
app:get("/image", function(ctx) ctx:set("Content-Type", "image/png") return page end)
app:get("/coded", function(ctx) ctx:set("Content-Encoding", "gzip") return page end)
app:get("/as-it-is", function(ctx) ctx:set("Cache-Control", "public, no-transform") return page end)
app:get("/stream", function(ctx)
  ctx:stream(function(stream)
    for i = 1, 3 do
      stream:write("piece " .. i .. "\n")
      http.sleep(0.002)
    end
  end, { length = 24 })
end)
app:get("/events", function(ctx)
  ctx:events(function(events) events:send "one" http.sleep(60) end)
end)
app:get("/gzip-only", http.middleware.compress { codings = { "gzip" }, level = 9 },
  function() return page end)
return app
]]

describe("compress", function()
  local s

  setup(function() s = server.start { code = APP } end)
  teardown(function() s:stop() end)

  local function get(path, accept)
    return s:get(path, { ["Accept-Encoding"] = accept })
  end

  -- Decodes with the library itself, through the core.
  local function decode(text, name)
    local door = require "justhttp.door"
    if not door.generation then door.attach(door.C.jh_standalone_open()) end
    local coding = require "justhttp.coding"
    return coding.decode(text, coding.KINDS[name], 1e6)
  end

  it("encodes in what the client likes best", function()
    for accept, name in pairs {
      ["gzip, deflate, br, zstd"] = "br", ["gzip;q=1, br;q=0.5"] = "gzip", ["zstd, gzip"] = "zstd",
      ["x-gzip"] = "gzip", ["*"] = "br",
    } do
      local response = get("/page", accept)
      assert.equal(name, response.headers["content-encoding"], accept)
      assert.equal("Accept-Encoding", response.headers.vary)
      assert.equal('W/"v1"', response.headers.etag)
      assert.is_true(#response.body < 1000)
      assert.matches("^<p>some text.*</p>\n$", decode(response.body, name))
    end
  end)

  it("encodes JSON", function()
    local response = get("/json", "gzip")
    assert.equal("gzip", response.headers["content-encoding"])
    assert.matches('^{"text":', decode(response.body, "gzip"))
  end)

  it("answers plainly where the client wants that, and says what it depends on", function()
    for _, accept in ipairs { "identity", "gzip;q=0", "deflate", "" } do
      local response = get("/page", accept)
      assert.is_nil(response.headers["content-encoding"], accept)
      assert.equal("Accept-Encoding", response.headers.vary)
      assert.equal('"v1"', response.headers.etag)
    end
    assert.is_nil(s:get("/page").headers["content-encoding"])
  end)

  it("leaves alone what is small, compressed, encoded or not to be changed", function()
    for _, path in ipairs { "/small", "/image", "/as-it-is" } do
      local response = get(path, "gzip")
      assert.is_nil(response.headers["content-encoding"], path)
      assert.is_nil(response.headers.vary, path)
    end
    assert.matches("^<p>", get("/coded", "gzip, br").body)
    assert.equal(404, get("/nothing", "gzip").status)
  end)

  it("gives HEAD the head of GET", function()
    local conn = wire.connect(s.port)
    conn:send "HEAD /page HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"
    local head = conn:response { method = "HEAD" }
    assert.equal("gzip", head.headers["content-encoding"])
    assert.equal(tostring(#get("/page", "gzip").body), head.headers["content-length"])
  end)

  it("encodes streams, chunked even where a length was declared", function()
    local response = get("/stream", "gzip")
    assert.equal("gzip", response.headers["content-encoding"])
    assert.is_nil(response.headers["content-length"])
    assert.equal("piece 1\npiece 2\npiece 3\n", decode(response.body, "gzip"))
  end)

  it("lets every event out at once", function()
    local conn = wire.connect(s.port)
    conn:send "GET /events HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"
    conn:read_until "\r\n\r\n"
    local size = tonumber(conn:read_until("\r\n"):match "^%x+", 16)
    assert.is_true(#conn:read(size) > 10)
    conn:close()
  end)

  it("takes the codings and level it is told", function()
    local response = get("/gzip-only", "br, gzip;q=0.1")
    assert.equal("gzip", response.headers["content-encoding"])
  end)

  it("refuses codings it does not have", function()
    local compress = require "justhttp.middleware.compress"
    assert.error_matches(function() compress { codings = { "deflate" } } end,
      '"deflate" is no coding')
  end)
end)
