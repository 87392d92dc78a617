--- Limits of request bodies for the routes it wraps, in place of the server's own:
-- `http.middleware.limits{ body = "2g", body_timeout = 60 }`.
--
-- They are known before the body comes: a route may take more than max_body_bytes, and a longer
-- body is answered 413 without being read. Chunked bodies are counted as they come.

local limits = require "justhttp.limits"
local size = require "justhttp.size"

---@class justhttp.limits_options
---@field body integer|string|nil most bytes of a body: 65536, "64k", "2g"
---@field body_timeout number? seconds between two reads of the body; 0 is no limit

local KNOWN = { body = true, body_timeout = true }

--- Makes the middleware.
---@param options justhttp.limits_options
---@return justhttp.middleware
return function(options)
  if type(options) ~= "table" or next(options) == nil then
    error('limits: give a table such as { body = "2g", body_timeout = 60 }', 2)
  end
  for name in pairs(options) do
    if not KNOWN[name] then
      error(("limits: unknown option %q; options are body and body_timeout")
        :format(tostring(name)), 2)
    end
  end
  local bytes = options.body ~= nil and size.check("limits: body", options.body, 2) or nil
  local seconds = options.body_timeout
  if seconds ~= nil and (type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 86400)) then
    error("limits: body_timeout: give seconds, at most 86400, got " .. tostring(seconds), 2)
  end
  local policy = {
    body_bytes = bytes, body_timeout_ms = seconds and math.ceil(seconds * 1000),
  }
  -- What a route knows beforehand does not come here; this is for paths that no route was compared
  -- with.
  return limits.declare(function(ctx, next_one)
    if policy.body_timeout_ms then ctx:_limit_body_time(policy.body_timeout_ms) end
    if bytes and not ctx:_limit_body(bytes) then return ctx:error(413) end
    return next_one()
  end, policy)
end
