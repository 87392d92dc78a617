--- Calls a function when the headers of a request are there and before its body is read, however
-- small that is; `app:on_headers(fn)` is the same for a whole scope.
--
-- It may refuse (what it returns is the answer, as from a handler), or set limits for this request:
-- `ctx:limits{ body = "2g" }`. When it does neither, the request goes on. It stands in the chain
-- where it was declared, so middleware around it sees its answers.

local limits = require "justhttp.limits"

--- Makes the middleware.
---@param fn fun(ctx: justhttp.ctx): any, any
---@return justhttp.middleware
return function(fn)
  if type(fn) ~= "function" then
    error("on_headers: give a function(ctx), got a " .. type(fn), 2)
  end
  return limits.declare(function(ctx, next)
    local first, second = fn(ctx)
    if first ~= nil then return first, second end
    if ctx:_has_answer() then return end
    if not ctx:_body_fits() then return ctx:error(413) end
    return next()
  end, { is_early = true })
end
