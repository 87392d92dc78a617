--- Upstreams in turn. One that starts slowly is passed over in most of its turns at first.
--
-- Called by set.lua. The place in the order is kept as the number of the last one, because the list
-- to choose from is now shorter, now longer. Weights do not count here; `weighted` is for them.

local M = {}

---@class justhttp.round_robin
---@field _last integer number of the one taken last
local Policy = { __name = "justhttp.round_robin" }
Policy.__index = Policy

function M.new() return setmetatable({ _last = 0 }, Policy) end

--- The one to take of `list`, which is not empty.
---@param list justhttp.upstream[]
---@param now_ms number
---@return justhttp.upstream
function Policy:pick(list, now_ms)
  local at, count = 0, #list
  while at < count and list[at + 1].number <= self._last do at = at + 1 end
  -- The slowest start is a tenth, so within ten rounds one of them has its turn.
  for _ = 1, 10 * count do
    at = at % count + 1
    local upstream = list[at]
    local credit = upstream._credit + upstream:pace(now_ms)
    if credit >= 1 - 1e-9 then
      upstream._credit = credit - 1
      break
    end
    upstream._credit = credit
  end
  self._last = list[at].number
  return list[at]
end

return M
