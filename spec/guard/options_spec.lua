-- options_spec.lua: README shows the options as the core's table has them.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("README", function()
  it("has the table that `justhttp options --markdown` prints", function()
    local readme = sys.read_file("README.md")
    if not readme then return pending("there is no README.md yet") end
    local result = server.run { "options", "--markdown" }
    assert.are.equal(0, result.code)
    for line in result.stdout:gmatch("[^\n]+") do
      assert(readme:find(line, 1, true), "README.md lacks this row of the options table:\n" .. line)
    end
    assert(readme:find(result.stdout, 1, true),
      "README.md has every line of the options table, but in another order or with others between")
  end)
end)
