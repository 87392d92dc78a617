-- Templates of apps: http.template, app:templates and ctx:render.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local app = [[
local http = require "justhttp"
local app = http.app()
app:templates "views"
app:get("/", function(ctx) ctx:render("page", { name = ctx.query.name }) end)
app:get("/status", function(ctx) ctx:render("page", { name = "x" }, 418) end)
app:get("/none", function(ctx)
  ctx:render "missing"
end)
app:get("/mistake", function(ctx) ctx:render "mistake" end)
app:group("/group", function(group)
  group:templates { dir = "other", extension = ".txt" }
  group:get("/page", function(ctx) ctx:render("page", { name = "group" }) end)
  group:not_found(function(ctx) ctx:render("page", { name = "missed" }, 404) end)
end)
local mounted = http.app()
mounted:get("/page", function(ctx) ctx:render("page", { name = "mounted" }) end)
app:mount("/mounted", mounted)
app:not_found(function(ctx) ctx:render("page", { name = "nobody" }, 404) end)
local mails = http.template { dir = "other", extension = ".txt" }
app:get("/mail", function() return mails:render("page", { name = "mail" }) end)
return app ]]

local files = {
  ["app.lua"] = app,
  ["views/page.html"] = "<p><%= name %></p>",
  ["views/mistake.html"] = "\n<%= nothing %>",
  ["other/page.txt"] = "other <%= name %>",
}

describe("the templates of an app", function()
  local s
  setup(function() s = server.start { files = files } end)
  teardown(function() s:stop() end)

  it("are found in the app's directory, and make HTML", function()
    local r = s:get "/?name=%3CAda%3E"
    assert.equal("<p>&lt;Ada&gt;</p>", r.body)
    assert.equal("text/html; charset=utf-8", r.headers["content-type"])
    assert.equal(418, s:get("/status").status)
  end)

  it("are those of the innermost scope that has some", function()
    assert.equal("other group", s:get("/group/page").body)
    assert.equal("<p>mounted</p>", s:get("/mounted/page").body)
    assert.equal("other missed", s:get("/group/missing").body)
    assert.equal("<p>nobody</p>", s:get("/missing").body)
  end)

  it("can be used without ctx", function()
    assert.equal("other mail", s:get("/mail").body)
  end)

  it("are named with the app's line where one is not there", function()
    assert.equal(500, s:get("/none").status)
    wait_for(function()
      return s:stderr():find('app.lua:7: template: "missing": ' .. s.app .. "/views/missing.html: "
        .. "No such file or directory", 1, true)
    end)
  end)

  it("are named with their own line where they are wrong", function()
    assert.equal(500, s:get("/mistake").status)
    wait_for(function()
      return s:stderr():find("views/mistake.html:2: undefined variable 'nothing'", 1, true)
    end)
  end)
end)

describe("templates", function()
  local http = require "justhttp"

  it("are read again in development mode", function()
    local s = server.start { files = files, args = { "--dev" } }
    assert.equal("<p>x</p>", s:get("/?name=x").body)
    sys.write_file(s.app .. "/views/page.html", "<b><%= name %></b>")
    assert.equal("<b>x</b>", s:get("/?name=x").body)
    s:stop()
  end)

  it("must have a directory, which the error names with the app's line", function()
    local result = server.run { "check", "-e",
      'local app = require "justhttp".app()\napp:templates "no/such"\nreturn app' }
    assert.equal("justhttp: -e:2: template: there is no directory no/such\n", result.stderr)
    local _, err = pcall(function() http.template { dri = "views" } end)
    assert.matches('^spec/lua/justhttp/views_spec.lua:%d+: template: unknown option "dri"', err)
    _, err = pcall(function() http.template(7) end)
    assert.matches("^spec/lua/justhttp/views_spec.lua:%d+: template: give a directory or", err)
  end)

  it("start at the file that asks for them where there is no server", function()
    local loader = require "justhttp.loader"
    loader.directory = nil
    local dir = server.app_dir {
      ["app.lua"] = 'local views = require "justhttp".template "views"\nreturn views',
      ["views/page.html"] = "<%= name %>",
    }
    assert.equal("here", dofile(dir .. "/app.lua"):render("page", { name = "here" }))
    local engine = http.template(dir .. "/views")
    assert.equal("there", engine:render("page", { name = "there" }))
    assert.equal(engine, http.template(engine))
    sys.remove(dir)
  end)

  it("are missed clearly by an app that has none", function()
    local s = server.start {
      code = 'return function(ctx)\n ctx:render "page"\nend',
    }
    assert.equal(500, s:get("/").status)
    wait_for(function()
      return s:stderr():find("app.lua:2: ctx:render: this app has no templates", 1, true)
    end)
    s:stop()
  end)
end)
