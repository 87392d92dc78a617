--- The name somebody probably meant: what core/server/nearest.c does for options, for Lua names.
--
-- Used in error messages only. A name is near when at most a third of its letters, or two, would
-- have to change; swapped neighbours count as one change.

local byte, sub, floor, max, min = string.byte, string.sub, math.floor, math.max, math.min

local WORD_MAX = 63

-- Edit distance with neighbour swaps.
local function distance_of(a, b)
  local two_above, above = {}, {}
  for j = 0, #b do above[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local x, y = byte(a, i), byte(b, j)
      row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x == y and 0 or 1))
      if i > 1 and j > 1 and x == byte(b, j - 1) and byte(a, i - 1) == y then
        row[j] = min(row[j], two_above[j - 2] + 1)
      end
    end
    two_above, above = above, row
  end
  return above[#b]
end

--- The key of `names` nearest to `word`, nil when none is near. Private ones (`_x`) do not count.
---@param word string
---@param names table<string, any>
---@return string? name
---@return integer? distance
return function(word, names)
  if #word > WORD_MAX then return nil end
  local best, best_distance
  local allowed = max(2, floor(#word / 3))
  for name in pairs(names) do
    if type(name) == "string" and sub(name, 1, 1) ~= "_" then
      local distance = distance_of(word, name)
      local is_near = distance <= allowed and distance < #name
      if is_near and (not best or distance < best_distance
        or (distance == best_distance and name < best)) then
        best, best_distance = name, distance
      end
    end
  end
  return best, best_distance
end
