-- decompress, on the wire.
local server = require "spec.support.server"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:post("/", http.middleware.decompress(10000), function(ctx)
  return #ctx.body .. " " .. ctx.body:sub(1, 5)
end)
app:post("/json", http.middleware.decompress(10000), function(ctx) return ctx:json() end)
return app
]]

describe("decompress", function()
  local s, coding

  setup(function()
    s = server.start { code = APP }
    local door = require "justhttp.door"
    if not door.generation then door.attach(door.C.jh_standalone_open()) end
    coding = require "justhttp.coding"
  end)
  teardown(function() s:stop() end)

  local function post(body, name, path)
    return s:request {
      method = "POST", path = path or "/", body = body, headers = { ["Content-Encoding"] = name },
    }
  end

  it("decodes what it knows", function()
    for _, name in ipairs { "gzip", "br", "zstd" } do
      local body = coding.encode(("hello "):rep(100), coding.KINDS[name])
      assert.equal("600 hello", post(body, name).body)
    end
    assert.equal("3 abc", post("abc", "identity").body)
    assert.equal("3 abc", post("abc").body)
    assert.equal('{"a":1}', post(coding.encode('{"a":1}', coding.KINDS.gzip), "gzip", "/json").body)
  end)

  it("stops a bomb at the limit", function()
    for _, name in ipairs { "gzip", "br", "zstd" } do
      local bomb = coding.encode(("\0"):rep(5000000), coding.KINDS[name])
      assert.is_true(#bomb < 10000)
      assert.equal(413, post(bomb, name).status)
    end
    assert.equal(200, post(coding.encode(("x"):rep(10000), coding.KINDS.gzip), "gzip").status)
  end)

  it("answers 400 to damage and 415 to what it does not know", function()
    local body = coding.encode(("hello "):rep(100), coding.KINDS.gzip)
    assert.equal(400, post("nonsense", "gzip").status)
    assert.equal(400, post(body:sub(1, -2), "gzip").status)
    local response = post("x", "compress")
    assert.equal(415, response.status)
    assert.equal("br, gzip, zstd", response.headers["accept-encoding"])
  end)

  it("wants a limit", function()
    local decompress = require "justhttp.middleware.decompress"
    assert.error_matches(function() decompress() end, "give the limit in bytes")
  end)
end)
