-- kept_ctx_spec.lua: a ctx kept after its response raises when it is used; it never shows somebody
-- else's request.
local server = require "spec.support.server"

describe("a ctx kept after its response", function()
  local s

  setup(function()
    s = server.start { options = { log_level = "off" }, code = [[
      local http = require "justhttp"
      local app = http.app()
      local kept = {}
      app:get("/keep/:name", function(ctx)
        kept[ctx.params.name] = ctx
        return "kept"
      end)
      local uses = {
        method = function(ctx) return ctx.method end,
        path = function(ctx) return ctx.path end,
        params = function(ctx) return ctx.params.name end,
        headers = function(ctx) return ctx.headers.host end,
        query = function(ctx) return ctx.query.a end,
        body = function(ctx) return ctx.body end,
        read = function(ctx) return ctx:read() end,
        ip = function(ctx) return ctx.ip end,
        values = function(ctx) return ctx.values.a end,
        set = function(ctx) ctx:set("X-Evil", "yes") end,
        status = function(ctx) ctx.status = 404 end,
        text = function(ctx) ctx:text "evil" end,
        json = function(ctx) ctx:json {} end,
        hints = function(ctx) ctx:early_hints { "</evil>" } end,
        defer = function(ctx) ctx:defer(function() end) end,
      }
      app:get("/use/:name/:use", function(ctx)
        local ok, err = pcall(uses[ctx.params.use], kept[ctx.params.name])
        return tostring(ok) .. " " .. tostring(err)
      end)
      app:get("/spawn", function(ctx)
        http.spawn(function()
          http.sleep(0.02)
          kept.result = tostring(select(2, pcall(function() return ctx.path end)))
        end)
        return "spawned"
      end)
      app:get("/result", function() return kept.result or "none" end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  local uses = { "method", "path", "params", "headers", "query", "body", "read", "ip", "values",
                 "set", "status", "text", "json", "hints", "defer" }

  it("raises, whatever is asked of it, on the same connection and on others", function()
    local c = s:connect()
    assert.are.equal("kept", c:request({ path = "/keep/a" }).body)
    for _, use in ipairs(uses) do
      for _, where in ipairs { c, s } do
        local r = where:request { path = "/use/a/" .. use }
        assert.is_truthy(r.body:find("^false .*used after its response was sent"),
          use .. ": " .. r.body)
        assert.is_nil(r.headers["x-evil"])
        assert.are.equal(200, r.status)
      end
    end
    c:close()
  end)

  it("raises in a task that outlives the request", function()
    local c = s:connect()
    assert.are.equal("spawned", c:request({ path = "/spawn" }).body)
    require "spec.support.wait"(function()
      return c:request({ path = "/result" }).body:find("used after its response was sent", 1, true)
    end)
    c:close()
  end)
end)
