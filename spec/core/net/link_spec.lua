-- link_spec.lua: links over real sockets: what opens, what does not and why, bytes both ways, and
-- how seldom epoll is asked.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
local listener = require "spec.support.listener"
local sys = require "spec.support.sys"
require "spec.support.uv"
local C = core.load("justhttp.h", "net/link.h", "server/generation.h")

jit.off(true, true)

local READABLE, WRITABLE, EAGAIN = 1, 2, -11
local ECONNREFUSED, ENOENT = -111, -2

local events = {} -- "open 0", "readable", "writable"
local hooks = {}
local owner = ffi.new("jh_link_owner", {
  on_open = function(link, code)
    events[#events + 1] = "open " .. code
    if hooks.open then hooks.open(link, code) end
  end,
  on_readable = function(link)
    events[#events + 1] = "readable"
    if hooks.readable then hooks.readable(link) end
  end,
  on_writable = function(link)
    events[#events + 1] = "writable"
    if hooks.writable then hooks.writable(link) end
  end,
})

describe("a link", function()
  local generation, loop, l, addresses

  before_each(function()
    generation = C.jh_standalone_open()
    loop = C.jh_generation_loop(generation)
    events, hooks, addresses = {}, {}, {}
    l = listener.tcp()
  end)

  after_each(function()
    C.jh_standalone_close(generation)
    l:close()
  end)

  local function str(text)
    addresses[#addresses + 1] = text
    local out = ffi.new "jh_str"
    out.ptr, out.len = text, #text
    return out
  end

  local function new() return C.jh_link_new(loop, owner, nil) end

  local function dial(host, port, timeout_ms, more)
    local link = new()
    local to = ffi.new("jh_link_address", more or {})
    to.host, to.port, to.connect_timeout_ms = str(host), port or 0, timeout_ms or 0
    assert.are.equal(0, C.jh_link_dial(link, to))
    assert.are.same({}, events)
    return link
  end

  local function turn_until(condition, seconds)
    local deadline = sys.deadline(seconds)
    repeat
      C.jh_standalone_turn(generation, false)
      if condition() then return end
    until sys.now() > deadline
    error("it never comes true: " .. table.concat(events, ", "), 2)
  end

  local function opened(link) return function() return events[1] ~= nil and link end end
  local function reason(link) return ffi.string(C.jh_link_reason(link)) end

  local function open(host, port)
    local link = dial(host or "127.0.0.1", port or l.port)
    turn_until(opened(link))
    assert.are.same({ "open 0" }, events)
    events = {}
    return link, l:accept()
  end

  local function fails(link, code, text)
    turn_until(opened(link))
    assert.are.same({ "open " .. tonumber(code) }, events)
    assert.are.equal(text, reason(link))
    C.jh_link_close(link)
  end

  local out = ffi.new "char[65536]"
  local function read(link, bytes)
    local count = tonumber(C.jh_link_read(link, out, bytes or 65536))
    return count >= 0 and ffi.string(out, count) or count
  end

  local function write(link, ...)
    local parts = ffi.new("struct iovec[?]", select("#", ...))
    for i = 1, select("#", ...) do
      local text = select(i, ...)
      parts[i - 1].base, parts[i - 1].len = ffi.cast("char *", text), #text
    end
    return tonumber(C.jh_link_write(link, parts, select("#", ...)))
  end

  it("connects to an address, reads and writes", function()
    local link, c = open()
    assert.are.equal(5, write(link, "he", "llo"))
    assert.are.equal("hello", c:receive(5))
    assert.are.equal(EAGAIN, read(link))
    C.jh_link_poll(link, READABLE)
    c:send "answer"
    turn_until(function() return events[1] end)
    assert.are.equal("answer", read(link))
    c:close()
    events = {}
    turn_until(function() return events[1] end)
    assert.are.equal("", read(link))
    C.jh_link_close(link)
  end)

  it("connects to names, IPv6 and unix sockets", function()
    local link, c = open "localhost"
    C.jh_link_close(link)
    c:close()
    events = {}
    local six = listener.tcp "::1"
    link = dial("::1", six.port)
    turn_until(opened(link))
    assert.are.same({ "open 0" }, events)
    six:close()
    events = {}
    local dir = sys.temp_dir()
    local unix = listener.unix(dir .. "/s")
    link = dial("unix:" .. dir .. "/s")
    turn_until(opened(link))
    assert.are.same({ "open 0" }, events)
    unix:close()
    sys.remove(dir)
    events = {}
    local abstract = listener.unix "@justhttp-spec-link"
    link = dial "unix:@justhttp-spec-link"
    turn_until(opened(link))
    assert.are.same({ "open 0" }, events)
    abstract:close()
  end)

  it("says what failed", function()
    local port = listener.closed_port()
    fails(dial("127.0.0.1", port), ECONNREFUSED,
      ("connect to 127.0.0.1:%d: connection refused"):format(port))
    events = {}
    fails(dial("unix:/nowhere/at/all"), ENOENT,
      "connect to unix:/nowhere/at/all: no such file or directory")
    events = {}
    local link = dial("localhost", port)
    turn_until(opened(link))
    assert.are.same({ "open " .. ECONNREFUSED }, events)
    assert.is_truthy(reason(link):find("^connect to localhost:%d+: .*127%.0%.0%.1: connection "
      .. "refused"), reason(link))
    events = {}
    link = dial("nowhere.invalid", 80)
    turn_until(opened(link), 30)
    assert.are.same({ "open " .. tonumber(C.JH_ENOTFOUND) }, events)
    assert.is_truthy(reason(link):find "^look up nowhere%.invalid:80: ", reason(link))
    assert.are.equal(tonumber(C.JH_LINK_RESOLVING), tonumber(C.jh_link_stage_of(link)))
    events = {}
    fails(dial("[bad", 80, 0, { ["local"] = str "nonsense" }), C.JH_EINVAL,
      "connect to [bad:80: invalid argument")
  end)

  it("gives up when its time is over", function()
    local full = listener.tcp("127.0.0.1", 0, 0)
    -- A queue of connections that nobody accepts: SYNs are dropped once it is full.
    local fillers = {}
    for _ = 1, 4 do
      fillers[#fillers + 1] = dial("127.0.0.1", full.port)
      events = {}
    end
    for _ = 1, 20 do C.jh_standalone_turn(generation, false) end
    events = {}
    local link = dial("127.0.0.1", full.port, 60)
    turn_until(opened(link))
    assert.are.same({ "open " .. tonumber(C.JH_ETIMEDOUT) }, events)
    assert.are.equal(("connect to 127.0.0.1:%d: timed out after 60 ms (it does not answer)")
      :format(full.port), reason(link))
    full:close()
  end)

  it("tells of what was asked for only", function()
    local link, c = open()
    c:send "x"
    for _ = 1, 5 do C.jh_standalone_turn(generation, false) end
    assert.are.same({}, events)
    C.jh_link_poll(link, READABLE)
    turn_until(function() return #events >= 2 end)
    C.jh_link_poll(link, 0)
    events = {}
    for _ = 1, 5 do C.jh_standalone_turn(generation, false) end
    assert.are.same({}, events)
    C.jh_link_poll(link, WRITABLE)
    turn_until(function() return events[1] end)
    assert.are.equal("writable", events[1])
    C.jh_link_poll(link, READABLE)
    events = {}
    turn_until(function() return events[1] end)
    assert.are.equal("readable", events[1])
  end)

  it("may be closed by each of its callbacks", function()
    hooks.open = function(link) C.jh_link_close(link) end
    dial("127.0.0.1", l.port)
    turn_until(function() return events[1] end)
    events = {}
    dial("127.0.0.1", listener.closed_port())
    turn_until(function() return events[1] end)
    hooks.open, events = nil, {}
    hooks.readable = function(link) C.jh_link_close(link) end
    hooks.writable = hooks.readable
    local link, c = open()
    C.jh_link_poll(link, READABLE + WRITABLE)
    c:send "x"
    turn_until(function() return events[1] end)
    for _ = 1, 5 do C.jh_standalone_turn(generation, false) end
    assert.are.same({ "writable" }, events)
  end)

  it("tells of a reset to who reads", function()
    local link, c = open()
    C.jh_link_poll(link, READABLE)
    write(link, "x")
    c:receive(1)
    c:reset()
    turn_until(function() return events[1] end)
    assert.are.equal(sys.ECONNRESET, -read(link))
    assert.are.equal(("read from 127.0.0.1:%d: connection reset by peer"):format(l.port),
      reason(link))
    C.jh_link_close(link)
  end)

  it("leaves nothing, however far it came", function()
    local link_dial = dial
    local function run(turns, is_closed, host)
      generation = C.jh_standalone_open()
      loop = C.jh_generation_loop(generation)
      events, hooks = {}, {}
      local link = link_dial(host, l.port, 1000)
      for _ = 1, turns do C.jh_standalone_turn(generation, false) end
      C.jh_link_poll(link, READABLE)
      if is_closed then C.jh_link_close(link) end
      C.jh_standalone_close(generation)
      while l:has_pending() do l:accept():close() end
    end
    C.jh_standalone_close(generation)
    for _, host in ipairs { "127.0.0.1", "localhost", "nowhere.invalid" } do
      for turns = 0, 3 do
        assert.is_true(alloc.is_balanced(function()
          run(turns, true, host)
          run(turns, false, host)
        end), host .. " " .. turns)
      end
    end
    generation = C.jh_standalone_open()
  end)

  it("survives running out of memory", function()
    C.jh_standalone_close(generation)
    alloc.fail_each(function()
      local memory = C.jh_standalone_open()
      local link = C.jh_link_new(C.jh_generation_loop(memory), owner, nil)
      if link ~= nil then
        events = {}
        local to = ffi.new "jh_link_address"
        to.host, to.port, to.connect_timeout_ms = str "127.0.0.1", l.port, 1000
        local code = C.jh_link_dial(link, to)
        for _ = 1, 3 do C.jh_standalone_turn(memory, false) end
        assert.is_true(code ~= 0 or events[1] ~= nil)
        C.jh_link_poll(link, READABLE)
        C.jh_link_close(link)
      end
      C.jh_standalone_close(memory)
      while l:has_pending() do l:accept():close() end
    end)
    generation = C.jh_standalone_open()
  end)
end)
