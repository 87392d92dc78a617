-- event_queue_spec.lua: events leave in the order they came, each once, and not after a stop.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "base/event_queue.h"

describe("event_queue", function()
  local queue, nodes

  before_each(function()
    queue, nodes = ffi.new("jh_event_queue"), ffi.new("jh_event_node[4]")
    for i = 0, 3 do nodes[i].event.id = i end
  end)

  local function push(...)
    for _, i in ipairs { ... } do C.jh_event_queue_push(queue, nodes + i) end
  end

  --- Empties the queue; the ids that came out as "012".
  local function drain()
    local ids = ""
    while true do
      local node = C.jh_event_queue_pop(queue)
      if node == nil then return ids end
      assert.is_false(node.is_queued)
      ids = ids .. node.event.id
    end
  end

  it("is empty when zeroed", function()
    assert.are.equal("", drain())
  end)

  it("keeps the order", function()
    push(2, 0, 1)
    assert.are.equal("201", drain())
    assert.are.equal("", drain())
  end)

  it("is usable again after it was emptied", function()
    push(0)
    drain()
    push(1, 0)
    assert.are.equal("10", drain())
  end)

  it("takes what is pushed while it is drained", function()
    push(0, 1)
    assert.are.equal(0, C.jh_event_queue_pop(queue).event.id)
    push(0, 2)
    assert.are.equal("102", drain())
  end)

  it("leaves a queued node where it is when it is pushed again", function()
    push(0, 1, 0, 1, 2)
    assert.are.equal("012", drain())
  end)

  it("passes over stopped nodes wherever they are", function()
    for _, stopped in ipairs { 0, 1, 2 } do
      push(0, 1, 2)
      nodes[stopped].is_stopped = true
      assert.are.equal((("012"):gsub(stopped, "")), drain())
      assert.is_false(nodes[stopped].is_queued)
    end
  end)

  it("is empty when all nodes were stopped", function()
    push(0, 1)
    nodes[0].is_stopped, nodes[1].is_stopped = true, true
    assert.are.equal("", drain())
    push(3)
    assert.are.equal("3", drain())
  end)

  it("takes back the stop of a node that is pushed again", function()
    push(0, 1)
    nodes[0].is_stopped = true
    push(0)
    assert.are.equal("01", drain())
    nodes[2].is_stopped = true
    push(2)
    assert.are.equal("2", drain())
  end)
end)
