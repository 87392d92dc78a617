--- Penalties of an upstream, as fasthttp's LBClient has them: every failure counts as one more
-- pending request for three seconds, at most 300 of them.
--
-- Called by upstream.lua. Pure: the time comes as an argument, in milliseconds, and never goes
-- back.

local M = {}

M.DURATION_MS = 3000
M.MAX = 300

---@class justhttp.penalties
---@field first integer
---@field last integer
local Penalties = { __name = "justhttp.penalties" }
Penalties.__index = Penalties

--- Makes an empty list.
---@return justhttp.penalties
function M.new()
  return setmetatable({ first = 1, last = 0 }, Penalties)
end

--- How many count at this moment.
---@param now_ms number
---@return integer
function Penalties:count(now_ms)
  local first, last = self.first, self.last
  while first <= last and self[first] <= now_ms do
    self[first] = nil
    first = first + 1
  end
  if first > last then first, self.last = 1, 0 end
  self.first = first
  return self.last - first + 1
end

--- Adds one; false when there are as many as there may be.
---@param now_ms number
---@return boolean
function Penalties:add(now_ms)
  if self:count(now_ms) >= M.MAX then return false end
  self.last = self.last + 1
  self[self.last] = now_ms + M.DURATION_MS
  return true
end

--- Forgets all.
function Penalties:clear()
  for i = self.first, self.last do self[i] = nil end
  self.first, self.last = 1, 0
end

return M
