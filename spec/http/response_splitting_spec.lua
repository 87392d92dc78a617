-- response_splitting_spec.lua: whatever a handler passes on from a client, a header stays one
-- header.
local server = require "spec.support.server"

describe("response splitting", function()
  local s

  setup(function()
    s = server.start { options = { log_level = "off" }, code = [[
      local http = require "justhttp"
      local app = http.app()
      local calls = {
        set = function(ctx, v) ctx:set("X-Value", v) end,
        append = function(ctx, v) ctx:append("X-Value", v) end,
        name = function(ctx, v) ctx:set(v, "x") end,
        redirect = function(ctx, v) ctx:redirect(v) end,
        cookie = function(ctx, v) ctx:cookie("a", v) end,
        cookie_name = function(ctx, v) ctx:cookie(v, "a") end,
        cookie_path = function(ctx, v) ctx:cookie("a", "b", { path = v }) end,
        hints = function(ctx, v) ctx:early_hints { v } end,
        content_type = function(ctx, v) ctx:set("Content-Type", v) end,
      }
      app:post("/:call", function(ctx)
        local ok, err = pcall(calls[ctx.params.call], ctx, ctx.body)
        return ok and "sent" or "raised: " .. err
      end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  local calls = { "set", "append", "name", "redirect", "cookie", "cookie_name", "cookie_path",
                  "hints", "content_type" }
  local bad = { "a\r\nEvil: yes", "a\nEvil: yes", "a\rEvil: yes", "\r\n\r\nEvil: yes",
                "a\r\n Evil: yes", "Evil: yes\r\n", "a\0b" }

  for _, call in ipairs(calls) do
    it("raises in the handler: " .. call, function()
      for _, value in ipairs(bad) do
        local c = s:connect():send(("POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s")
          :format(call, #value, value))
        local r = c:response()
        assert.are.equal(200, r.status)
        -- A cookie's value may be escaped instead.
        if r.body == "sent" then assert.are.equal("cookie", call) end
        assert.is_nil(r.headers.evil)
        assert.are.equal(0, #r.interim)
        for _, field in ipairs(r.header_list) do assert.is_nil(field[2]:find("[\r\n%z]")) end
        c:close()
      end
    end)
  end

  it("leaves framing to the server", function()
    for _, name in ipairs { "Content-Length", "transfer-encoding", "CONTENT-LENGTH" } do
      local r = s:request { method = "POST", path = "/name", body = name }
      assert.is_truthy(r.body:find("raised", 1, true), name)
      assert.are.equal(tostring(#r.body), r.headers["content-length"])
    end
  end)

  it("takes every other byte of a value", function()
    local value = "a\t b\195\188\255 ;,=\"\\"
    local r = s:request { method = "POST", path = "/set", body = value }
    assert.are.equal("sent", r.body)
    assert.are.equal(value, r.headers["x-value"])
  end)
end)
