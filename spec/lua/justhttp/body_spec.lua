-- Limits, pieces and trailers of bodies, as handlers see them; what comes over real connections is
-- in spec/http (route_limits, trailers, streamed_body).
local worker = require "spec.support.worker"

describe("the body side of ctx", function()
  local w, handler

  setup(function()
    w = worker.new(function(app) app:any("/", function(ctx) return handler(ctx) end) end)
  end)
  teardown(function() w:close() end)

  -- What fn(ctx) returned in a handler of this request.
  local function read(request, fn)
    local result
    handler = function(ctx)
      result = fn(ctx)
      return "ok"
    end
    local response = w:request(request)
    assert.equal("ok", response.body, w.log[#w.log])
    return result
  end

  local function answer(request, fn)
    handler = fn
    local response = w:request(request)
    return response.status, response.body
  end

  local function fault_of(fn)
    handler = fn
    assert.equal(500, w:request({ body = "abc" }).status)
    return w.log[#w.log]
  end

  local function chunked(body, trailers)
    return { headers = { ["Transfer-Encoding"] = "chunked" },
             body = ("%x\r\n%s\r\n0\r\n%s\r\n"):format(#body, body, trailers or "") }
  end

  it("knows the declared length", function()
    local function length(request)
      return read(request, function(ctx) return ctx.content_length or "none" end)
    end
    assert.equal(3, length { body = "abc" })
    assert.equal(0, length {})
    assert.equal("none", length(chunked "abc"))
  end)

  it("goes through pieces", function()
    for _, size in ipairs { 0, 1, 1000, 100000 } do
      for _, n in ipairs { 1, 999, 65536, 1000000 } do
        local body = ("0123456789"):rep(size / 10 + 1):sub(1, size)
        if n > 1 or size <= 1000 then
          local got = read({ method = "POST", body = body }, function(ctx)
            local pieces = {}
            for piece in ctx:pieces(n) do
              assert(#piece > 0 and #piece <= n)
              pieces[#pieces + 1] = piece
            end
            return table.concat(pieces)
          end)
          assert.is_true(got == body)
        end
      end
    end
  end)

  it("raises where a body does not come whole, with the status to answer", function()
    local status, body = answer({ body = ("x"):rep(50000) }, function(ctx)
      ctx:limits { body = 40000 }
      for _ in ctx:pieces() do error "not reached" end
    end)
    assert.same({ 413, "the request body is too large\n" }, { status, body })
    local request = chunked(("x"):rep(50000))
    request.body = request.body:sub(1, -8) .. "xx0\r\n\r\n"
    status, body = answer(request, function(ctx) for _ in ctx:pieces() do end end)
    assert.same({ 400, "the request body is malformed\n" }, { status, body })
  end)

  it("has the status beside the reason in ctx:read", function()
    local got = read({ body = ("x"):rep(50000) }, function(ctx)
      ctx:limits { body = 40000 }
      return { ctx:read() }
    end)
    assert.same({ nil, "the request body is too large", 413 }, got)
  end)

  it("says whether the body fits new limits", function()
    local function fits(limit)
      return read({ body = ("x"):rep(1000) }, function(ctx) return ctx:limits { body = limit } end)
    end
    assert.is_true(fits(1000))
    assert.is_true(fits "1k")
    assert.is_false(fits(999))
    assert.is_true(read({ body = "abc" }, function(ctx)
      return ctx:limits { body_timeout = 0.5 }
    end))
  end)

  it("has trailers by name in any case", function()
    local got = read(chunked("abc", "X-Sum: 1\r\nx-SUM:2\r\nOther:\r\n"), function(ctx)
      assert(ctx.trailers == ctx.trailers)
      local names = {}
      for name in pairs(ctx.trailers) do names[#names + 1] = name end
      table.sort(names)
      return { ctx.trailers["x-sum"], ctx.trailers.OTHER, ctx.trailers.none or "none", names }
    end)
    assert.same({ "1, 2", "", "none", { "other", "x-sum" } }, got)
    assert.is_nil(read({ body = "abc" }, function(ctx) return next(ctx.trailers) end))
  end)

  it("says how it must be used", function()
    assert.matches("ctx:limits: give a table", fault_of(function(ctx) ctx:limits(5) end))
    assert.matches("ctx:limits: body: give a number of bytes or text",
      fault_of(function(ctx) ctx:limits { body = "much" } end))
    assert.matches("ctx:limits: body_timeout: give seconds",
      fault_of(function(ctx) ctx:limits { body_timeout = -1 } end))
    assert.matches("ctx:pieces: give a number of bytes",
      fault_of(function(ctx) ctx:pieces(0) end))
  end)

  it("reads no form of another type", function()
    local got = read({ json = { 1 } }, function(ctx)
      local fields, err = ctx:form()
      local files, err_files = ctx:files()
      return { fields or false, err, files or false, err_files }
    end)
    assert.same({ false, "the body is application/json, not application/x-www-form-urlencoded",
                  false, "the body is application/json, not multipart/form-data" }, got)
  end)
end)
