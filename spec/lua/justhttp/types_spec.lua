-- What editors are told about the ctx must be what there is.
local context = require "justhttp.context"
local tree = require "spec.support.tree"

describe("types.lua", function()
  local text = tree.text "lua/justhttp/types.lua"

  it("declares only methods that exist, and all of them", function()
    local declared = {}
    for name in text:gmatch "\nfunction ctx:([%w_]+)" do
      declared[name] = true
      assert.is_function(context.methods[name], "ctx:" .. name .. " is declared but missing")
    end
    for name in pairs(context.methods) do
      if name:sub(1, 1) ~= "_" then
        assert.is_true(declared[name] or false, "ctx:" .. name .. " is not declared")
      end
    end
  end)

  it("declares only fields that exist, and all of them", function()
    local declared = {}
    local class = text:match "%-%-%-@class justhttp.ctx\n(.-)\nlocal ctx"
    for name in class:gmatch "%-%-%-@field ([%w_]+)" do
      declared[name] = true
      assert.is_function(context.getters[name], "ctx." .. name .. " is declared but missing")
    end
    for name, getter in pairs(context.getters) do
      local is_declared = declared[name] or not getter
      assert.is_true(is_declared, "ctx." .. name .. " is not declared")
    end
  end)
end)
