--- The Content-Disposition of a download (RFC 6266): a name that every client understands.
--
-- `filename` is what old clients read, in ASCII; `filename*` is the name itself (RFC 8187), written
-- where the two differ.

local find, gsub, match, format, byte = string.find, string.gsub, string.match, string.format,
  string.byte

local M = {}

local function percent(char) return format("%%%02X", byte(char)) end

-- Control characters cannot be in a field, and in UTF-8 the last of them are two bytes long.
local function clean(name)
  name = match(name, "[^/\\]*$")
  name = gsub(name, "[%z\1-\31\127]", "")
  return (gsub(name, "\194[\128-\159]", ""))
end

--- Builds the value of the field.
---@param filename string? a path loses its directories
---@return string
function M.disposition(filename)
  if filename == nil then return "attachment" end
  local name = clean(filename)
  if name == "" then return "attachment" end
  -- One "_" for each character beyond ASCII. "%" would be taken for an escape by some clients.
  local plain = gsub(gsub(name, "[\194-\244][\128-\191]*", "_"), "[\128-\255%%]", "_")
  local value = format('attachment; filename="%s"', (gsub(plain, '["\\]', "\\%0")))
  if plain == name and not find(name, '["\\]') then return value end
  return value .. "; filename*=UTF-8''" .. gsub(name, "[^%w!#$&+%-.^_`|~]", percent)
end

return M
