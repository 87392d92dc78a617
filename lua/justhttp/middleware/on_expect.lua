--- Decides about requests whose client asks before it sends the body (Expect: 100-continue);
-- `app:on_expect(fn)` is the same for a whole scope.
--
-- `fn(ctx)` returns nothing, and the client is told to go on when the body is first read, as it is
-- without this; or 100, and it is told at once; or false for 417; or another answer, as a handler
-- returns it. After an answer other than 100 the connection is closed, because nobody can tell
-- whether the client sends the body all the same.

--- Makes the middleware.
---@param fn fun(ctx: justhttp.ctx): any, any
---@return justhttp.middleware
return function(fn)
  if type(fn) ~= "function" then
    error("on_expect: give a function(ctx), got a " .. type(fn), 2)
  end
  return function(ctx, next)
    if not ctx:_expects_continue() then return next() end
    local first, second = fn(ctx)
    if first == false then return ctx:error(417) end
    if first == 100 then
      ctx:_continue()
    elseif type(first) == "number" and second == nil then
      return ctx:error(first)
    elseif first ~= nil then
      return first, second
    elseif ctx:_has_answer() then
      return
    end
    return next()
  end
end
