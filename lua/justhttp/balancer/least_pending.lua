--- The upstream with the fewest requests pending, penalties counted as requests: fasthttp's
-- LBClient. Among equals the one that answered the fewest in all.
--
-- Called by set.lua. With weights, or during a slow start, the load is divided by them; without,
-- the order is exactly fasthttp's.

local M = {}

---@class justhttp.least_pending
local Policy = { __name = "justhttp.least_pending" }
Policy.__index = Policy

function M.new() return setmetatable({}, Policy) end

--- The one to take of `list`, which is not empty.
---@param list justhttp.upstream[]
---@param now_ms number
---@return justhttp.upstream
function Policy:pick(list, now_ms)
  local best, best_load, best_total
  for i = 1, #list do
    local upstream = list[i]
    local share = upstream.weight * upstream:pace(now_ms)
    local load = (upstream.pending + upstream:penalty(now_ms) + 1) / share
    local total = upstream.total / share
    if not best or load < best_load or (load == best_load and total < best_total) then
      best, best_load, best_total = upstream, load, total
    end
  end
  return best
end

return M
