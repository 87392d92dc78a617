--- Base64 (RFC 4648 §4), for the short texts of HTTP fields.

local bit = require "bit"

local byte, char, sub, find, gsub = string.byte, string.char, string.sub, string.find, string.gsub
local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
local concat = table.concat

local M = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local VALUE = {}
for i = 1, 64 do VALUE[byte(ALPHABET, i)] = i - 1 end

---@param bytes string
---@return string
function M.encode(bytes)
  local parts, count = {}, 0
  for i = 1, #bytes, 3 do
    local a, b, c = byte(bytes, i, i + 2)
    local group = bor(lshift(a, 16), lshift(b or 0, 8), c or 0)
    for shift = 18, 0, -6 do
      local digit = band(rshift(group, shift), 63) + 1
      count = count + 1
      parts[count] = sub(ALPHABET, digit, digit)
    end
    if not b then parts[count - 1] = "=" end
    if not c then parts[count] = "=" end
  end
  return concat(parts)
end

--- Decodes; strict about alphabet and padding, though missing padding is forgiven.
---@param text string
---@return string? bytes nil when the text is not base64
function M.decode(text)
  text = gsub(text, "=?=$", "")
  if find(text, "[^%w+/]") or #text % 4 == 1 then return nil end
  local parts, count = {}, 0
  for i = 1, #text, 4 do
    local a, b, c, d = byte(text, i, i + 3)
    local group = bor(lshift(VALUE[a], 18), lshift(VALUE[b], 12), lshift(c and VALUE[c] or 0, 6),
      d and VALUE[d] or 0)
    count = count + 1
    local three = char(rshift(group, 16), band(rshift(group, 8), 255), band(group, 255))
    parts[count] = d and three or sub(three, 1, c and 2 or 1)
  end
  return concat(parts)
end

return M
