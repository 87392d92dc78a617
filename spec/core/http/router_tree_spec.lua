-- router_tree_spec.lua: the hash table of literals and the nodes they lead to. How routes are
-- chosen is held by router_spec.lua.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/router_tree.h", "base/alloc.h")

local function str(text) return ffi.new("jh_str", { text, #text }) end

describe("router tree", function()
  local tree

  before_each(function()
    tree = ffi.new "jh_router_tree"
    C.jh_router_tree_init(tree)
  end)

  after_each(function() C.jh_router_tree_deinit(tree) end)

  it("finds the literals it was given, under their parents only", function()
    local first, second = C.jh_router_tree_add_root(tree), C.jh_router_tree_add_root(tree)
    local users = C.jh_router_tree_add_literal(tree, first, str "users")
    assert.are_not.equal(0, users)
    assert.are.equal(users, C.jh_router_tree_find_literal(tree, first, str "users"))
    assert.are.equal(users, C.jh_router_tree_add_literal(tree, first, str "users"))
    assert.are.equal(0, C.jh_router_tree_find_literal(tree, second, str "users"))
    assert.are.equal(0, C.jh_router_tree_find_literal(tree, users, str "users"))
    assert.are_not.equal(users, C.jh_router_tree_add_literal(tree, second, str "users"))
  end)

  it("tells texts apart that differ anywhere, at every length", function()
    local root = C.jh_router_tree_add_root(tree)
    local nodes = {}
    for len = 1, 70 do
      local text = ("x"):rep(len)
      nodes[text] = C.jh_router_tree_add_literal(tree, root, str(text))
      for at = 1, len do
        local other = text:sub(1, at - 1) .. "y" .. text:sub(at + 1)
        nodes[other] = C.jh_router_tree_add_literal(tree, root, str(other))
      end
    end
    local seen = {}
    for text, node in pairs(nodes) do
      assert.is_nil(seen[node], text)
      seen[node] = true
      assert.are.equal(node, C.jh_router_tree_find_literal(tree, root, str(text)))
      assert.are.equal(0, C.jh_router_tree_find_literal(tree, root, str(text .. "\0")))
    end
  end)

  it("takes zeros and bytes from 0x80 on for what they are", function()
    local root = C.jh_router_tree_add_root(tree)
    local texts = { "\0", "\0\0", "a", "a\0", "\255", "\255\255", ("\0"):rep(9), ("\0"):rep(17) }
    local nodes = {}
    for n, text in ipairs(texts) do
      nodes[n] = C.jh_router_tree_add_literal(tree, root, str(text))
    end
    for n, text in ipairs(texts) do
      assert.are.equal(nodes[n], C.jh_router_tree_find_literal(tree, root, str(text)))
    end
  end)

  it("keeps at least half of the table free", function()
    local root = C.jh_router_tree_add_root(tree)
    for n = 1, 3000 do
      C.jh_router_tree_add_literal(tree, root, str("route" .. n))
      assert.is_true(tree.edge_count * 2 <= tree.edge_capacity)
    end
    assert.are.equal(3000, tonumber(tree.edge_count))
    for n = 1, 3000 do
      assert.are_not.equal(0, C.jh_router_tree_find_literal(tree, root, str("route" .. n)))
    end
  end)

  it("shares the nodes of a common beginning", function()
    local root = C.jh_router_tree_add_root(tree)
    local function node_of(text)
      local pattern, message = ffi.new "jh_router_pattern", ffi.new "char[100]"
      assert.are.equal(0, C.jh_router_pattern_parse(str(text), pattern, message, 100))
      return C.jh_router_tree_add_pattern(tree, root, pattern)
    end
    local users = node_of "/users/:id"
    assert.are.equal(users, node_of "/users/:name")
    local before = tree.node_count
    assert.are.equal(before, node_of "/users/:id/posts")
    assert.are.equal(before + 1, tree.node_count)
    assert.are_not.equal(node_of "/users", node_of "/users/")
    assert.are_not.equal(node_of "/:a", node_of "/*a")
  end)
end)
