--- Numbers of bytes as people write them: 65536, "64k", "10m", "2g", in powers of 1024, as the
-- server's options take them. Pure.

local M = {}

local UNITS = { [""] = 1, k = 1024, m = 1024 ^ 2, g = 1024 ^ 3, t = 1024 ^ 4 }
local MOST = 2 ^ 53

--- The number of bytes, or nil when that is none.
---@param value any
---@return integer?
function M.bytes(value)
  if type(value) == "string" then
    local number, unit = value:match "^(%d+)([kmgtKMGT]?)$"
    if not number then return nil end
    value = tonumber(number) * UNITS[unit:lower()]
  end
  if type(value) ~= "number" or value < 0 or value > MOST or value % 1 ~= 0 then return nil end
  return value
end

--- As `bytes`, but raises: "limits: body: give bytes …". `level` as for error().
---@param what string
---@param value any
---@param level integer
---@return integer
function M.check(what, value, level)
  local bytes = M.bytes(value)
  if bytes then return bytes end
  error(('%s: give a number of bytes or text such as "64k" or "2g", got %s'):format(what,
    type(value) == "string" and ("%q"):format(value) or tostring(value)), level + 1)
end

return M
