--- A 32-bit hash of a string: FNV-1a with the mixing of MurmurHash3 at its end.
--
-- Called by consistent_hash.lua. Pure, and the same in every worker and every version: where a key
-- goes must not change with a restart.

local bit = require "bit"

local byte = string.byte
local bxor, rshift, lshift, band, tobit = bit.bxor, bit.rshift, bit.lshift, bit.band, bit.tobit

-- The low 32 bits of a product. Doubles hold 53 bits, so one factor is taken in two halves.
local function multiply(a, b)
  local low, high = band(a, 0xffff), rshift(a, 16)
  return tobit(low * b + lshift(band(high * b, 0xffff), 16) % 4294967296)
end

--- The hash of a text, 0 to 2^32 - 1.
---@param text string
---@return number
return function(text)
  local hash = tobit(0x811c9dc5)
  for i = 1, #text do
    hash = multiply(bxor(hash, byte(text, i)), 0x01000193)
  end
  hash = multiply(bxor(hash, rshift(hash, 16)), 0x85ebca6b)
  hash = multiply(bxor(hash, rshift(hash, 13)), 0xc2b2ae35)
  hash = bxor(hash, rshift(hash, 16))
  return hash % 4294967296
end
