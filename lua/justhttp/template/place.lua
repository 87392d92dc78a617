--- Tells where in the page a value stands, from the literal HTML in front of it.
--
-- Called by compiler.lua, once per template: what is found here decides which function of
-- runtime.lua writes the value, so a page pays nothing for it. It follows the text as a browser's
-- tokenizer does, simplified; text is taken in the order it is written, so `if` and `for` around it
-- make no difference as long as no branch leaves a tag or a quote open.

local Script = require "justhttp.template.script"

local find, sub, gsub, lower = string.find, string.sub, string.gsub, string.lower

---@alias justhttp.template_place
---| "text" between tags, or in a quoted attribute: escape
---| "url" at the start of an attribute that names a resource: refuse javascript: and its like
---| "name" inside a tag: a tag or attribute name
---| "unquoted" an attribute value without quotes
---| "script" inside <script>
---| "handler" in an attribute that is JavaScript
---| "srcdoc" in the attribute whose value is a page of its own

---@class justhttp.template_place_finder
local Place = { __name = "justhttp.template_place_finder" }
Place.__index = Place

local URL_ATTRIBUTES = {
  href = true, src = true, action = true, formaction = true, data = true, poster = true,
  cite = true, background = true, manifest = true, ping = true, ["xlink:href"] = true,
}

-- Elements whose content is not HTML: only their own end tag ends it.
local RAW_ELEMENTS = { script = true, style = true, textarea = true, title = true }

--- Starts between two tags.
---@return justhttp.template_place_finder
function Place.new()
  return setmetatable({ state = "text", element = "", attribute = "", value = "" }, Place)
end

-- Each step takes the text from `pos` on and returns where the next step begins. A state is left
-- only at a byte that ends it, so a tag between two pieces of text does not disturb it.
local STEPS = {}

function STEPS.text(place, text, pos)
  local open = find(text, "<", pos, true)
  if not open then return #text + 1 end
  place.state, place.element = "tag_open", ""
  return open + 1
end

function STEPS.tag_open(place, text, pos)
  if sub(text, pos, pos + 2) == "!--" then
    place.state = "comment"
    return pos + 3
  end
  if not find(text, "^[%a/!?]", pos) then
    place.state = "text"
    return pos
  end
  place.state = "element_name"
  return pos
end

function STEPS.element_name(place, text, pos)
  local stop = find(text, "[%s>]", pos)
  place.element = place.element .. lower(sub(text, pos, (stop or 0) - 1))
  if stop then place.state = "in_tag" end
  return stop or #text + 1
end

function STEPS.comment(place, text, pos)
  local _, stop = find(text, "-->", pos, true)
  if stop then place.state = "text" end
  return (stop or #text) + 1
end

function STEPS.in_tag(place, text, pos)
  pos = find(text, "[^%s/]", pos)
  if not pos then return #text + 1 end
  if sub(text, pos, pos) == ">" then
    place.state = RAW_ELEMENTS[place.element] and "raw" or "text"
    place.script = place.element == "script" and Script.new() or nil
    return pos + 1
  end
  place.state, place.attribute = "attribute_name", ""
  return pos
end

function STEPS.attribute_name(place, text, pos)
  local stop = find(text, "[%s/>=]", pos)
  place.attribute = place.attribute .. lower(sub(text, pos, (stop or 0) - 1))
  if stop then place.state = "after_name" end
  return stop or #text + 1
end

function STEPS.after_name(place, text, pos)
  pos = find(text, "%S", pos)
  if not pos then return #text + 1 end
  if sub(text, pos, pos) ~= "=" then
    place.state = "in_tag"
    return pos
  end
  place.state, place.value = "before_value", ""
  return pos + 1
end

function STEPS.before_value(place, text, pos)
  pos = find(text, "%S", pos)
  if not pos then return #text + 1 end
  local first = sub(text, pos, pos)
  if first == ">" then
    place.state = "in_tag"
    return pos
  end
  if first == '"' or first == "'" then
    place.state, place.quote = "quoted", first
    return pos + 1
  end
  place.state = "unquoted"
  return pos
end

function STEPS.quoted(place, text, pos)
  local stop = find(text, place.quote, pos, true)
  place.value = place.value .. sub(text, pos, (stop or 0) - 1)
  if stop then place.state = "in_tag" end
  return (stop or #text) + 1
end

function STEPS.unquoted(place, text, pos)
  local stop = find(text, "[%s>]", pos)
  if stop then place.state = "in_tag" end
  return stop or #text + 1
end

function STEPS.raw(place, text, pos)
  local stop = find(lower(text), "</" .. place.element .. "%f[%W]", pos)
  if place.script then place.script:read(sub(text, pos, (stop or 0) - 1)) end
  if not stop then return #text + 1 end
  local length = #place.element
  place.state, place.element, place.script = "in_tag", "/", nil
  return stop + 2 + length
end

--- Reads literal text.
---@param text string
function Place:read(text)
  local pos = 1
  while pos <= #text do pos = STEPS[self.state](self, text, pos) end
end

local function in_quotes(place)
  local attribute = place.attribute
  if attribute == "srcdoc" then return "srcdoc" end
  if find(attribute, "^on") or find(lower(place.value), "^%s*javascript:") then return "handler" end
  if URL_ATTRIBUTES[attribute] and not find(place.value, "%S") then return "url" end
  return "text"
end

-- What a value is to each state; states that are not here are "text".
local PLACES = {
  tag_open = "name", element_name = "name", in_tag = "name", attribute_name = "name",
  after_name = "name", before_value = "unquoted", unquoted = "unquoted",
}

--- Where a value would stand now.
---@return justhttp.template_place
function Place:where()
  local state = self.state
  if state == "quoted" then return in_quotes(self) end
  if self.script then return "script" end
  return PLACES[state] or "text"
end

-- Quotes of a script may be written as entities in an attribute.
local QUOTES = { ["&quot;"] = '"', ["&#34;"] = '"', ["&apos;"] = "'", ["&#39;"] = "'" }

--- In a script or handler: true where JSON may stand, outside of strings and comments.
---@return boolean
function Place:is_code()
  if self.script then return self.script:is_code() end
  local script = Script.new()
  script:read((gsub(gsub(self.value, "^%s*[Jj]%a+:", ""), "&#?%w+;", QUOTES)))
  return script:is_code()
end

-- What follows a value goes on from the state it leaves behind.
local AFTER = {
  tag_open = "element_name", in_tag = "attribute_name", after_name = "attribute_name",
  before_value = "unquoted",
}

--- Notes that a value stands here.
function Place:skip_value()
  local state = self.state
  if state == "in_tag" or state == "after_name" then self.attribute = "?" end
  if state == "quoted" then self.value = self.value .. "0" end
  if self.script then self.script:skip_value() end
  self.state = AFTER[state] or state
end

return Place
