--- Percentiles of how long answers took, of late.
--
-- Called by the hedging of a balancer: a second request goes out when the first one takes longer
-- than most do. Pure. Durations are counted in buckets whose bounds grow by an eighth, from 0.1 ms
-- to some minutes; after every 1000 the counts are halved, so that old ones fade.

local log, floor, exp, max, min = math.log, math.floor, math.exp, math.max, math.min

local FIRST_MS, STEP, BUCKETS = 0.1, log(1.125), 128
local FADE_AFTER = 1000

local M = {}

---@class justhttp.latency
---@field count integer durations that count
local Latency = { __name = "justhttp.latency" }
Latency.__index = Latency

--- Makes an empty record.
---@return justhttp.latency
function M.new()
  local self = { count = 0, _since = 0 }
  for i = 1, BUCKETS do self[i] = 0 end
  return setmetatable(self, Latency)
end

--- Adds a duration.
---@param ms number
function Latency:add(ms)
  local i = ms > FIRST_MS and floor(log(ms / FIRST_MS) / STEP) + 2 or 1
  i = max(1, min(i, BUCKETS))
  self[i] = self[i] + 1
  self.count, self._since = self.count + 1, self._since + 1
  if self._since >= FADE_AFTER then
    self._since, self.count = 0, 0
    for j = 1, BUCKETS do
      self[j] = floor(self[j] / 2)
      self.count = self.count + self[j]
    end
  end
end

--- The duration that so many per cent stay below, at most an eighth too long; nil without any.
---@param percent number
---@return number? ms
function Latency:percentile(percent)
  if self.count == 0 then return nil end
  local wanted, seen = self.count * percent / 100, 0
  for i = 1, BUCKETS do
    seen = seen + self[i]
    if seen >= wanted and seen > 0 then return FIRST_MS * exp(STEP * (i - 1)) end
  end
end

return M
