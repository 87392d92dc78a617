-- response_spec.lua: header lines as they go on the wire, what may not be set, and the head.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
local C = core.load("http/response.h", "base/arena.h", "base/pool.h")

describe("a response", function()
  local pool, arena, response

  before_each(function()
    pool, arena, response = ffi.new "jh_pool", ffi.new "jh_arena", ffi.new "jh_response"
    C.jh_pool_init(pool, C.JH_ARENA_BLOCK_BYTES, 10)
    C.jh_arena_init(arena, pool)
    C.jh_response_reset(response)
  end)
  after_each(function()
    C.jh_arena_reset(arena)
    C.jh_pool_deinit(pool)
  end)

  local keep

  local function str(text)
    keep = { keep, text }
    return ffi.new("jh_str", ffi.cast("const char *", text), #text)
  end

  local function set(name, value, is_appended)
    return C.jh_response_try_set(response, arena, str(name), str(value), is_appended or false)
  end

  local function find(name)
    local found = C.jh_response_find(response, str(name))
    return found.ptr ~= nil and ffi.string(found.ptr, found.len) or nil
  end

  local function head(fields)
    local it = ffi.new("jh_response_head", { status = 200, content_type = C.JH_TYPE_TEXT,
      is_keep_alive = true, has_length = true, body_bytes = 5,
      server_line = str "Server: s\r\n", date_line = str "Date: d\r\n" })
    for name, value in pairs(fields or {}) do it[name] = value end
    local room = tonumber(C.jh_response_head_max_bytes(response) + it.field_lines.len)
    local out = ffi.new("char[?]", room)
    local len = tonumber(C.jh_response_write_head(response, it, out))
    assert.is_true(len <= room)
    return ffi.string(out, len)
  end

  it("has a head", function()
    assert.are.equal("HTTP/1.1 200 OK\r\nServer: s\r\nDate: d\r\n"
      .. "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\n", head())
  end)

  it("says how long its body is, or that it comes in chunks, or neither", function()
    assert.is_truthy(head({ body_bytes = 0 }):find("\r\nContent-Length: 0\r\n", 1, true))
    assert.is_truthy(head({ body_bytes = 2ULL ^ 63 })
      :find("\r\nContent-Length: 9223372036854775808\r\n", 1, true))
    local chunked = head { has_length = false, is_chunked = true }
    assert.is_truthy(chunked:find("\r\nTransfer-Encoding: chunked\r\n", 1, true))
    assert.is_nil(chunked:find("Content-Length", 1, true))
    assert.is_nil(head({ has_length = false }):find("Content-Length", 1, true))
  end)

  it("says whether the connection goes on, as far as the version leaves it open", function()
    assert.is_nil(head():find("Connection", 1, true))
    assert.is_truthy(head({ is_http10 = true }):find("\r\nConnection: keep-alive\r\n", 1, true))
    assert.is_truthy(head({ is_keep_alive = false }):find("\r\nConnection: close\r\n", 1, true))
    local both = head { is_keep_alive = false, is_http10 = true }
    assert.is_truthy(both:find("\r\nConnection: close\r\n", 1, true))
  end)

  it("has a status line for every status", function()
    assert.is_truthy(head({ status = 404 }):find("^HTTP/1.1 404 Not Found\r\n"))
    assert.is_truthy(head({ status = 299 }):find("^HTTP/1.1 299 \r\n"))
    assert.is_truthy(head({ status = 599 }):find("^HTTP/1.1 599 "))
  end)

  it("has each of the content types", function()
    for kind, text in pairs {
      [tonumber(C.JH_TYPE_HTML)] = "text/html; charset=utf-8",
      [tonumber(C.JH_TYPE_JSON)] = "application/json",
      [tonumber(C.JH_TYPE_BYTES)] = "application/octet-stream",
    } do
      assert.is_truthy(head({ content_type = kind })
        :find("\r\nContent-Type: " .. text .. "\r\n", 1, true))
    end
    assert.is_nil(head({ content_type = C.JH_TYPE_NONE }):find("Content-Type", 1, true))
  end)

  it("has the lines that were set, in their order", function()
    assert.are.equal(0, set("X-A", "1"))
    assert.are.equal(0, set("X-B", ""))
    assert.are.equal(0, set("x-a", "2", true))
    assert.is_truthy(head():find("\r\nX-A: 1\r\nX-B: \r\nx-a: 2\r\nContent-Length", 1, true))
    assert.are.equal("1", find "x-A")
    assert.are.equal("", find "X-B")
    assert.is_nil(find "X-C")
  end)

  it("has lines of the server's behind them", function()
    assert.are.equal(0, set("X-A", "1"))
    local lines = head { field_lines = str "ETag: e\r\n" }
    assert.is_truthy(lines:find("X-A: 1\r\nETag: e\r\n", 1, true))
  end)

  it("forgets what is replaced or removed", function()
    set("A", "1")
    set("B", "2")
    set("a", "3", true)
    set("C", "4")
    set("A", "5")
    assert.is_truthy(head():find("\r\nB: 2\r\nC: 4\r\nA: 5\r\n", 1, true))
    C.jh_response_remove(response, str "a")
    C.jh_response_remove(response, str "c")
    C.jh_response_remove(response, str "none")
    set("D", "6", true)
    assert.is_truthy(head():find("\r\nB: 2\r\nD: 6\r\nContent-Length", 1, true))
    C.jh_response_remove(response, str "B")
    C.jh_response_remove(response, str "D")
    assert.are.equal(0, response.fields_bytes)
    assert.is_true(response.first == nil and response.last == nil)
    set("E", "7")
    assert.are.equal("7", find "E")
    C.jh_response_reset(response)
    assert.is_nil(find "E")
  end)

  it("lets the handler's own Date, Server and Content-Type win, until they are removed", function()
    local fields = { Date = "Date: d", Server = "Server: s", ["Content-Type"] = "text/plain" }
    for name, own in pairs(fields) do
      set(name:upper(), "mine")
      assert.is_nil(head():find(own, 1, true))
      assert.is_truthy(head():find("\r\n" .. name:upper() .. ": mine\r\n", 1, true))
      C.jh_response_remove(response, str(name))
      assert.is_truthy(head():find(own, 1, true))
    end
  end)

  it("takes Connection: close as a wish that can be taken back", function()
    assert.are.equal(0, set("connection", "CLOSE"))
    assert.is_true(response.wants_close)
    assert.is_nil(head():find("CLOSE", 1, true))
    C.jh_response_remove(response, str "Connection")
    assert.is_false(response.wants_close)
  end)

  it("leaves framing to the server", function()
    for _, name in ipairs { "Content-Length", "TRANSFER-ENCODING" } do
      assert.are.equal(C.JH_EUNSUPPORTED, set(name, "1"))
    end
  end)

  it("takes only names that are tokens", function()
    local bad = { "", "a b", "a:", "a\r", "a\n", "a\0", "\195\188", "a(", "a\127", "a/b" }
    for _, name in ipairs(bad) do
      assert.are.equal(C.JH_EINVAL, set(name, "x"), ("%q"):format(name))
    end
    assert.are.equal(0, set("!#$%&'*+-.^_`|~09azAZ", "x"))
  end)

  it("takes only values that stay on their line", function()
    for byte = 0, 255 do
      local is_bad = byte == 0 or byte == 10 or byte == 13
      for _, value in ipairs { string.char(byte), "a" .. string.char(byte) .. "b" } do
        assert.are.equal(is_bad and tonumber(C.JH_EINVAL) or 0, set("A", value), "byte " .. byte)
      end
    end
  end)

  it("has at most 64 KiB of lines", function()
    local bytes = C.JH_RESPONSE_FIELDS_MAX_BYTES - #"A: \r\n"
    assert.are.equal(0, set("A", ("x"):rep(bytes)))
    assert.are.equal(C.JH_ELIMIT, set("B", "", true))
    assert.are.equal(65536, response.fields_bytes)
    assert.is_truthy(head():find(("x"):rep(100), 1, true))
  end)

  it("keeps what it has when memory is out", function()
    set("A", "1")
    alloc.fail_each(function()
      local code = set("A", ("y"):rep(5000))
      assert(code == 0 or code == C.JH_ENOMEM and find "A" == "1")
      if code == 0 then set("A", "1") end
    end)
  end)
end)
