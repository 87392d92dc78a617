-- HTML templates: rendering, includes, layouts, errors, streaming, reloading.
local jit_support = require "spec.support.jit"
local sys = require "spec.support.sys"
local template = require "justhttp.template"

-- An engine over templates given as a table of name -> text.
local function engine_of(files, options)
  options = options or {}
  options.dir = "views"
  options.read = function(path)
    local text = files[path:match("^views/(.*)%.html$") or path]
    if text then return text end
    return nil, "No such file or directory"
  end
  return template.new(options)
end

local function render(text, values, options)
  return engine_of({ page = text }, options):render("page", values)
end

local function failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

local function render_failure(text, values) return failure(render, text, values) end

describe("a template", function()
  it("writes its text, and values escaped", function()
    assert.equal("<p title=\"&quot;\">a &lt;b&gt; &amp; &#39;c&#39;</p>\n",
      render("<p title=\"<%= q %>\"><%= text %></p>\n", { q = '"', text = "a <b> & 'c'" }))
  end)

  it("writes raw values as they are", function()
    assert.equal("<b>&lt;", render("<%- a %><%= b %>", { a = "<b>", b = "<" }))
  end)

  it("runs Lua, with locals and loops", function()
    assert.equal("1:a 2:b ", render("<% for i, v in ipairs(list) do %><%= i %>:<%= v %> <% end %>",
      { list = { "a", "b" } }))
    assert.equal("even", render(
      "<% local n = 4 %><% if n % 2 == 0 then %>even<% else %>odd<% end %>"))
  end)

  it("takes Lua comments, in code and in expressions", function()
    assert.equal("xay", render("x<% -- note %><%= 'a' -- note %>y"))
    assert.equal("x--y", render("x<%= '--' %>y"))
    assert.equal("x]]y", render("x<% local a = [==[--]==] -- b %><%= ']]' %>y"))
  end)

  it("leaves comments out, and writes <% for <%%", function()
    assert.equal("ab <% c", render("a<%# <%= nothing %>b <%% c"))
  end)

  it("drops the end of the line behind -%>", function()
    assert.equal("a\nb\n", render("a\n<% local x = 1 -%>\nb\n"))
    assert.equal("ab", render("a<%= '' -%>  \r\nb"))
    assert.equal("a  b", render("a<%= '' -%>  b"))
  end)

  it("writes every byte of its text", function()
    local all = {}
    for value = 0, 255 do all[#all + 1] = string.char(value) end
    local text = table.concat(all):gsub("<", "") .. "\r\n\\n]]--\"'"
    assert.equal(text, render(text))
    assert.equal("", render(""))
  end)

  it("skips a byte order mark", function()
    assert.equal("a", render("\239\187\191a"))
  end)

  it("writes nil and JSON's null as nothing, booleans and numbers as Lua does", function()
    assert.equal("||false|1.5|-3", render(
      "<%= values.a %>|<%= null %>|<%= no %>|<%= n %>|<%= -3 %>",
      { null = require "justhttp.json".null, no = false, n = 1.5 }))
  end)

  it("writes objects that have a text", function()
    local object = setmetatable({}, { __tostring = function() return "<o>" end })
    assert.equal("&lt;o&gt;", render("<%= o %>", { o = object }))
  end)

  it("takes the first of several results", function()
    assert.equal("b", render("<%= ('a'):gsub('a', 'b') %>"))
  end)

  it("may stop early", function()
    assert.equal("a", render("a<% if true then %><% return %><% end %>b"))
  end)

  it("has more literals and values than one call takes", function()
    local text = ("<i><%= n %></i>"):rep(500)
    assert.equal(("<i>7</i>"):rep(500), render(text, { n = 7 }))
  end)
end)

describe("names in a template", function()
  it("are values, then helpers, then Lua's globals", function()
    local options = { helpers = { a = "helper", b = "helper" } }
    assert.equal("value helper 3", render("<%= a %> <%= b %> <%= math.max(1, 3) %>",
      { a = "value" }, options))
  end)

  it("raise when they are nowhere, naming themselves and the line", function()
    assert.matches("^views/page.html:2: undefined variable 'usr': did you mean 'user'%?",
      render_failure("\n<%= usr.name %>", { user = {} }))
    assert.matches("undefined variable 'other': give it", render_failure("<%= other %>", { a = 1 }))
  end)

  it("may be absent as values.name", function()
    assert.equal("no", render("<% if values.error then %>yes<% else %>no<% end %>"))
  end)

  it("do not find Lua's error, which is a value more often", function()
    assert.matches("undefined variable 'error'", render_failure("<% if error then %>x<% end %>"))
    assert.equal("bad", render("<%= error %>", { error = "bad" }))
  end)

  it("cannot be made without local", function()
    assert.matches("page.html:1: assignment to undefined variable 'x': write local x",
      render_failure("<% x = 1 %>"))
  end)

  it("respect the metatable of the values", function()
    local values = setmetatable({}, { __index = function(_, name) return name .. "!" end })
    assert.equal("a!", render("<%= a %>", values))
  end)

  it("include JSON and URL escaping", function()
    assert.equal('<script>x = {"a":"\\u003c/script\\u003e"}</script><a href="?q=a%26b">',
      render('<script>x = <%= json(v) %></script><a href="?q=<%= url_escape(q) %>">',
        { v = { a = "</script>" }, q = "a&b" }))
  end)
end)

describe("include", function()
  it("writes another template, with the values given or the same ones", function()
    local engine = engine_of {
      page = '<% include "row" %>,<% include("row", { name = "<c>" }) %>', row = "<%= name %>",
    }
    assert.equal("b,&lt;c&gt;", engine:render("page", { name = "b" }))
  end)

  it("shows an included template the given values only", function()
    local engine = engine_of { page = '<% include("row", {}) %>', row = "<%= name %>" }
    assert.matches("views/row.html:1: undefined variable 'name'",
      failure(engine.render, engine, "page", { name = "b" }))
  end)

  it("works inside Lua, and for trees", function()
    local engine = engine_of {
      page = '<%= name %>(<% for _, one in ipairs(items) do include("page", one) end %>)',
    }
    assert.equal("a(b()c(d()))", engine:render("page", { name = "a", items = {
      { name = "b", items = {} }, { name = "c", items = { { name = "d", items = {} } } },
    } }))
  end)

  it("names the line that includes what is not there", function()
    local engine = engine_of { page = '\n\n<% include "nope" %>' }
    assert.matches('^views/page.html:3: template: "nope": views/nope.html: No such file',
      failure(engine.render, engine, "page"))
  end)

  it("refuses values that are no table, and endless nesting", function()
    local engine = engine_of { page = '<% include("page", 5) %>', loop = '<% include "loop" %>' }
    assert.matches("page.html:1: include: the values are a table, got a number",
      failure(engine.render, engine, "page"))
    assert.matches('loop.html:1: include: "loop" is included 101 deep',
      failure(engine.render, engine, "loop"))
  end)
end)

describe("a layout", function()
  local files = {
    layout = "[<% block \"title\" %>Shop<% endblock %>|<% block \"content\" %>none<% endblock %>]",
    page = '<% layout "layout" %>\n<% fill "title" %>T <%= name %><% endfill %>\nHi <%= name %>',
    plain = '<% layout "layout" %>\nHi',
    full = '<% layout "layout" %>\n<% fill "content" %>C<% endfill %>\n',
    middle = '<% layout "layout" %>\n<% fill "title" %>M <% block "title" %>?<% endblock %>'
      .. '<% endfill %>\n(<% block "content" %><% endblock %>/'
      .. '<% block "side" %>side<% endblock %>)',
    inner = '<% layout "middle" %>\n<% fill "side" %>S<% endfill %>\nI',
    titled = '<% layout "middle" %>\n<% fill "title" %>P<% endfill %>\nI',
  }

  it("gets the page's fills and content where its blocks are", function()
    assert.equal("[T &lt;|Hi &lt;]", engine_of(files):render("page", { name = "<" }))
  end)

  it("keeps the default of a block that is not filled", function()
    assert.equal("[Shop|Hi]", engine_of(files):render "plain")
    assert.equal("[Shop|none]", engine_of(files):render "layout")
  end)

  it("takes content as a fill of that name too", function()
    assert.equal("[Shop|C]", engine_of(files):render "full")
  end)

  it("may have a layout itself; the innermost fill counts", function()
    assert.equal("[M ?|(I/S)]", engine_of(files):render "inner")
    assert.equal("[P|(I/side)]", engine_of(files):render "titled")
  end)

  it("can wrap an included template", function()
    local engine = engine_of {
      outer = "{<% block \"content\" %><% endblock %>}",
      page = '<% layout "outer" %>a<% include("box", { n = 1 }) %>b<% block "x" %>d<% endblock %>',
      box = '<% layout "frame" %><%= n %>', frame = "(<% block \"content\" %><% endblock %>)",
    }
    assert.equal("{a(1)bd}", engine:render "page")
  end)

  it("takes blocks in templates it includes", function()
    local engine = engine_of {
      base = '<% include "head" %><% block "content" %><% endblock %>',
      head = '<title><% block "title" %>-<% endblock %></title>',
      page = '<% layout "base" %><% fill "title" %>T<% endfill %>c',
    }
    assert.equal("<title>T</title>c", engine:render "page")
  end)

  it("that is missing, or goes in a circle, is named with the line", function()
    local engine = engine_of { page = '\n<% layout "nope" %>', loop = '<% layout "loop" %>' }
    assert.matches('^views/page.html:2: template: "nope": views/nope.html: No such',
      failure(engine.render, engine, "page"))
    assert.matches("^views/loop.html:1: layouts go round in a circle",
      failure(engine.render, engine, "loop"))
  end)
end)

describe("an error in a template", function()
  it("names file and line when it happens", function()
    assert.matches("^views/page.html:4: attempt to index",
      render_failure("<p>\n<%= a %>\ntext\n<%= user.address.city %>\n", { a = 1, user = {} }))
  end)

  it("names file and line in fills and behind trimmed lines", function()
    local engine = engine_of {
      layout = '<% block "a" %><% endblock %>',
      page = '<% layout "layout" -%>\n<% local x = 1 -%>\n<%# c -%>\n<% fill "a" %>\n\n'
        .. "<%= b.c %><% endfill %>",
    }
    assert.matches("^views/page.html:6: undefined variable 'b'",
      failure(engine.render, engine, "page"))
  end)

  it("names what has no text", function()
    assert.matches("^views/page.html:3: a table has no text", render_failure("\n\n<%= values %>"))
    assert.matches("^views/page.html:1: a function has no text", render_failure("<%- print %>"))
  end)

  it("names what cannot be JSON", function()
    assert.matches("^views/page.html:2: json: at a.b: a function has no JSON form",
      render_failure("\n<%= json(v) %>", { v = { a = { b = print } } }))
  end)

  it("leaves the engine able to go on", function()
    local engine = engine_of { page = "<p><%= n + 1 %></p>" }
    assert.has_error(function() engine:render("page", { n = {} }) end)
    assert.equal("<p>2</p>", engine:render("page", { n = 1 }))
  end)

  it("that is the caller's blames the caller", function()
    local engine = engine_of {}
    local function blames(pattern, fn)
      assert.matches("template_spec.lua:%d+: " .. pattern, failure(fn))
    end
    blames('template: "x": views/x.html: No such file', function() local _ = engine:render "x" end)
    blames("template: the name is a string", function() local _ = engine:render(5) end)
    blames("template: the values are a table", function()
      local _ = engine_of({ p = "" }):render("p", 5)
    end)
    for _, name in ipairs { "", "/etc/passwd", "../x", "a/../b", "a\0b", "a\\b" } do
      blames('template: ".*" is no name', function() local _ = engine:render(name) end)
    end
    blames('template: unknown option "path"', function() local _ = template.new { path = "" } end)
    blames("template: reload must be a boolean", function()
      local _ = template.new { reload = 1 }
    end)
    blames("template: give a directory or options", function() local _ = template.new(nil) end)
    blames("template: render_to wants a function", function() engine:render_to({}, "x") end)
  end)
end)

describe("render_to", function()
  local files = {
    long = "<% for i = 1, n do %><p>number <%= i %></p>\n<% end %>",
    short = "short",
    layout = "head<% block \"content\" %><% endblock %>",
    page = '<% layout "layout" %><% for i = 1, n do %><p>number <%= i %></p>\n<% end %>',
  }

  it("writes the same as render, in pieces", function()
    local engine = engine_of(files)
    for _, name in ipairs { "long", "short", "page" } do
      local pieces = {}
      assert.is_true(engine:render_to(function(piece) pieces[#pieces + 1] = piece end, name,
        { n = 5000 }))
      assert.equal(engine:render(name, { n = 5000 }), table.concat(pieces))
      for i, piece in ipairs(pieces) do
        assert.is_true(#piece < template.PIECE_BYTES + 100)
        assert.is_true(i == #pieces or #piece >= template.PIECE_BYTES)
      end
      assert.is_true(name == "short" or #pieces > 5)
    end
  end)

  it("lets write wait, with other renders in between", function()
    local engine = engine_of(files)
    local function writer(into)
      return function(piece)
        into[#into + 1] = piece
        coroutine.yield()
      end
    end
    local texts, tasks = {}, {}
    for i = 1, 3 do
      texts[i] = {}
      tasks[i] = coroutine.create(function()
        assert(engine:render_to(writer(texts[i]), "page", { n = 2000 * i }))
      end)
    end
    local is_busy = true
    while is_busy do
      is_busy = false
      for i = 1, 3 do
        if coroutine.status(tasks[i]) ~= "dead" then
          assert(coroutine.resume(tasks[i]))
          is_busy = true
        end
      end
    end
    for i = 1, 3 do
      assert.equal(engine:render("page", { n = 2000 * i }), table.concat(texts[i]))
    end
  end)

  it("stops where write fails, and says why", function()
    local count = 0
    local ok, err = engine_of(files):render_to(function()
      count = count + 1
      return nil, "closed"
    end, "long", { n = 5000 })
    assert.is_nil(ok)
    assert.equal("closed", err)
    assert.equal(1, count)
  end)

  it("raises what the template raises, as it is", function()
    local engine = engine_of { page = "\n<%= nope %>", thrown = "<% throw() %>" }
    assert.matches("^views/page.html:2: undefined variable 'nope'",
      failure(engine.render_to, engine, function() end, "page"))
    local object = {}
    assert.equal(object, failure(engine.render_to, engine, function() end, "thrown",
      { throw = function() error(object) end }))
  end)
end)

describe("an engine", function()
  it("reads from its directory, with the extension left out or given", function()
    local dir = sys.temp_dir()
    os.execute("mkdir " .. dir .. "/users")
    sys.write_file(dir .. "/users/list.html", "list <%= n %>")
    sys.write_file(dir .. "/mail.txt", "mail")
    local engine = template.new(dir)
    assert.equal("list 1", engine:render("users/list", { n = 1 }))
    assert.equal("list 2", engine:render("users/list.html", { n = 2 }))
    assert.equal("mail", engine:render "mail.txt")
    local err = failure(engine.render, engine, "users")
    assert.matches("No such file or directory", err)
    sys.remove(dir)
  end)

  it("compiles once", function()
    local reads = 0
    local engine = template.new { read = function()
      reads = reads + 1
      return "x"
    end }
    for _ = 1, 3 do engine:render "page" end
    assert.equal(1, reads)
  end)

  it("loads ahead of time, with the layouts", function()
    local files = { page = '<% layout "base" %>', base = "<% if %>" }
    local engine = engine_of(files)
    assert.matches("^views/base.html:1:", failure(engine.load, engine, "page"))
    files.base = "x"
    engine:load "page"
    files.page, files.base = nil, nil
    assert.equal("x", engine:render "page")
  end)

  it("keeps what it has when files change, without reload", function()
    local files = { page = "1" }
    local engine = engine_of(files)
    engine:render "page"
    files.page = "2"
    assert.equal("1", engine:render "page")
  end)

  it("sees changed pages, layouts and includes with reload", function()
    local files = {
      page = '<% layout "base" %>1<% include "part" %>',
      base = "[<% block \"content\" %><% endblock %>]", part = "a",
    }
    local engine = engine_of(files, { reload = true })
    assert.equal("[1a]", engine:render "page")
    files.part = "b"
    assert.equal("[1b]", engine:render "page")
    files.base = "(<% block \"content\" %><% endblock %>)"
    assert.equal("(1b)", engine:render "page")
    files.page = '<% layout "other" %>2'
    files.other = "other"
    assert.equal("other", engine:render "page")
    files.page = nil
    assert.matches("No such file", failure(engine.render, engine, "page"))
    files.page = "3"
    assert.equal("3", engine:render "page")
  end)

  it("asks `modified` instead of reading again", function()
    local files, reads, times = { page = "1" }, 0, { ["views/page.html"] = 1 }
    local engine = template.new {
      reload = true,
      read = function() reads = reads + 1 return files.page end,
      modified = function(path) return times[path] end,
    }
    engine:render "page"
    files.page = "2"
    assert.equal("1", engine:render "page")
    assert.equal(1, reads)
    times["views/page.html"] = 2
    assert.equal("2", engine:render "page")
  end)

  it("holds no values of past renders", function()
    local engine = engine_of { page = "<%= v.text %><% include(\"part\", { v = v }) %>", part = "" }
    local seen = setmetatable({}, { __mode = "k" })
    local value = { text = "x" }
    seen[value] = true
    engine:render("page", { v = value })
    value = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(seen))
  end)

  it("renders in compiled code", function()
    local engine = engine_of {
      page = "<% for i, user in ipairs(users) do %><td><%= user %></td>"
        .. "<% include(\"row\", { n = i }) %><% end %>",
      row = "<b><%= n %></b>",
    }
    local users = {}
    for i = 1, 200 do users[i] = "user " .. i end
    local values = { users = users }
    jit_support.assert_compiles(function(n)
      for _ = 1, n do engine:render("page", values) end
    end, { iterations = 50, warm = function() engine:render("page", values) end })
  end)
end)
