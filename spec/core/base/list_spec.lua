-- list_spec.lua: nodes keep their order, and can be taken out from anywhere, even twice.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "base/list.h"

describe("list", function()
  local list, nodes

  --- The nodes in the list as "123", checked in both directions.
  local function order()
    local forward, backward = "", ""
    local function name(node)
      for i = 1, 3 do
        if node == nodes + i then return tostring(i) end
      end
    end
    local node = list.next
    while node ~= list do
      forward, node = forward .. name(node), node.next
    end
    node = list.prev
    while node ~= list do
      backward, node = name(node) .. backward, node.prev
    end
    assert.are.equal(forward, backward)
    return forward
  end

  local storage
  before_each(function()
    storage = ffi.new("jh_list[4]")
    nodes = storage + 0
    list = nodes + 0
    for i = 0, 3 do C.jh_list_init(nodes + i) end
  end)

  it("is empty at first", function()
    assert.is_true(C.jh_list_is_empty(list))
    assert.are.equal("", order())
  end)

  it("keeps the order of appending", function()
    for i = 1, 3 do C.jh_list_append(list, nodes + i) end
    assert.is_false(C.jh_list_is_empty(list))
    assert.are.equal("123", order())
  end)

  it("removes first, middle and last", function()
    for taken, left in pairs { [1] = "23", [2] = "13", [3] = "12" } do
      C.jh_list_init(list)
      for i = 1, 3 do C.jh_list_append(list, nodes + i) end
      C.jh_list_remove(nodes + taken)
      assert.are.equal(left, order())
    end
  end)

  it("lets a node be removed twice, and appended again", function()
    for i = 1, 3 do C.jh_list_append(list, nodes + i) end
    C.jh_list_remove(nodes + 1)
    C.jh_list_remove(nodes + 2)
    C.jh_list_remove(nodes + 1) -- must not bring its old neighbour back
    assert.are.equal("3", order())
    C.jh_list_append(list, nodes + 1)
    assert.are.equal("31", order())
  end)

  it("is empty when the last node is gone", function()
    C.jh_list_append(list, nodes + 1)
    C.jh_list_remove(nodes + 1)
    assert.is_true(C.jh_list_is_empty(list))
  end)
end)
