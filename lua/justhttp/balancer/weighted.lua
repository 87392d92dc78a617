--- Upstreams by weight, spread evenly: nginx's smooth weighted round robin. Weights 5, 1, 1 give
-- a a b a c a a, not a a a a a b c.
--
-- Called by set.lua. Each one's number grows by its weight at every pick; the largest is taken and
-- set back by the sum of all weights.

local M = {}

---@class justhttp.weighted
local Policy = { __name = "justhttp.weighted" }
Policy.__index = Policy

function M.new() return setmetatable({}, Policy) end

--- The one to take of `list`, which is not empty.
---@param list justhttp.upstream[]
---@param now_ms number
---@return justhttp.upstream
function Policy:pick(list, now_ms)
  local best, sum = nil, 0
  for i = 1, #list do
    local upstream = list[i]
    local share = upstream.weight * upstream:pace(now_ms)
    sum = sum + share
    upstream._current = upstream._current + share
    if not best or upstream._current > best._current then best = upstream end
  end
  best._current = best._current - sum
  return best
end

return M
