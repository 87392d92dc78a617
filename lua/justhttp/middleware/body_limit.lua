--- Answers 413 to requests whose body is longer than a limit, for the routes it wraps.
--
-- A declared length is refused before anything is read; a chunked body is refused where it crosses
-- the limit. It may also raise the limit above the server's max_body_bytes, say for one upload
-- route.

--- Makes the middleware.
---@param bytes integer
---@return justhttp.middleware
return function(bytes)
  if type(bytes) ~= "number" or bytes < 0 or bytes % 1 ~= 0 then
    error("body_limit: give the limit in bytes, such as 64 * 1024, got " .. tostring(bytes), 2)
  end
  return function(ctx, next)
    if not ctx:_limit_body(bytes) then return ctx:error(413) end
    return next()
  end
end
