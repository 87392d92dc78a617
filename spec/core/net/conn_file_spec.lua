-- conn_file_spec.lua: files on their way through connections whose every write the spec decides:
-- all sizes of writes, ends in the middle, files that change under way.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
local sim = require "spec.support.sim"
local sys = require "spec.support.sys"
local C = core.load("justhttp.h")

jit.off(true, true)

local LARGE = 200000

local function get(path, fields)
  return "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n" .. (fields or "") .. "\r\n"
end

describe("a file on its way", function()
  local dir, content

  setup(function()
    dir = sys.temp_dir()
    content = { small = "small file", middle = ("middle "):rep(3000), large = nil }
    local pieces = {}
    for i = 1, LARGE / 10 do pieces[i] = ("%09d\n"):format(i) end
    content.large = table.concat(pieces)
    for name, bytes in pairs(content) do sys.write_file(dir .. "/" .. name, bytes) end
  end)
  teardown(function() sys.remove(dir) end)

  local out, info = ffi.new "jh_str", ffi.new "jh_file_info"

  -- A world that answers every path with the file of that name; false when memory is out.
  local function open()
    local world = sim.open()
    local options, code = ffi.new("jh_file_options", C.JH_FILE_ETAG_BIT), ffi.new "int[1]"
    local root = C.jh_file_root_open(world.generation, dir, options, code)
    if root == nil then
      world:close()
      return false
    end
    function world.on_request(ctx)
      C.jh_ctx_field(ctx, C.JH_FIELD_PATH, out)
      local status = C.jh_ctx_open_file(ctx, root, out.ptr + 1, out.len - 1, 200, info)
      if status >= 200 and status ~= 412 and status ~= 416 then
        if C.jh_ctx_send_file(ctx, status) ~= 0 then C.jh_ctx_release(ctx) end
      elseif C.jh_ctx_respond(ctx, status > 1 and status or 404, C.JH_TYPE_TEXT, "", 0) ~= 0 then
        C.jh_ctx_release(ctx)
      end
    end
    return world
  end

  -- The bodies of the answers in some bytes; the last may be cut: its missing bytes are second.
  local function bodies_of(bytes)
    local bodies, at = {}, 1
    while at <= #bytes do
      local stop = select(2, bytes:find("\r\n\r\n", at, true))
      if not stop then return bodies, math.huge end
      local length = tonumber(bytes:sub(at, stop):match "Content%-Length: (%d+)") or 0
      local body = bytes:sub(stop + 1, stop + length)
      bodies[#bodies + 1] = body
      if #body < length then return bodies, length - #body end
      at = stop + length + 1
    end
    return bodies, 0
  end

  -- Lets everything happen, the peer taking a few bytes at a time.
  local function trickle(world, c, next_room)
    for _ = 1, 1000000 do
      c.room = next_room()
      local is_moved = world:turn()
      if c.is_closed or not is_moved then return end
    end
    error "it never ends"
  end

  local pipeline = get "/small" .. get "/large" .. get "/middle" .. get "/missing"
    .. get("/large", "Range: bytes=5-14,100-109,-3\r\n") .. get("/large",
      "Range: bytes=199990-\r\n")
    .. get "/small"

  local function check_pipeline(c)
    local bodies, missing = bodies_of(c.output)
    assert.equal(0, missing)
    assert.equal(7, #bodies)
    assert.equal(content.small, bodies[1])
    assert.is_true(content.large == bodies[2])
    assert.is_true(content.middle == bodies[3])
    assert.truthy(bodies[5]:find("\r\n\r\n" .. content.large:sub(101, 110), 1, true))
    assert.equal(content.large:sub(-10), bodies[6])
    assert.equal(content.small, bodies[7])
  end

  it("arrives whole, and in order, whatever the peer takes at a time", function()
    math.randomseed(7)
    for _, room in ipairs { 100, 1000, 4999, 16384, 16385, 70000, 1e9 } do
      for _, is_random in ipairs { false, true } do
        local world = open()
        local c = world:connect():give(pipeline)
        trickle(world, c, function() return is_random and math.random(0, room) or room end)
        for _ = 1, 3 do trickle(world, c, function() return 1e9 end) end
        check_pipeline(c)
        assert.is_false(c.is_closed or false)
        world:close()
      end
    end
  end)

  it("arrives whole when each request comes by itself, and before the end of the peer", function()
    local world = open()
    local c = world:connect():give(get "/large", get "/small", get("/large",
      "Range: bytes=0-9\r\n"))
    c:give(get "/large"):give_end()
    world:settle()
    local bodies, missing = bodies_of(c.output)
    assert.equal(0, missing)
    assert.equal(4, #bodies)
    assert.is_true(c.is_closed)
    world:close()
  end)

  it("is let go wherever its connection ends", function()
    for at = 1, 40 do
      for _, how in ipairs { "error", "close" } do
        local world = open()
        local c = world:connect():give(pipeline)
        local count = 0
        trickle(world, c, function()
          count = count + 1
          if count == at then
            if how == "error" then c.write_error = sim.EPIPE end
            if how == "close" then return 0 end
          end
          return 9000
        end)
        world:close()
      end
    end
  end)

  it("is cut when it changes, and never mixed", function()
    local changes = {
      function(path) sys.write_file(path, "") end,
      function(path) sys.write_file(path, ("n"):rep(LARGE)) end,
      function(path)
        local file = io.open(path, "r+b")
        file:seek("set", LARGE - 5)
        file:write "n"
        file:close()
      end,
    }
    for _, change in ipairs(changes) do
      for at = 1, 12 do
        sys.write_file(dir .. "/changing", content.large)
        local world = open()
        local c = world:connect():give(get "/changing")
        local count = 0
        trickle(world, c, function()
          count = count + 1
          if count == at then change(dir .. "/changing") end
          return 20000
        end)
        local bodies, missing = bodies_of(c.output)
        if missing == 0 then
          assert.is_true(bodies[1] == content.large or bodies[1] == ("n"):rep(LARGE)
            or bodies[1] == "" or bodies[1] == content.large:sub(1, -6) .. "n"
            .. content.large:sub(-4), "change at " .. at)
        else
          assert.is_true(c.is_closed)
          assert.is_true(content.large:sub(1, #bodies[1]) == bodies[1], "change at " .. at)
        end
        world:close()
      end
    end
  end)

  it("is the old one when another took its name", function()
    for at = 1, 12 do
      sys.write_file(dir .. "/changing", content.large)
      local world = open()
      local c = world:connect():give(get "/changing")
      local count = 0
      trickle(world, c, function()
        count = count + 1
        if count == at then
          sys.write_file(dir .. "/other", ("n"):rep(LARGE))
          os.rename(dir .. "/other", dir .. "/changing")
        end
        return 20000
      end)
      local bodies, missing = bodies_of(c.output)
      assert.equal(0, missing)
      assert.is_true(bodies[1] == content.large or bodies[1] == ("n"):rep(LARGE))
      world:close()
    end
  end)

  it("survives every allocation that fails", function()
    alloc.fail_each(function()
      local world = open()
      if not world then return end
      local c = world:connect()
      if c then
        c:give(pipeline)
        trickle(world, c, function() return 50000 end)
        local bodies, missing = bodies_of(c.output)
        assert.is_true(missing == 0 or c.is_closed, "a body is cut, but the connection is open")
        assert.is_true(#bodies <= 7)
      end
      world:close()
    end, 3000)
  end)

  it("does not leave anything behind", function()
    assert.is_true(alloc.is_balanced(function()
      local world = open()
      local c = world:connect():give(pipeline)
      trickle(world, c, function() return 50000 end)
      world:close()
    end))
  end)
end)
