--- The same upstream for the same key, as far as possible: a ring of hashes.
--
-- Called by set.lua. Each upstream stands at 160 places of the ring per weight; a key goes to the
-- first place at or behind its own hash whose upstream is up. So when an upstream leaves, only its
-- keys move, and spread over all others; when one comes, only keys that become its own do. Slow
-- starts do not count here: they would move keys twice.

local hash = require "justhttp.balancer.hash"

local floor, max, sort = math.floor, math.max, table.sort

local M = {}

--- Places on the ring per weight.
M.PLACES = 160

---@class justhttp.consistent_hash
---@field _hashes number[] ascending
---@field _owners justhttp.upstream[]
local Policy = { __name = "justhttp.consistent_hash", needs_key = true }
Policy.__index = Policy

function M.new() return setmetatable({ _hashes = {}, _owners = {}, _round = 0 }, Policy) end

local function places_of(upstream)
  local places = {}
  for i = 1, max(1, floor(M.PLACES * upstream.weight + 0.5)) do
    places[i] = hash(upstream.url .. "#" .. i)
  end
  sort(places)
  return places
end

--- An upstream has come. Two that share a place are in the order of their URLs, whoever came first.
---@param upstream justhttp.upstream
function Policy:add(upstream)
  local new, hashes, owners = places_of(upstream), {}, {}
  local old_hashes, old_owners = self._hashes, self._owners
  local i, j, count = 1, 1, #old_hashes + #new
  for at = 1, count do
    local old, own = old_hashes[i], new[j]
    local is_old = own == nil or (old ~= nil
      and (old < own or (old == own and old_owners[i].url < upstream.url)))
    if is_old then
      hashes[at], owners[at], i = old, old_owners[i], i + 1
    else
      hashes[at], owners[at], j = own, upstream, j + 1
    end
  end
  self._hashes, self._owners = hashes, owners
end

--- An upstream has left.
---@param upstream justhttp.upstream
function Policy:remove(upstream)
  local hashes, owners, at = {}, {}, 0
  for i = 1, #self._hashes do
    if self._owners[i] ~= upstream then
      at = at + 1
      hashes[at], owners[at] = self._hashes[i], self._owners[i]
    end
  end
  self._hashes, self._owners = hashes, owners
end

-- Position of the first place at or behind a hash; round the ring.
local function position_of(hashes, wanted)
  local low, high = 1, #hashes + 1
  while low < high do
    local middle = floor((low + high) / 2)
    if hashes[middle] < wanted then low = middle + 1 else high = middle end
  end
  return low <= #hashes and low or 1
end

--- The one to take of `list`, which is not empty.
---@param list justhttp.upstream[]
---@param _ number
---@param key string
---@return justhttp.upstream
function Policy:pick(list, _, key)
  local round, owners = self._round + 1, self._owners
  self._round = round
  for i = 1, #list do list[i]._round = round end
  local at, count = position_of(self._hashes, hash(key)), #owners
  for _ = 1, count do
    if owners[at]._round == round then return owners[at] end
    at = at % count + 1
  end
  return list[1]
end

return M
