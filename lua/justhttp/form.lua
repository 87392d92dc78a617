--- Form bodies of requests: application/x-www-form-urlencoded.
--
-- Called by `ctx:form()`. Pure: no door. A body of another type is an error value, not an empty
-- form: the handler can answer 415 instead of acting on nothing.

local media_type = require "justhttp.media_type"
local query = require "justhttp.query"

local M = {}

--- Reads a form body; of a repeated name the first value.
---@param body string
---@param content_type string? the request's Content-Type field
---@param limit integer? fields at most
---@return table<string, string>? fields
---@return string? err
---@return table<string, string[]>? all every value of every name
function M.parse(body, content_type, limit)
  local essence = media_type.essence(content_type)
  if essence ~= "application/x-www-form-urlencoded" then
    return nil, "the body is " .. (essence or "of no declared type")
      .. ", not application/x-www-form-urlencoded"
  end
  local all, truncated = query.parse_all(body, limit)
  if truncated then return nil, "the form has " .. truncated end
  local first = {}
  for name, values in pairs(all) do first[name] = values[1] end
  return first, nil, all
end

return M
