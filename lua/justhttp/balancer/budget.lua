--- A budget for retries: so many per cent of requests, so that an upstream in trouble does not get
-- the whole load twice.
--
-- Called by the attempts of a balancer. Pure. Every request pays in a fraction of a token, every
-- retry and every hedge takes one out. A reserve that is there from the start and is never exceeded
-- lets the first failures be retried, and keeps a long calm from paying for a storm.

local min = math.min

local M = {}

---@class justhttp.retry_budget
---@field tokens number
local Budget = { __name = "justhttp.retry_budget" }
Budget.__index = Budget

--- Makes a budget.
---@param ratio number retries per request, 0.2
---@param reserve number retries that are possible at once, 10
---@return justhttp.retry_budget
function M.new(ratio, reserve)
  return setmetatable({ tokens = reserve, _ratio = ratio, _reserve = reserve, spent = 0,
                        refused = 0 }, Budget)
end

--- A request came.
function Budget:deposit()
  self.tokens = min(self.tokens + self._ratio, self._reserve)
end

--- Takes a token for one more try; false when there is none.
---@return boolean
function Budget:withdraw()
  -- Fractions add up to a little less than whole tokens.
  if self.tokens < 1 - 1e-9 then
    self.refused = self.refused + 1
    return false
  end
  self.tokens = self.tokens - 1
  self.spent = self.spent + 1
  return true
end

return M
