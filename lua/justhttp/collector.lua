--- How much garbage may gather before it is collected.
--
-- Requests leave small tables behind, and most of a collection is marking what lives, not freeing
-- what died. So a small app may let a fixed amount gather, however little lives in it, while a
-- large one keeps Lua's own rule, a collection when the heap has doubled. Measured on a hello-world
-- with 16-deep pipelining: 20 % less CPU per request than with Lua's rule alone.

local max, floor = math.max, math.floor

local M = {}

--- Bytes of garbage that may gather in a small heap.
M.ALLOWANCE_BYTES = 16 * 1024 * 1024

--- The pause, in percent of what lives, for a heap of so many bytes.
---@param live_bytes number
---@return integer
function M.pause(live_bytes)
  return max(200, floor(100 + 100 * M.ALLOWANCE_BYTES / max(live_bytes, 1)))
end

local function adjust()
  collectgarbage("setpause", M.pause(collectgarbage "count" * 1024))
end

-- An object whose end is the end of a collection: what is counted then is what lives.
local function watch()
  local sentinel = newproxy(true)
  getmetatable(sentinel).__gc = function()
    adjust()
    watch()
  end
end

--- Sets the pause now and after every collection.
function M.start()
  adjust()
  watch()
end

return M
