-- client_decoding.lua: coded bodies come out as they went in, and no larger than allowed.
local caller = require "spec.support.caller"
local coding = require "justhttp.coding"
local door = require "justhttp.door"
local peer = require "spec.support.peer"

describe("a coded response", function()
  local c, p
  setup(function()
    if not door.generation then door.attach(door.C.jh_standalone_open()) end
    c, p = caller.start(), peer.listen()
  end)
  teardown(function()
    p:close()
    c:stop()
  end)

  local TEXT = ("some text that repeats itself, "):rep(3000)

  local function exchange(code, coded, name, arguments)
    arguments = arguments or {}
    arguments.url = p.url
    local pending = c:begin(code, arguments)
    local link = p:accept()
    local head = peer.request(link)
    link:send(("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: %s\r\n"
      .. "Content-Length: %d\r\n\r\n"):format(name, #coded))
    link:try_send(coded)
    local results = { pending:finish() }
    link:close()
    return results, head
  end

  it("is decoded, whole and streamed", function()
    for name, kind in pairs { gzip = "gzip", br = "br", zstd = "zstd" } do
      local coded = coding.encode(TEXT, coding.KINDS[kind])
      local results, head = exchange([[
        local res = http.get(a.url)
        return res.body, res.headers["content-encoding"] ]], coded, name)
      assert.is_true(results[1] == TEXT)
      assert.are.equal(name, results[2])
      assert.truthy(head:find "Accept%-Encoding: gzip, br, zstd\r\n")
      results = exchange([[ return http.get(a.url, { stream = true }):text() ]], coded, name)
      assert.is_true(results[1] == TEXT)
    end
  end)

  it("is decoded through several codings", function()
    local coded = coding.encode(coding.encode(TEXT, coding.KINDS.gzip), coding.KINDS.br)
    assert.is_true(exchange([[ return http.get(a.url).body ]], coded, "gzip, br")[1] == TEXT)
  end)

  it("stays as it is when nobody wants it decoded, or nobody can", function()
    local coded = coding.encode(TEXT, coding.KINDS.gzip)
    local results, head = exchange([[
      return #http.get(a.url, { decompress = false }).body ]], coded, "gzip")
    assert.are.equal(#coded, results[1])
    assert.is_nil(head:find "Accept%-Encoding")
    assert.are.equal("abc", exchange([[ return http.get(a.url).body ]], "abc", "odd")[1])
  end)

  it("is no larger than it may be", function()
    local coded = coding.encode(("x"):rep(1000000), coding.KINDS.gzip)
    for _, streams in ipairs { false, true } do
      local results = exchange([[
        local res, err, kind = http.get(a.url, { stream = a.streams, max_body_bytes = 100000 })
        if a.streams then res, err, kind = res:text() end
        return res, err, kind ]], coded, "gzip", { streams = streams })
      assert.is_nil(results[1])
      assert.are.equal("limit", results[3])
      assert.truthy(results[2]:find "above 100000 bytes")
    end
  end)

  it("is an error when it is damaged", function()
    local coded = coding.encode(TEXT, coding.KINDS.gzip)
    local results = exchange([[ return http.get(a.url) ]], coded:sub(1, -9), "gzip")
    assert.is_nil(results[1])
    assert.are.equal("protocol", results[3])
    assert.truthy(results[2]:find "damaged")
  end)
end)
