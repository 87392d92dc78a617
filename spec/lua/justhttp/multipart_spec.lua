-- Forms with files as handlers get them; how they come over real connections is in
-- spec/http/upload_parts_spec.lua.
local alloc = require "spec.support.alloc"
local worker = require "spec.support.worker"

describe("a form with files", function()
  local w, handler

  setup(function()
    w = worker.new(function(app, http)
      app:post("/", http.middleware.limits { body = "4m" }, function(ctx) return handler(ctx) end)
    end)
  end)
  teardown(function() w:close() end)

  local function read(parts, fn)
    local result
    handler = function(ctx)
      result = fn(ctx)
      return "ok"
    end
    local response = w:request { method = "POST", multipart = parts }
    assert.equal("ok", response.body, w.log[#w.log])
    return result
  end

  local function fault_of(fn)
    handler = fn
    local parts = { { name = "a", content = "1" }, { name = "b", content = "2" } }
    assert.equal(500, w:request({ method = "POST", multipart = parts }).status)
    return w.log[#w.log]
  end

  local long = ("0123456789"):rep(30000)

  it("has its parts", function()
    local got = read({
      { name = 'a"b', content = "1" },
      { name = "f", filename = "../x y.txt", type = "text/plain", content = long },
    }, function(ctx)
      local list = {}
      for part in ctx:parts() do
        list[#list + 1] = { part.name, part.filename or false, part.raw_filename or false,
                            part.type or false, part:read() == long, part:read() or false }
      end
      return list
    end)
    assert.same({ { 'a"b', false, false, false, false, false },
                  { "f", "x y.txt", "../x y.txt", "text/plain", true, false } }, got)
  end)

  it("has the headers of a part while it is there", function()
    local sent = { { name = "a", type = "text/x", content = "" }, { name = "b", content = "" } }
    local got = read(sent, function(ctx)
      local parts, headers = {}, {}
      for part in ctx:parts() do
        parts[#parts + 1] = part
        if part.name == "a" then headers = part.headers end
      end
      return { headers["content-TYPE"], headers["Content-Disposition"], headers.none or "none",
               parts[1].headers == headers, parts[2].headers or "gone" }
    end)
    assert.same({ "text/x", 'form-data; name="a"', "none", true, "gone" }, got)
  end)

  it("has fields and files, and both at once", function()
    local parts = {
      { name = "a", content = "1" }, { name = "f", filename = "x", content = long },
      { name = "a", content = "2" }, { name = "f", filename = "y", content = "small" },
    }
    local got = read(parts, function(ctx)
      local files = ctx:files()
      local fields, err, all = ctx:form()
      assert(files == ctx:files() and fields == ctx:form())
      return { fields, err or false, all, #files.f, files.f[1]:read() == long, files.f[2]:read() }
    end)
    assert.same({ { a = "1" }, false, { a = { "1", "2" } }, 2, true, "small" }, got)
  end)

  it("keeps files in memory up to a size, as far as there is memory", function()
    local parts = {}
    for i = 1, 4 do parts[i] = { name = "f", filename = "x", content = ("x"):rep(1000) } end
    local function kinds(options)
      return read(parts, function(ctx)
        local list = {}
        for i, file in ipairs(ctx:files(options).f) do
          list[i] = file._spool and "disk" or "memory"
        end
        return table.concat(list, " ")
      end)
    end
    assert.equal("memory memory memory memory", kinds())
    assert.equal("memory memory memory memory", kinds { spool_above = 1000 })
    assert.equal("disk disk disk disk", kinds { spool_above = 999 })
    assert.equal("memory memory disk disk", kinds { memory = "2k" })
  end)

  it("says how it must be used", function()
    assert.matches("this part is over", fault_of(function(ctx)
      local parts = {}
      for part in ctx:parts() do parts[#parts + 1] = part end
      parts[1]:read()
    end))
    assert.matches("part:read: give a number of bytes", fault_of(function(ctx)
      for part in ctx:parts() do part:read(0) end
    end))
    assert.matches("part:save: the path must be a string", fault_of(function(ctx)
      for part in ctx:parts() do part:save "a\0b" end
    end))
    assert.matches("ctx:parts: the parts of this request were asked for before",
      fault_of(function(ctx)
        ctx:form()
        ctx:parts()
      end))
    assert.matches('ctx:parts: unknown option "size"', fault_of(function(ctx)
      ctx:parts { size = 1 }
    end))
    assert.matches("ctx:parts: file: give a number of bytes or text",
      fault_of(function(ctx) ctx:parts { file = "big" } end))
    assert.matches("ctx:parts: give a table of limits", fault_of(function(ctx) ctx:parts(5) end))
  end)

  it("survives running out of memory", function()
    local parts = { { name = "a", content = "1" }, { name = "f", filename = "x", content = long } }
    local statuses = {}
    handler = function(ctx) return tostring(#ctx:files().f) end
    alloc.fail_each(function()
      local ok, response = pcall(w.request, w, { method = "POST", multipart = parts })
      if ok then statuses[response.status] = true end
    end)
    assert.is_true(statuses[200] and statuses[503])
    assert.equal("1", w:request({ method = "POST", multipart = parts }).body)
  end)

  it("is over with its ctx", function()
    local kept
    read({ { name = "a", content = "1" } }, function(ctx)
      kept = ctx:parts()()
    end)
    assert.error_matches(function() kept:read() end, "used after its response was sent")
  end)
end)
