--- Media types: reads Content-Type fields, and picks what to answer from an Accept field.
--
-- Called by form.lua, the ctx (`ctx:json()`, `ctx:form()`) and the error page. Pure: no door.

local find, sub, match = string.find, string.sub, string.match
local lower, gsub = string.lower, string.gsub
local gmatch, byte = string.gmatch, string.byte

local M = {}

--- The type alone, in lower case and without parameters: "application/json".
---@param text string? a Content-Type field
---@return string? type nil when the field is absent or is no media type
function M.essence(text)
  if not text then return nil end
  local essence, stop = match(text, "^[ \t]*([^%s;,/]+/[^%s;,/]+)[ \t]*()")
  if not essence or (stop <= #text and byte(text, stop) ~= 59) then return nil end
  return lower(essence)
end

--- Splits a field into its type and parameters; names in lower case, quoted values unquoted.
---@param text string?
---@return string? type
---@return table<string, string>? parameters
function M.parse(text)
  local essence = M.essence(text)
  if not essence then return nil, nil end
  local parameters = {}
  local pos = find(text, ";", 1, true)
  while pos do
    local _, stop, name = find(text, "^;[ \t]*([^%s;=]+)=", pos)
    if not stop then
      pos = find(text, ";", pos + 1, true)
    else
      local value, quoted_stop
      if sub(text, stop + 1, stop + 1) == '"' then
        value, quoted_stop = M._quoted(text, stop + 1)
      end
      if not value then
        value = match(text, "^([^;]*)", stop + 1)
        quoted_stop = stop + #value
        value = match(value, "^.*[^ \t]") or ""
      end
      name = lower(name)
      if parameters[name] == nil then parameters[name] = value end
      pos = find(text, ";", quoted_stop + 1, true)
    end
  end
  return essence, parameters
end

--- Reads a quoted-string that starts at `pos`.
---@return string? value nil when it never ends
---@return integer? stop position of the closing quote
function M._quoted(text, pos)
  local from = pos + 1
  while true do
    local at = find(text, '["\\]', from)
    if not at then return nil, nil end
    if sub(text, at, at) == '"' then
      return (gsub(sub(text, pos + 1, at - 1), "\\(.)", "%1")), at
    end
    from = at + 2
  end
end

--- True for application/json and every type that ends in +json.
---@param text string? a Content-Type field
---@return boolean
function M.is_json(text)
  local essence = M.essence(text)
  if not essence then return false end
  return essence == "application/json" or find(essence, "+json", -5, true) ~= nil
end

-- How much an Accept field wants `offer` (0 … 1), by its most specific range that matches.
local function quality(accept, offer)
  local offer_type = match(offer, "^[^/]+")
  local best, best_rank = 0, 0
  for range in gmatch(accept, "[^,]+") do
    local name = lower(match(range, "^[ \t]*([^%s;]*)"))
    local rank = name == offer and 3 or name == offer_type .. "/*" and 2 or name == "*/*" and 1 or 0
    if rank > best_rank then
      best_rank = rank
      best = tonumber(match(range, ";[ \t]*[qQ]=([%d.]+)") or "1") or 0
    end
  end
  return best, best_rank
end

--- Picks the offer an Accept field wants most; of equals the earlier offer.
---@param accept string? absent or empty accepts everything
---@param offers string[] media types in lower case, the server's preference first
---@return string? offer nil when none is acceptable
function M.accept(accept, offers)
  if not accept or accept == "" then return offers[1] end
  local chosen, chosen_quality = nil, 0
  for _, offer in ipairs(offers) do
    local wanted = quality(accept, offer)
    if wanted > chosen_quality then chosen, chosen_quality = offer, wanted end
  end
  return chosen
end

return M
