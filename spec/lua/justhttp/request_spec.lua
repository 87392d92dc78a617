-- The request side of ctx: what the client sent, as handlers read it.
local worker = require "spec.support.worker"

describe("the request side of ctx", function()
  local w, handler

  setup(function()
    w = worker.new(function(app)
      for _, pattern in ipairs { "/", "/users/:id", "/users/:id/posts/:post", "/files/*path" } do
        app:any(pattern, function(ctx) return handler(ctx) end)
      end
    end)
  end)
  teardown(function() w:close() end)

  -- What fn(ctx) returned in a handler of this request.
  local function read(request, fn)
    local result
    handler = function(ctx)
      result = fn(ctx)
      return "ok"
    end
    if type(request) == "string" then request = { path = request } end
    local response = w:request(request)
    assert.equal("ok", response.body, w.log[#w.log])
    return result
  end

  local function fault_of(fn, request)
    handler = fn
    assert.equal(500, w:request(request or {}).status)
    return w.log[#w.log]
  end

  -- Request bytes as they are, for what app:request does not build.
  local function send(bytes)
    local testing, scheduler, door, ffi = w.modules.testing, w.modules.scheduler, w.modules.door,
      require "ffi"
    return w:run(function()
      local id = scheduler.new_id()
      local conn = door.C.jh_memory_conn_open(door.generation, bytes, #bytes, id)
      scheduler.park(id)
      door.C.jh_memory_conn_output(conn, door.out)
      local raw = ffi.string(door.out.ptr, door.out.len)
      door.C.jh_memory_conn_close(conn)
      return assert(testing.parse(raw))
    end)
  end

  it("has the parts of the request line", function()
    local request = { method = "DELETE", path = "/users/a%20b?x=1&y", host = "a.org:80" }
    assert.same({ "DELETE", "/users/a b", "/users/a%20b?x=1&y", "x=1&y", "a.org:80",
                  "HTTP/1.1", "http" },
      read(request, function(ctx)
        return {
          ctx.method, ctx.path, ctx.url, ctx.query_string, ctx.host, ctx.version, ctx.scheme,
        }
      end))
  end)

  it("knows HTTP/1.0", function()
    handler = function(ctx) return ctx.version .. " " .. ctx.host end
    assert.equal("HTTP/1.0 a", send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").body)
    assert.equal("HTTP/1.0 ", send("GET / HTTP/1.0\r\n\r\n").body)
  end)

  it("knows whether the client wants another protocol", function()
    assert.is_false(read({}, function(ctx) return ctx.is_upgrade end))
    assert.is_true(read({ headers = { Connection = "Upgrade", Upgrade = "echo" } },
      function(ctx) return ctx.is_upgrade end))
  end)

  describe("params", function()
    local function params(path) return read(path, function(ctx) return ctx.params end) end

    it("are the parts of the path that the pattern names, decoded", function()
      assert.same({}, params "/")
      assert.same({ id = "42" }, params "/users/42")
      assert.same({ id = "a b", post = "ü" }, params "/users/a%20b/posts/%C3%BC")
      assert.same({ path = "a/b/c.txt" }, params "/files/a/b/c.txt")
    end)

    it("are one table per request", function()
      assert.is_true(read("/users/1", function(ctx) return ctx.params == ctx.params end))
    end)

    it("are nil for other names", function()
      assert.is_nil(read("/users/1", function(ctx) return ctx.params.post end))
    end)
  end)

  describe("query", function()
    it("has the first value of a name, decoded", function()
      assert.same({ a = "1", b = "x y", c = "", ["ü"] = "&" },
        read("/?a=1&a=2&b=x+y&c&%C3%BC=%26", function(ctx) return ctx.query end))
      assert.same({}, read("/", function(ctx) return ctx.query end))
      assert.same({}, read("/?", function(ctx) return ctx.query end))
    end)

    it("keeps repeated names in query_all", function()
      assert.same({ a = { "1", "2" }, b = { "3" } },
        read("/?a=1&b=3&a=2", function(ctx) return ctx.query_all end))
    end)

    it("is read once", function()
      assert.is_true(read("/?a=1", function(ctx)
        return ctx.query == ctx.query and ctx.query_all == ctx.query_all
      end))
    end)
  end)

  describe("headers", function()
    local request = { headers = { ["X-One"] = "1", Accept = { "a/b", "c/d" },
                                  Cookie = { "a=1", "b=2" } } }

    it("are found in any case", function()
      assert.same({ "1", "1", "1" }, read(request, function(ctx)
        return { ctx.headers["x-one"], ctx.headers["X-ONE"], ctx.headers["X-One"] }
      end))
      assert.equal("localhost", read({}, function(ctx) return ctx.headers.host end))
    end)

    it("are nil when they were not sent", function()
      assert.is_nil(read(request, function(ctx) return ctx.headers["x-two"] end))
      assert.is_nil(read(request, function(ctx) return ctx.headers[""] end))
      assert.is_nil(read(request, function(ctx) return ctx.headers[1] end))
    end)

    it("that are repeated are one list; cookies have their own separator", function()
      assert.equal("a/b, c/d", read(request, function(ctx) return ctx.headers.accept end))
      assert.equal("a=1; b=2", read(request, function(ctx) return ctx.headers.Cookie end))
    end)

    it("cannot be set, and the message names ctx:set", function()
      local log = fault_of(function(ctx) ctx.headers["X-Mine"] = "1" end)
      assert.matches("request_spec%.lua:%d+: ctx%.headers are the request's", log)
      assert.matches("ctx:set%(name, value%)", log)
    end)

    it("can be gone through as they were sent", function()
      handler = function(ctx)
        local lines = {}
        for name, value in ctx:each_header() do lines[#lines + 1] = name .. "=" .. value end
        return table.concat(lines, "\n")
      end
      assert.equal("Host=h\nX-b=2\nx-A=1\nX-B=3\nEmpty=",
        send("GET / HTTP/1.1\r\nHost: h\r\nX-b:  2\r\nx-A: 1 \r\nX-B: 3\r\nEmpty:\r\n\r\n").body)
    end)

    it("can be gone through twice at a time", function()
      assert.equal(4, read({ headers = { A = "1" } }, function(ctx)
        local count = 0
        for _ in ctx:each_header() do
          for _ in ctx:each_header() do count = count + 1 end
        end
        return count
      end))
    end)
  end)

  describe("cookies", function()
    it("are read by name", function()
      assert.same({ a = "1", b = "x y" }, read({ headers = { Cookie = 'a=1; b="x y"' } },
        function(ctx) return ctx.cookies end))
      assert.same({}, read({}, function(ctx) return ctx.cookies end))
    end)
  end)

  describe("body", function()
    it("is whole, as often as it is asked for", function()
      assert.same({ "hello", "hello" }, read({ body = "hello" }, function(ctx)
        return { ctx.body, ctx.body }
      end))
      assert.equal("", read({}, function(ctx) return ctx.body end))
    end)

    it("is read to its end when it is large", function()
      for _, size in ipairs { 16383, 16384, 16385, 65536, 65537, 500000 } do
        local body = ("0123456789abcdef"):rep(size / 16 + 1):sub(1, size)
        assert.equal(body, read({ body = body }, function(ctx) return ctx.body end))
      end
    end)

    it("may be binary", function()
      local bytes = {}
      for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
      local body = table.concat(bytes)
      assert.equal(body, read({ body = body }, function(ctx) return ctx.body end))
    end)

    it("is read in pieces of at most so many bytes, then nil", function()
      for _, size in ipairs { 10, 100000 } do
        local body = ("x"):rep(size)
        local pieces = read({ body = body }, function(ctx)
          local list = {}
          for piece in function() return ctx:read(7000) end do list[#list + 1] = piece end
          assert.is_nil(ctx:read(7000))
          return list
        end)
        for _, piece in ipairs(pieces) do assert.is_true(#piece >= 1 and #piece <= 7000) end
        assert.equal(body, table.concat(pieces))
      end
    end)

    it("has no pieces when there is none", function()
      assert.is_nil(read({}, function(ctx) return ctx:read() end))
    end)

    it("is read by ctx:read() without a number", function()
      assert.equal("abc", read({ body = "abc" }, function(ctx) return ctx:read() end))
    end)

    for _, bytes in ipairs { 0, -1, 0.5, "x", {}, 0 / 0, math.huge } do
      it("is not read by " .. tostring(bytes) .. " bytes", function()
        assert.matches("request_spec%.lua:%d+: ctx:read: give a number of bytes, got ",
          fault_of(function(ctx) ctx:read(bytes) end, { body = "x" }))
      end)
    end

    it("that is chunked is decoded", function()
      handler = function(ctx) return ctx.body end
      assert.equal("hello world", send("POST / HTTP/1.1\r\nHost: a\r\n"
        .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").body)
    end)

    it("that was not read does not disturb the next request", function()
      for _, size in ipairs { 10, 100000 } do
        read({ body = ("x"):rep(size) }, function() end)
      end
      assert.equal("y", read({ body = "y" }, function(ctx) return ctx.body end))
    end)
  end)

  describe("ctx:json()", function()
    it("reads the body as JSON", function()
      assert.same({ a = { 1, 2 } }, read({ json = { a = { 1, 2 } } }, function(ctx)
        return ctx:json()
      end))
    end)

    it("is nil and what is wrong with it", function()
      local result = read({ body = "{", method = "POST" }, function(ctx) return { ctx:json() } end)
      assert.is_nil(result[1])
      assert.equal("string", type(result[2]))
      assert.same({ nil, "not JSON: the body is empty" }, read({}, function(ctx)
        return { ctx:json() }
      end))
    end)
  end)

  describe("ctx:form()", function()
    it("reads urlencoded fields, and all of them as the third result", function()
      local result = read({ form = { a = "1 2" } }, function(ctx) return { ctx:form() } end)
      assert.same({ a = "1 2" }, result[1])
      assert.same({ a = { "1 2" } }, result[3])
    end)

    it("is nil and why for another content type", function()
      local result = read({ json = {} }, function(ctx) return { ctx:form() } end)
      assert.is_nil(result[1])
      assert.equal("string", type(result[2]))
    end)
  end)
end)
