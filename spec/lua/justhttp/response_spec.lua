-- The response side of ctx: what handlers answer, and what is misuse.
local worker = require "spec.support.worker"

describe("the response side of ctx", function()
  local w, handler

  setup(function()
    w = worker.new(function(app)
      app:any("/", function(ctx) return handler(ctx) end)
    end)
  end)
  teardown(function() w:close() end)

  local function serve(fn, request)
    handler = fn
    return w:request(request or {})
  end

  -- What the log says of a handler that raised.
  local function fault_of(fn)
    assert.equal(500, serve(fn).status)
    return w.log[#w.log]
  end

  -- The error that a call raised inside a handler which goes on.
  local function error_of(fn)
    local err
    serve(function(ctx)
      local ok
      ok, err = pcall(fn, ctx)
      assert(not ok, "no error")
    end)
    return err
  end

  describe("made from what a handler returns", function()
    it("is text for a string", function()
      local response = serve(function() return "hello" end)
      assert.equal(200, response.status)
      assert.equal("hello", response.body)
      assert.equal("text/plain; charset=utf-8", response.headers["Content-Type"])
    end)

    it("is JSON for a table", function()
      local response = serve(function() return { a = 1 } end)
      assert.equal('{"a":1}', response.body)
      assert.equal("application/json", response.headers["Content-Type"])
    end)

    it("has the status that comes before them", function()
      assert.equal(201, serve(function() return 201, "made" end).status)
      assert.equal(404, serve(function() return 404, {} end).status)
      local response = serve(function() return 204 end)
      assert.equal(204, response.status)
      assert.equal("", response.body)
    end)

    it("is empty for nothing", function()
      local response = serve(function() end)
      assert.equal(200, response.status)
      assert.equal("", response.body)
      assert.equal("0", response.headers["Content-Length"])
      assert.equal("", serve(function() return nil end).body)
    end)

    it("is what was set before for nothing", function()
      local response = serve(function(ctx)
        ctx.status = 202
        ctx:html "<p>"
      end)
      assert.equal(202, response.status)
      assert.equal("<p>", response.body)
      assert.equal("text/html; charset=utf-8", response.headers["Content-Type"])
    end)

    it("takes the place of what was set before, but not of its type and headers", function()
      local response = serve(function(ctx)
        ctx:html "<p>"
        ctx:set("X-A", "1")
        return "<b>"
      end)
      assert.equal("<b>", response.body)
      assert.equal("text/html; charset=utf-8", response.headers["Content-Type"])
      assert.equal("1", response.headers["X-A"])
    end)

    it("keeps a Content-Type that was set", function()
      local response = serve(function(ctx)
        ctx:set("Content-Type", "text/csv")
        return "a,b"
      end)
      assert.equal("text/csv", response.headers["Content-Type"])
      response = serve(function(ctx)
        ctx:set("Content-Type", "application/problem+json")
        return 400, { title = "bad" }
      end)
      assert.equal("application/problem+json", response.headers["Content-Type"])
    end)

    it("may be empty text, and large", function()
      assert.equal("", serve(function() return "" end).body)
      local large = ("0123456789"):rep(200000)
      assert.equal(large, serve(function() return large end).body)
    end)

    it("keeps an empty list apart from an empty object", function()
      local json = w.http.json
      assert.equal("{}", serve(function() return {} end).body)
      assert.equal("[]", serve(function() return json.array {} end).body)
    end)

    for _, value in ipairs { true, print, coroutine.create(print), io.stdout } do
      it("is misuse for a " .. type(value), function()
        assert.matches("response_spec.lua:%d+: the handler returned a "
          .. type(value) .. ".*; return a string, a table %(JSON%), or a status before one of them",
          fault_of(function() return value end))
      end)
    end

    for _, status in ipairs { 0, 99, 100, 199, 600, 200.5, -1, 0 / 0, math.huge } do
      it("is misuse for the status " .. tostring(status), function()
        assert.matches("the handler returned the status %S+; a status is a whole number from",
          fault_of(function() return status end))
      end)
    end

    it("is misuse for a false after a status, and for a table that is no JSON", function()
      assert.matches("the handler returned a boolean", fault_of(function() return 200, false end))
      assert.matches("_spec.lua:%d+: the handler returned a table that is no JSON: at %[1%]",
        fault_of(function() return { print } end))
      assert.matches("response_spec.lua:%d+: this value is no JSON: at %[1%]: a function has no",
        fault_of(function(ctx) ctx:json { print } end))
    end)
  end)

  describe("status", function()
    it("can be set and read", function()
      assert.equal(418, serve(function(ctx)
        assert(ctx.status == 200)
        ctx.status = 418
        assert(ctx.status == 418)
      end).status)
    end)

    it("must be one", function()
      for _, status in ipairs { 199, 600, 200.5, "200", {}, true } do
        assert.matches("response_spec%.lua:%d+: ctx%.status must be a whole number from 200 to 599",
          error_of(function(ctx) ctx.status = status end))
      end
      assert.matches("got nil", error_of(function(ctx) ctx.status = nil end))
    end)
  end)

  describe("headers", function()
    it("are set, replaced in any case, and removed with nil", function()
      local response = serve(function(ctx)
        ctx:set("X-A", "1")
        ctx:set("x-a", "2")
        ctx:set("X-B", 3)
        ctx:set("X-C", "4")
        ctx:set("x-c", nil)
      end)
      assert.same({ "2" }, response.headers_all["X-A"])
      assert.equal("3", response.headers["X-B"])
      assert.is_nil(response.headers["X-C"])
    end)

    it("are added with append", function()
      local response = serve(function(ctx)
        ctx:append("Link", "</a>")
        ctx:append("link", "</b>")
        ctx:append("X-N", 1)
      end)
      assert.same({ "</a>", "</b>" }, response.headers_all.link)
      assert.equal("1", response.headers["X-N"])
    end)

    it("can be read back", function()
      serve(function(ctx)
        assert(ctx:response_header "X-A" == nil)
        ctx:set("X-A", "1")
        assert(ctx:response_header "x-a" == "1")
        return "ok"
      end)
    end)

    it("never carry what could split a response, and say which call it was", function()
      for _, bad in ipairs { "a\r\nb", "a\nb", "a\rb", "a\0b" } do
        assert.matches('response_spec%.lua:%d+: ctx:set: "X%-A": .* cannot be sent',
          error_of(function(ctx) ctx:set("X-A", bad) end))
        assert.matches("response_spec%.lua:%d+: ctx:append: .* cannot be sent",
          error_of(function(ctx) ctx:append("X-A", bad) end))
        assert.matches("response_spec%.lua:%d+: ctx:redirect: .* cannot be sent",
          error_of(function(ctx) ctx:redirect(bad) end))
      end
      for _, bad in ipairs { "", "a b", "a:b", "a\r\n", "ä" } do
        assert.matches("ctx:set: .* cannot be sent", error_of(function(ctx) ctx:set(bad, "x") end))
      end
    end)

    it("have values that are strings or numbers, and names that are strings", function()
      assert.matches('response_spec%.lua:%d+: ctx:set: the value of "X%-A" must be a string or a '
        .. "number, got a table", error_of(function(ctx) ctx:set("X-A", {}) end))
      assert.matches("response_spec%.lua:%d+: ctx:append: the value of .* got a nil",
        error_of(function(ctx) ctx:append("X-A", nil) end))
      assert.matches("response_spec%.lua:%d+: ctx:set: the name must be a string, got a number",
        error_of(function(ctx) ctx:set(1, "x") end))
      assert.matches("response_spec%.lua:%d+: ctx:set: the name must be a string, got a nil",
        error_of(function(ctx) ctx:set(nil, nil) end))
      assert.matches("response_spec%.lua:%d+: ctx:response_header: the name must be a string",
        error_of(function(ctx) ctx:response_header() end))
    end)

    it("that are the server's own are refused", function()
      for _, name in ipairs { "Content-Length", "transfer-encoding" } do
        assert.matches("response_spec%.lua:%d+: ctx:set: .* is the server's own business",
          error_of(function(ctx) ctx:set(name, "1") end))
      end
    end)

    it("of more than 64 KiB are refused", function()
      assert.matches("ctx:set: X%-Big: ",
        error_of(function(ctx) ctx:set("X-Big", ("x"):rep(70000)) end))
    end)
  end)

  describe("ctx:text, ctx:html and ctx:json", function()
    it("set body, type and status", function()
      for call, content_type in pairs { text = "text/plain; charset=utf-8",
                                        html = "text/html; charset=utf-8" } do
        local response = serve(function(ctx) ctx[call](ctx, "body", 203) end)
        assert.equal(203, response.status)
        assert.equal("body", response.body)
        assert.equal(content_type, response.headers["Content-Type"])
        assert.equal("12", serve(function(ctx) ctx[call](ctx, 12) end).body)
      end
      local response = serve(function(ctx) ctx:json({ 1, 2 }, 201) end)
      assert.equal(201, response.status)
      assert.equal("[1,2]", response.body)
      assert.equal("application/json", response.headers["Content-Type"])
    end)

    it("write JSON of any value but nil", function()
      assert.equal("false", serve(function(ctx) ctx:json(false) end).body)
      assert.equal('"x"', serve(function(ctx) ctx:json "x" end).body)
      assert.equal("1.5", serve(function(ctx) ctx:json(1.5) end).body)
    end)

    it("are misused with other values, and name themselves", function()
      assert.matches("response_spec%.lua:%d+: ctx:text: give a string, got a table",
        error_of(function(ctx) ctx:text {} end))
      assert.matches("response_spec%.lua:%d+: ctx:html: give a string, got a nil",
        error_of(function(ctx) ctx:html() end))
      assert.matches("response_spec%.lua:%d+: ctx:text: the status must be a whole number",
        error_of(function(ctx) ctx:text("x", 42) end))
      assert.matches("response_spec%.lua:%d+: ctx:json: the status must be a whole number",
        error_of(function(ctx) ctx:json({}, "201") end))
      assert.matches("at %[1%]: a function has no JSON",
        fault_of(function(ctx) ctx:json { print } end))
    end)
  end)

  describe("ctx:redirect", function()
    it("answers 302 with Location, or the status given", function()
      local response = serve(function(ctx) return ctx:redirect "/there?a=b" end)
      assert.equal(302, response.status)
      assert.equal("/there?a=b", response.headers.Location)
      for _, status in ipairs { 301, 303, 307, 308 } do
        assert.equal(status, serve(function(ctx) ctx:redirect("/", status) end).status)
      end
    end)

    it("refuses other statuses and locations that are no strings", function()
      assert.matches("response_spec%.lua:%d+: ctx:redirect: the status is 301, 302, 303, 307 or "
        .. "308, not 200", error_of(function(ctx) ctx:redirect("/", 200) end))
      assert.matches("response_spec%.lua:%d+: ctx:redirect: the location must be a string, got a",
        error_of(function(ctx) ctx:redirect() end))
    end)
  end)

  describe("ctx:error", function()
    it("answers the reason, or a message", function()
      local response = serve(function(ctx) return ctx:error(404) end)
      assert.equal(404, response.status)
      assert.equal("Not Found\n", response.body)
      assert.equal("no such user\n", serve(function(ctx) ctx:error(404, "no such user") end).body)
    end)

    it("answers JSON to clients that prefer it", function()
      local response = serve(function(ctx) ctx:error(403, "no") end,
        { headers = { Accept = "application/json" } })
      assert.same({ status = 403, error = "no" }, response:json())
      assert.equal("no\n", serve(function(ctx) ctx:error(403, "no") end,
        { headers = { Accept = "text/html, application/json" } }).body)
    end)

    it("forgets what described the body before, and keeps other headers", function()
      local response = serve(function(ctx)
        ctx:html "<p>"
        ctx:set("ETag", '"1"')
        ctx:set("Content-Type", "text/csv")
        ctx:set("X-Request-Id", "7")
        ctx:error(500)
      end)
      assert.is_nil(response.headers.ETag)
      assert.equal("7", response.headers["X-Request-Id"])
      assert.equal("text/plain; charset=utf-8", response.headers["Content-Type"])
    end)

    it("wants a status", function()
      assert.matches("response_spec%.lua:%d+: ctx:error: the status must be a whole number",
        error_of(function(ctx) ctx:error "not found" end))
      assert.matches("response_spec%.lua:%d+: ctx:error: the message must be a string, got a table",
        error_of(function(ctx) ctx:error(404, {}) end))
    end)
  end)

  describe("ctx:cookie", function()
    it("sets cookies beside each other", function()
      local response = serve(function(ctx)
        ctx:cookie("a", "1")
        ctx:cookie("b", "2", { path = "/", http_only = true })
      end)
      assert.equal(2, #response.headers_all["Set-Cookie"])
      assert.matches("^a=1", response.headers_all["Set-Cookie"][1])
      assert.matches("HttpOnly", response.headers_all["Set-Cookie"][2])
    end)

    it("is misused by names and values that are none", function()
      assert.matches("response_spec%.lua:%d+: .*cookie",
        error_of(function(ctx) ctx:cookie("a b", "1") end))
      assert.matches("response_spec%.lua:%d+: .*cookie",
        error_of(function(ctx) ctx:cookie("a", {}) end))
    end)
  end)

  describe("ctx:early_hints", function()
    it("goes out before the response", function()
      local response = serve(function(ctx)
        ctx:early_hints { "</a.css>; rel=preload", "</b.js>; rel=preload" }
        return "body"
      end)
      assert.equal(103, response.interim[1].status)
      assert.equal("body", response.body)
    end)

    it("wants Link values", function()
      for _, links in ipairs { { 1 }, { "a\r\nb" }, { {} } } do
        assert.matches("response_spec%.lua:%d+: ctx:early_hints: give Link values",
          error_of(function(ctx) ctx:early_hints(links) end))
      end
      assert.matches("response_spec%.lua:%d+: ctx:early_hints: give a list of Link values",
        error_of(function(ctx) ctx:early_hints "</a.css>" end))
    end)
  end)

  it("knows its bytes", function()
    serve(function(ctx)
      assert(ctx.response_bytes == 0)
      ctx:text "12345"
      assert(ctx.response_bytes == 5)
      return "ok"
    end)
  end)
end)
