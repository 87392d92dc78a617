--- HTTP dates ("Sun, 06 Nov 1994 08:49:37 GMT") from seconds since 1970.
--
-- Called where a date other than now goes into a header: cookies, caching. The Date header itself
-- is the core's. Names of days and months are ours: os.date would follow the locale.

local date, format = os.date, string.format

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = {
  "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
}

local M = {}

--- Formats a moment for a header field.
---@param seconds number since 1970, UTC
---@return string
function M.http(seconds)
  local t = date("!*t", seconds)
  return format("%s, %02d %s %04d %02d:%02d:%02d GMT", DAYS[t.wday], t.day, MONTHS[t.month],
    t.year, t.hour, t.min, t.sec)
end

--- Formats a moment as access logs write it: "06/Nov/1994:08:49:37 +0000".
---@param seconds number since 1970, UTC
---@return string
function M.clf(seconds)
  local t = date("!*t", seconds)
  return format("%02d/%s/%04d:%02d:%02d:%02d +0000", t.day, MONTHS[t.month], t.year, t.hour,
    t.min, t.sec)
end

--- Formats a moment as RFC 3339: "1994-11-06T08:49:37Z".
---@param seconds number since 1970, UTC
---@return string
function M.iso(seconds)
  local t = date("!*t", seconds)
  return format("%04d-%02d-%02dT%02d:%02d:%02dZ", t.year, t.month, t.day, t.hour, t.min, t.sec)
end

return M
