--- Lets a handler run to its end although its client went away.
--
-- Without it a waiting handler is ended when the client closes the connection, since nobody is
-- there for the answer; with it the work is done all the same, say for a payment that must be
-- recorded.

--- Makes the middleware: `http.middleware.run_on()`.
---@return justhttp.middleware
return function()
  return function(ctx, next)
    rawset(ctx, "_runs_on", true)
    return next()
  end
end
