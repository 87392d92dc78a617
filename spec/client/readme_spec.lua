-- readme_spec.lua: the examples of README's section about the client do what they say.
local caller = require "spec.support.caller"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local ORIGIN = [[
local http = require "justhttp"
local app = http.app()
app:get("/", function() return { hello = "world" } end)
app:get("/a", function() return "this is a" end)
app:post("/b", function(ctx) return { got = ctx:json().n } end)
app:get("/large", function() return ("x"):rep(5000000) end)
return app
]]

describe("README's examples of the client", function()
  local origin, examples

  setup(function()
    origin = server.start { code = ORIGIN }
    local section = sys.read_file("README.md"):match "\n## HTTP client\n(.-)\n## "
      or sys.read_file("README.md"):match "\n## HTTP client\n(.*)"
    examples = {}
    for text in section:gmatch "```lua\n(.-)```" do
      examples[#examples + 1] = text:gsub("https://example.com", origin.url)
    end
  end)
  teardown(function() origin:stop() end)

  it("get and read JSON", function()
    local c = caller.start()
    assert.are.same({ 200, { hello = "world" } }, { c:run(examples[1]) })
    origin:signal(sys.SIGSTOP, origin:workers()[1])
    local status, err = c:run((examples[1]:gsub("timeout = 5", "timeout = 0.1")))
    origin:signal(sys.SIGCONT, origin:workers()[1])
    assert.are.equal(502, status)
    assert.truthy(err:find("GET " .. origin.url, 1, true))
    c:stop()
  end)

  it("run beside each other, and pass large bodies through", function()
    local s = server.start { code = ('local http = require "justhttp"\nlocal app = http.app()\n'
      .. "%s\nreturn app"):format(examples[2]) }
    assert.are.equal('{"a":"this is a","b":{"got":1}}', (s:get("/both").body:gsub(
      '^{"b":(.*),"a":"this is a"}$', '{"a":"this is a","b":%1}')))
    assert.are.equal(5000000, #s:get("/mirror").body)
    s:stop()
  end)
end)
