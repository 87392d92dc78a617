-- The ctx as a table: its fields, values, deferred functions, the end of the exchange.
local worker = require "spec.support.worker"

describe("ctx", function()
  local w, handler

  setup(function()
    w = worker.new(function(app)
      app:get("/", function(ctx) return handler(ctx) end)
      app:get("/:id", function(ctx) return handler(ctx) end)
    end)
  end)
  teardown(function() w:close() end)

  before_each(function()
    for i = #w.log, 1, -1 do w.log[i] = nil end
  end)

  local function serve(fn, request)
    handler = fn
    return w:request(request or {})
  end

  -- What the handler raised, as the log has it.
  local function fault_of(fn, request)
    local response = serve(fn, request)
    assert.equal(500, response.status)
    return w.log[1]
  end

  it("takes no fields of the handler's own, and names ctx.values", function()
    assert.matches("ctx%.user cannot be set; your own values go into ctx%.values%.user",
      fault_of(function(ctx) ctx.user = 1 end))
    assert.matches("context_spec%.lua:%d+: ctx%.user cannot be set",
      fault_of(function(ctx) ctx.user = 1 end))
  end)

  it("is nil where it has no field of a name", function()
    serve(function(ctx) assert.is_nil(ctx.no_such_field) end)
    assert.same({}, w.log)
  end)

  it("says what it is", function()
    local context = w.modules.context
    serve(function(ctx) assert.is_true(context.is_ctx(ctx)) end)
    assert.is_false(context.is_ctx {})
    assert.is_false(context.is_ctx "ctx")
    assert.same({}, w.log)
  end)

  describe("values", function()
    it("are a plain table", function()
      serve(function(ctx)
        assert.equal("table", type(ctx.values))
        assert.is_nil(getmetatable(ctx.values))
        assert.is_nil(next(ctx.values))
        ctx.values.a, ctx.values[1], ctx.values[ctx] = "x", true, false
        assert.equal(ctx.values, ctx.values)
        assert.equal("x", rawget(ctx.values, "a"))
      end)
      assert.same({}, w.log)
    end)

    it("are fresh for every request", function()
      local seen = {}
      for i = 1, 3 do
        serve(function(ctx)
          seen[i] = ctx.values.mark
          ctx.values.mark = i
        end)
      end
      assert.same({}, seen)
    end)

    local function closable(trail, name)
      return setmetatable({}, { __close = function(value, err)
        trail[#trail + 1] = { name, getmetatable(value) ~= nil, err }
      end })
    end

    it("with __close are closed once when the handler is done", function()
      local trail = {}
      local response = serve(function(ctx)
        for i = 1, 12 do ctx.values["key" .. i] = closable(trail, i) end
        assert.same({}, trail)
        return "done"
      end)
      assert.equal("done", response.body)
      local names = {}
      for i, entry in ipairs(trail) do names[i] = entry[1] end
      table.sort(names)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }, names)
    end)

    it("of other kinds are left alone", function()
      assert.equal("fine", serve(function(ctx)
        local v = ctx.values
        v.number, v.text, v.fn, v.yes, v.thread = 1, "x", print, true, coroutine.create(print)
        v.plain, v.meta, v.file = {}, setmetatable({}, {}), io.stdout
        v.hidden = setmetatable({}, { __metatable = "hidden", __close = error })
        v.cdata = require "ffi".new "int[1]"
        return "fine"
      end).body)
      assert.same({}, w.log)
    end)

    it("are closed after an error, also one behind a wait", function()
      local trail = {}
      assert.equal(500, serve(function(ctx)
        ctx.values.a = closable(trail, "a")
        error "on purpose"
      end).status)
      assert.equal(500, serve(function(ctx)
        ctx.values.b = closable(trail, "b")
        w.http.sleep(0)
        error "on purpose"
      end).status)
      assert.same({ { "a", true }, { "b", true } }, trail)
    end)

    it("whose __close raises are logged and spoil nothing", function()
      local trail = {}
      assert.equal("fine", serve(function(ctx)
        ctx.values.bad = setmetatable({}, { __close = function() error "cannot close" end })
        ctx.values.good = closable(trail, "good")
        return "fine"
      end).body)
      assert.equal(1, #trail)
      assert.matches("error in __close of a value: .*cannot close", w.log[1])
    end)

    it("may wait while they close", function()
      local order = {}
      serve(function(ctx)
        ctx.values.a = setmetatable({}, { __close = function()
          w.http.sleep(0.001)
          order[#order + 1] = "closed"
        end })
      end)
      order[#order + 1] = "answered"
      assert.same({ "closed", "answered" }, order)
    end)
  end)

  describe("defer", function()
    it("calls functions with the ctx, last one first, before the response is sent", function()
      local trail = {}
      local response = serve(function(ctx)
        ctx:defer(function(c) trail[#trail + 1] = c == ctx and "first" end)
        ctx:defer(function(c)
          trail[#trail + 1] = "last"
          c:set("X-Deferred", "yes")
        end)
        return "body"
      end)
      assert.same({ "last", "first" }, trail)
      assert.equal("yes", response.headers["X-Deferred"])
    end)

    it("calls them after an error, which they see as the status", function()
      local status
      serve(function(ctx)
        ctx:defer(function(c) status = c.status end)
        error "on purpose"
      end)
      assert.equal(500, status)
    end)

    it("calls them in front of the closing of values", function()
      local trail = {}
      serve(function(ctx)
        ctx.values.a = setmetatable({}, { __close = function() trail[#trail + 1] = "value" end })
        ctx:defer(function() trail[#trail + 1] = "deferred" end)
      end)
      assert.same({ "deferred", "value" }, trail)
    end)

    it("logs their errors and calls the others", function()
      local called = 0
      assert.equal("fine", serve(function(ctx)
        ctx:defer(function() called = called + 1 end)
        ctx:defer(function() error "in a deferred function" end)
        ctx:defer(function() called = called + 1 end)
        return "fine"
      end).body)
      assert.equal(2, called)
      assert.equal(1, #w.log)
      assert.matches("error in a deferred function: .*context_spec%.lua", w.log[1])
    end)

    it("lets them wait", function()
      local done
      assert.equal("fine", serve(function(ctx)
        ctx:defer(function()
          w.http.sleep(0.001)
          done = true
        end)
        return "fine"
      end).body)
      assert.is_true(done)
    end)

    it("wants a function", function()
      assert.matches("context_spec%.lua:%d+: ctx:defer: give a function, got a string",
        fault_of(function(ctx) ctx:defer "x" end))
    end)
  end)

  describe("after its response", function()
    local function kept()
      local ctx
      serve(function(c)
        ctx = c
        ctx.values.a = 1
        return ctx.params.id, nil
      end, { path = "/7" })
      return ctx
    end

    local uses = {
      method = function(ctx) return ctx.method end,
      params = function(ctx) return ctx.params end,
      query = function(ctx) return ctx.query end,
      headers = function(ctx) return ctx.headers end,
      cookies = function(ctx) return ctx.cookies end,
      values = function(ctx) return ctx.values end,
      body = function(ctx) return ctx.body end,
      version = function(ctx) return ctx.version end,
      ["ctx:set"] = function(ctx) ctx:set("A", "b") end,
      ["ctx:append"] = function(ctx) ctx:append("A", "b") end,
      ["ctx:text"] = function(ctx) ctx:text "x" end,
      ["ctx:json"] = function(ctx) ctx:json {} end,
      ["ctx:error"] = function(ctx) ctx:error(404) end,
      ["ctx:redirect"] = function(ctx) ctx:redirect "/" end,
      ["ctx:defer"] = function(ctx) ctx:defer(print) end,
      ["ctx:read"] = function(ctx) ctx:read() end,
      ["ctx:each_header"] = function(ctx) ctx:each_header() end,
      ["ctx:form"] = function(ctx) ctx:form() end,
      ["ctx.status ="] = function(ctx) ctx.status = 204 end,
    }

    for name, use in pairs(uses) do
      it("raises at the line that uses it: " .. name, function()
        local ok, err = pcall(use, kept())
        assert.is_false(ok)
        assert.matches("context_spec%.lua:%d+: this ctx was used after its response was sent", err)
      end)
    end

    it("raises for a header kept from it", function()
      local headers
      serve(function(ctx) headers = ctx.headers end)
      local ok, err = pcall(function() return headers.host end)
      assert.is_false(ok)
      assert.matches("context_spec%.lua:%d+: this ctx was used after its response was sent", err)
    end)

    it("still lets values that were taken from it be used", function()
      local values
      serve(function(ctx)
        values = ctx.values
        values.a = 1
      end)
      assert.equal(1, values.a)
    end)
  end)
end)
