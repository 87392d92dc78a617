--- Escaping for HTML: the only way text from a request gets into a page we make.

local gsub = string.gsub

local M = {}

local ENTITIES = {
  ["&"] = "&amp;",
  ["<"] = "&lt;",
  [">"] = "&gt;",
  ['"'] = "&quot;",
  ["'"] = "&#39;",
}

--- Makes text safe inside an element or a quoted attribute.
---@param text any converted with tostring
---@return string
function M.escape(text)
  return (gsub(tostring(text), "[&<>\"']", ENTITIES))
end

return M
