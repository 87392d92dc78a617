--- Reads the dates of Set-Cookie fields, in the lenient way that RFC 6265 §5.1.1 lays down.
--
-- Called by set_cookie.lua. Pure. Servers write these dates in any form; what counts is the first
-- piece that looks like a time, a day, a month, a year. Its result is exact to the second and never
-- before 1601.

local find, match, sub, lower = string.find, string.match, string.sub, string.lower
local gmatch, floor, tonumber = string.gmatch, math.floor, tonumber

local MONTHS = {
  jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6, jul = 7, aug = 8, sep = 9, oct = 10,
  nov = 11, dec = 12,
}
local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- Everything but the delimiters of the RFC: tab, space to '/', ';' to '@', '[' to '`', '{' to '~'.
local PIECE = "[^\t -/;-@[-`{-~]+"

local M = {}

local function days_in(month, year)
  local is_leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return month == 2 and is_leap and 29 or MONTH_DAYS[month]
end

-- Days from 1970-01-01 to this one, in the proleptic Gregorian calendar. Years begin in March here,
-- so that the leap day is the last of its year.
local function days_from_epoch(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = floor(year / 400)
  local year_of_era = year - era * 400
  local day_of_year = floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
  local day_of_era = year_of_era * 365 + floor(year_of_era / 4) - floor(year_of_era / 100)
    + day_of_year
  return era * 146097 + day_of_era - 719468
end

-- The number at the start of a piece, when it has so many digits and no more.
local function leading_number(piece, least, most)
  local digits = match(piece, "^%d+")
  if not digits or #digits < least or #digits > most then return nil end
  return tonumber(digits)
end

local function time_of(piece)
  local hour, minute, second, rest = match(piece, "^(%d%d?):(%d%d?):(%d%d?)(.?)")
  if not hour or find(rest, "%d") then return nil end
  return tonumber(hour), tonumber(minute), tonumber(second)
end

local function take_pieces(text)
  local hour, minute, second, day, month, year
  for piece in gmatch(text, PIECE) do
    local is_taken = false
    if not hour then
      hour, minute, second = time_of(piece)
      is_taken = hour ~= nil
    end
    if not is_taken and not day then
      day = leading_number(piece, 1, 2)
      is_taken = day ~= nil
    end
    if not is_taken and not month then
      month = MONTHS[lower(sub(piece, 1, 3))]
      is_taken = month ~= nil
    end
    if not is_taken and not year then year = leading_number(piece, 2, 4) end
  end
  return hour, minute, second, day, month, year
end

--- Seconds since 1970, or nil for what is no date.
---@param text string
---@return integer?
function M.parse(text)
  local hour, minute, second, day, month, year = take_pieces(text)
  if not (hour and day and month and year) then return nil end
  if year >= 70 and year <= 99 then
    year = year + 1900
  elseif year <= 69 then
    year = year + 2000
  end
  if year < 1601 or hour > 23 or minute > 59 or second > 59 then return nil end
  if day < 1 or day > days_in(month, year) then return nil end
  return days_from_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
end

return M
