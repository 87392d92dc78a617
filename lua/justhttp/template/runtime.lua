--- What compiled templates call: one function per place a value can stand in, and the names every
-- template knows.
--
-- Each function turns a value into text that is safe in its place. nil (and JSON's null) is the
-- empty text; what has no text form raises, naming the line of the template.

local html = require "justhttp.html"
local query = require "justhttp.query"

local find, sub, gsub, match, lower = string.find, string.sub, string.gsub, string.match,
  string.lower
local type, tostring, error, pcall, getmetatable = type, tostring, error, pcall, getmetatable
local format = string.format

local html_escape = html.escape

local M = {}

-- The text of a value that is neither string nor number. `level` is where the template is.
local function text_of(value, level)
  local kind = type(value)
  if kind == "nil" then return "" end
  if kind == "boolean" or kind == "cdata" then return tostring(value) end
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__tostring then return tostring(value) end
  -- The one light userdata there is in an app is JSON's null.
  if kind == "userdata" and value == require "justhttp.json".null then return "" end
  error(format("a %s has no text; write one of its fields, or call it", kind), level + 1)
end

--- Text between tags or in a quoted attribute.
---@param value any
---@return string|number
function M.escape(value)
  local kind = type(value)
  if kind == "number" then return value end
  if kind ~= "string" then value = text_of(value, 2) end
  return html_escape(value)
end

local escape = M.escape

--- As it is: `<%- %>`.
---@param value any
---@return string|number
function M.raw(value)
  local kind = type(value)
  if kind == "string" or kind == "number" then return value end
  return (text_of(value, 2))
end

--- What takes the place of a URL that would run a script.
M.REFUSED_URL = "about:invalid"

-- The scheme as browsers read it: they drop white space and controls from it.
local function is_dangerous(url)
  local head = lower(gsub(sub(url, 1, 200), "[%z\1-\32\127]+", ""))
  local scheme = match(head, "^([^/?#:]*):")
  if not scheme then return false end
  if scheme == "data" then return not find(head, "^data:image/[%w.+-]+[;,]") or
    find(head, "^data:image/svg") ~= nil end
  return scheme == "javascript" or scheme == "vbscript"
end

--- The beginning of an attribute that names a resource.
---@param value any
---@return string|number
function M.url(value)
  if type(value) ~= "string" then
    if type(value) == "number" then return value end
    value = text_of(value, 2)
  end
  if find(value, ":", 1, true) and is_dangerous(value) then return M.REFUSED_URL end
  return html_escape(value)
end

-- Names that give what stands behind them a meaning plain text must not get.
local REFUSED_NAMES = {
  script = true, style = true, iframe = true, object = true, embed = true, srcdoc = true,
  href = true, src = true, action = true, formaction = true, data = true,
}

--- A name inside a tag.
---@param value any
---@return string|number
function M.name(value)
  if type(value) == "number" then return value end
  if type(value) ~= "string" then value = text_of(value, 2) end
  if find(value, "[^%w_-]") then
    error(format("%q cannot stand inside a tag, only a name can; a value goes in quotes: "
      .. 'name="<%%= value %%>"', value), 2)
  end
  local name = lower(value)
  if REFUSED_NAMES[name] or find(name, "^on") then
    error(format("%q may not be the name of a tag or attribute here; write it into the template",
      value), 2)
  end
  return value
end

--- A page in an attribute (srcdoc): escaped for that page, then for the attribute.
---@param value any
---@return string
function M.srcdoc(value)
  if type(value) ~= "string" and type(value) ~= "number" then value = text_of(value, 2) end
  return html_escape(html_escape(value))
end

local IN_SCRIPT = {
  ["<"] = "\\u003c", [">"] = "\\u003e", ["&"] = "\\u0026", ["'"] = "\\u0027",
  ["\226\128\168"] = "\\u2028", ["\226\128\169"] = "\\u2029",
}

--- JSON that may stand in a script: nothing in it can end the element or start a comment.
---@param value any
---@return string
function M.json(value)
  local ok, text = pcall(require "justhttp.json".encode, value)
  if not ok then error(gsub(text, "^.-json%.encode: ", "json: "), 2) end
  if find(text, "[<>&']") then text = gsub(text, "[<>&']", IN_SCRIPT) end
  if find(text, "\226\128", 1, true) then text = gsub(text, "\226\128[\168\169]", IN_SCRIPT) end
  return text
end

--- What every template knows beside its values, its engine's helpers and Lua's globals.
M.names = {
  escape = escape,
  json = M.json,
  url_escape = function(value)
    if value == nil then return "" end
    return query.escape(tostring(value))
  end,
}

return M
