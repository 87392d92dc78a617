-- `justhttp test`: busted inside a worker, where what a spec calls may wait.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:on_start(function() http.sleep(0.001) app.started = (app.started or 0) + 1 end)
app:on_stop(function() io.stderr:write "stopped\n" end)
app:get("/", function() http.sleep(0.001) return "started " .. app.started end)
return app]]

describe("justhttp test", function()
  local dir
  after_each(function() sys.remove(dir) end)

  local function run(files, more)
    files["app.lua"] = files["app.lua"] or APP
    dir = server.app_dir(files)
    local command = { "test", dir }
    for _, argument in ipairs(more or {}) do command[#command + 1] = argument end
    for name, value in pairs(more or {}) do
      if type(name) == "string" then command[name] = value end
    end
    return server.run(command)
  end

  local PASSES = [[
local app, http = require "app", require "justhttp"
describe("app", function()
  it("answers, and its spec may wait", function()
    http.sleep(0.002)
    local task = http.spawn(function() http.sleep(0.001) return "waited" end)
    assert.equal("waited", http.wait(task))
    assert.equal("started 1", assert(app:request { path = "/" }).body)
  end)
end)]]

  it("lets specs wait and send requests, and files share the app", function()
    local result = run { ["spec/a_spec.lua"] = PASSES, ["spec/b_spec.lua"] = PASSES }
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.is_truthy(result.stdout:find("2 successes / 0 failures", 1, true))
    assert.equal("stopped\n", result.stderr)
  end)

  it("lets specs use the client", function()
    local other = server.start { code = 'return function() return "from afar" end' }
    local result = run({ ["spec/a_spec.lua"] = [[
local http = require "justhttp"
it("calls", function() assert.equal("from afar", http.get(os.getenv "OTHER").body) end)]] },
      { env = { OTHER = other.url } })
    assert.equal(0, result.code, result.stdout .. result.stderr)
    other:stop()
  end)

  it("ends with 1 when a spec fails, raises, or is none", function()
    for _, text in ipairs { "it('fails', function() assert.equal(1, 2) end)",
      "it('raises', function() error 'on purpose' end)", "this is no Lua" } do
      local result = run { ["spec/a_spec.lua"] = text }
      assert.equal(1, result.code, result.stdout .. result.stderr)
      sys.remove(dir)
    end
  end)

  it("passes arguments on to busted", function()
    local result = run({ ["spec/a_spec.lua"] = "it('fails', function() error 'x' end)",
      ["other/b_spec.lua"] = PASSES }, { "-o", "TAP", "other" })
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.is_truthy(result.stdout:find("ok 1 - app answers", 1, true))
    sys.remove(dir)
    result = run({ ["spec/a_spec.lua"] = PASSES }, { "--no-such-flag" })
    assert.equal(1, result.code)
    assert.is_truthy(result.stderr:find("no-such-flag", 1, true))
  end)

  it("runs where the app is", function()
    local where = server.app_dir { ["app.lua"] = APP, ["spec/a_spec.lua"] = PASSES }
    local result = server.run { "test", cwd = where }
    assert.equal(0, result.code, result.stdout .. result.stderr)
    sys.remove(where)
  end)

  it("serves one app, and says so", function()
    local result = run { ["spec/a_spec.lua"] = [[
local http = require "justhttp"
it("is alone", function()
  assert(require "app":request { path = "/" })
  assert.has_error(function() http.app():request { path = "/" } end,
    "request: these specs serve another app already; one app per `justhttp test`")
end)]] }
    assert.equal(0, result.code, result.stdout .. result.stderr)
  end)

  it("says what to install when busted is missing", function()
    local result = run({ ["spec/a_spec.lua"] = PASSES }, { env = { LUA_PATH = "./?.lua" } })
    assert.equal(2, result.code)
    assert.is_truthy(result.stderr:find("test needs busted", 1, true), result.stderr)
  end)

  it("wants an app", function()
    local where = sys.temp_dir()
    local result = server.run { "test", cwd = where }
    assert.equal(2, result.code)
    assert.is_truthy(result.stderr:find("has no app.lua", 1, true))
    sys.remove(where)
  end)
end)
