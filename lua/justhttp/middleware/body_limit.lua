--- Answers 413 to requests whose body is longer than a limit, for the routes it wraps.
--
-- Short for `http.middleware.limits{ body = bytes }`, which see: a declared length is refused
-- before anything is read, a chunked body where it crosses the limit, and a route may allow more
-- than max_body_bytes.

local limits = require "justhttp.limits"

--- Makes the middleware.
---@param bytes integer
---@return justhttp.middleware
return function(bytes)
  if type(bytes) ~= "number" or bytes < 0 or bytes % 1 ~= 0 then
    error("body_limit: give the limit in bytes, such as 64 * 1024, got " .. tostring(bytes), 2)
  end
  return limits.declare(function(ctx, next)
    if not ctx:_limit_body(bytes) then return ctx:error(413) end
    return next()
  end, { body_bytes = bytes })
end
