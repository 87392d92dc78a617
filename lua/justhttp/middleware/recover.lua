--- Catches an error of what it wraps, so that middleware outside of it goes on as after any
-- response.
--
-- Without it an error passes through all middleware to the server, which answers the same 500; with
-- it the code behind `next()` of outer middleware runs too and sees status 500. The log gets the
-- whole traceback either way.

local traceback = require "justhttp.traceback"

local xpcall, capture = xpcall, traceback.capture

---@class justhttp.recover_options
---@field handler fun(ctx: justhttp.ctx, err: any, fault: justhttp.fault)|nil answers the error

--- Makes the middleware.
---@param options justhttp.recover_options?
---@return justhttp.middleware
return function(options)
  local handler = options and options.handler
  if handler ~= nil and type(handler) ~= "function" then
    error("recover: handler must be a function(ctx, err, fault), got a " .. type(handler), 2)
  end
  return function(ctx, next)
    local ok, fault = xpcall(next, capture)
    if ok then return end
    if handler then return handler(ctx, fault.value, fault) end
    return ctx:_fail(fault)
  end
end
