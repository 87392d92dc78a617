-- random_client_spec.lua: clients that send frames, some of them damaged, in pieces of any size,
-- and leave at any moment. The server must outlive them; under AddressSanitizer it must not touch
-- what is not its own.
local echo = require "spec.websocket.echo"
local websocket = require "spec.support.websocket"
local wire = require "spec.support.wire"

local PATHS = { "/task", "/table", "/compressed", "/compressed-table", "/small-window", "/limited" }

-- A generator of its own: the same clients in every run.
local seed = 20261123
local function random(count)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return math.floor(seed / 65536) % count
end

local function random_bytes(count)
  local bytes = {}
  for i = 1, count do bytes[i] = string.char(random(256)) end
  return table.concat(bytes)
end

local OPCODES = { 0, 1, 1, 1, 2, 2, 2, 8, 9, 10, random(16) }

local function random_frame()
  local text = random(2) == 0
  local size = ({ 0, 5, 125, 126, 700, 5000 })[random(6) + 1]
  return websocket.encode {
    opcode = OPCODES[random(#OPCODES) + 1], fin = random(5) > 0,
    rsv = random(6) == 0 and 4 or random(40) == 0 and random(8) or 0,
    payload = text and ("x"):rep(size) or random_bytes(size),
    length = random(60) == 0 and random(100000) or nil,
    mask = random(60) == 0 and false or nil,
  }
end

local function damage(bytes)
  if random(4) > 0 or #bytes == 0 then return bytes end
  local at = random(#bytes)
  return bytes:sub(1, at) .. string.char(random(256)) .. bytes:sub(at + 2)
end

describe("random clients", function()
  it("do not bring the server down", function()
    local s = echo.start()
    for _ = 1, 150 do
      local c = wire.connect(s)
      c.patience = 2
      c:send(websocket.handshake(PATHS[random(#PATHS) + 1], {
        extensions = random(2) == 0 and "permessage-deflate; client_max_window_bits" or nil }))
      for _ = 1, random(12) do
        local bytes = damage(random_frame())
        local cut = random(#bytes + 1)
        if not c:try_send(bytes:sub(1, cut)) then break end
        if random(3) == 0 then c:read_available(0.001) end
        if not c:try_send(bytes:sub(cut + 1)) then break end
      end
      if random(3) == 0 then c:reset() else c:close() end
    end
    local c = websocket.connect(s, "/table")
    c:text "still here"
    assert.are.equal("still here", (c:receive()))
    c:close()
    s:stop()
  end)
end)
