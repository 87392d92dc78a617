-- media_type_checks.lua: what holds for any Content-Type or Accept field. Run by media_type_fuzz.c.
--
--  - Nothing raises; a type is lower case and has one slash; parameters are strings, and together
--    no longer than the field.
--  - The type alone reads as itself; parse and essence agree on it.
--  - accept picks one of the offers or none, and takes back nothing it picked as the only offer.
local media_type = require "justhttp.media_type"

local OFFERS = { "text/html", "application/json", "text/plain" }

local function check_type(text)
  local essence = media_type.essence(text)
  local parsed, parameters = media_type.parse(text)
  assert(essence == parsed)
  if not essence then
    assert(parameters == nil and not media_type.is_json(text))
    return
  end
  assert(essence == essence:lower() and essence:find "^[^/;, ]+/[^/;, ]+$")
  assert(media_type.essence(essence) == essence)
  local bytes = #essence
  for name, value in pairs(parameters) do
    assert(type(name) == "string" and type(value) == "string" and name == name:lower())
    bytes = bytes + #name + #value
  end
  assert(bytes <= #text, "more came out than went in")
end

local function check_accept(text)
  local chosen = media_type.accept(text, OFFERS)
  local is_offered = chosen == nil
  for _, offer in ipairs(OFFERS) do is_offered = is_offered or offer == chosen end
  assert(is_offered, "picked what was not offered")
  if chosen then assert(media_type.accept(text, { chosen }) == chosen) end
end

return function(text)
  check_type(text)
  check_accept(text)
end
