-- The text of server-sent events.
local sse = require "justhttp.sse"

-- What a browser makes of a stream (HTML standard, §9.2.6): a list of events.
local function read(text)
  local events, event, last_id = {}, { data = "" }, ""
  for line in text:gsub("\r\n?", "\n"):gmatch "([^\n]*)\n" do
    local name, value = line:match "^([^:]+):? ?(.*)$"
    if line == "" then
      if event.data ~= "" then
        events[#events + 1] = { event = event.event, data = event.data:sub(1, -2), id = last_id }
      end
      event = { data = "" }
    elseif name == "data" then
      event.data = event.data .. value .. "\n"
    elseif name == "id" then
      last_id = value
    elseif name == "event" then
      event.event = value
    end
  end
  return events
end

describe("sse.event", function()
  it("takes text, or a table of fields", function()
    assert.equal("data: hi\n\n", sse.event "hi")
    assert.equal("event: tick\nid: 7\nretry: 1500\ndata: x\n\n",
      sse.event { event = "tick", id = 7, retry = 1500, data = "x" })
    assert.equal("retry: 0\n\n", sse.event { retry = 0 })
    assert.equal("data: 5\n\n", sse.event { data = 5 })
    assert.equal("\n", sse.event {})
  end)

  it("writes tables as JSON", function()
    assert.equal('data: {"a":"x\\ny"}\n\n', sse.event { data = { a = "x\ny" } })
  end)

  it("keeps lines of data together, whatever ends them", function()
    for _, text in ipairs { "a\nb", "a\r\nb", "a\rb" } do
      assert.equal("data: a\ndata: b\n\n", sse.event(text))
    end
    for _, text in ipairs { "", "\n", "a\n", "\na", "a\n\nb", " a", "a: b", "id: 5\nevent: x" } do
      local events = read(sse.event(text))
      assert.equal(text, events[1].data)
      assert.equal("", events[1].id)
      assert.is_nil(events[1].event)
      assert.is_nil(events[2])
    end
  end)

  it("lets data begin no event of its own", function()
    local events = read(sse.event "x\n\nevent: evil\rid: 1\r\n\r\ndata: y")
    assert.equal(1, #events)
    assert.equal("x\n\nevent: evil\nid: 1\n\ndata: y", events[1].data)
  end)

  it("refuses names and ids that are not one line, blaming the caller", function()
    for _, bad in ipairs { "a\nb", "a\rb", "a\0b", "\n" } do
      for _, name in ipairs { "id", "event" } do
        local ok, err = pcall(function() return (sse.event { [name] = bad, data = "x" }) end)
        assert.is_false(ok)
        assert.matches("sse_spec.lua:%d+: sse: the " .. name .. " must be one line", err)
      end
    end
  end)

  it("refuses what it cannot write, blaming the caller", function()
    local function blames(event, pattern)
      local ok, err = pcall(function() return (sse.event(event)) end)
      assert.is_false(ok)
      assert.matches("sse_spec.lua:%d+: sse: " .. pattern, err)
    end
    blames(nil, "give a string or a table, got a nil")
    blames({ data = print }, "the data must be a string or a table, got a function")
    blames({ data = { print } }, "the data: at %[1%]: a function has no JSON form")
    blames({ id = {} }, "the id must be a string")
    blames({ type = "x" }, 'unknown field "type"')
    for _, retry in ipairs { -1, 1.5, 0 / 0, math.huge, "5" } do
      blames({ retry = retry }, "retry is a whole number of milliseconds")
    end
  end)

  it("blames who it is told to", function()
    local function send(event) local _ = sse.event(event, 3) end
    local ok, err = pcall(function()
      send { id = "\n" }
    end)
    local line = debug.getinfo(1, "l").currentline - 2
    assert.is_false(ok)
    assert.matches(":" .. line .. ": sse: the id", err)
  end)
end)

describe("sse.comment", function()
  it("is nothing to a client, whatever is in it", function()
    assert.equal(":\n\n", sse.comment())
    assert.equal(": ping\n\n", sse.comment "ping")
    assert.equal(": a\n:data: b\n:\n:c\n\n", sse.comment "a\ndata: b\r\n\rc")
    assert.same({}, read(sse.comment "a\n\ndata: b\n\n"))
    assert.has_error(function() sse.comment(5) end, nil)
  end)
end)
