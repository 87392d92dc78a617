--- The onion: a handler and the middleware around it, made into one function when the app starts.
--
-- Every `next` is made here, once per route and level, so a request creates no closure. It finds
-- its ctx by itself (the one whose code runs), so middleware may call it from a task of its own.

local context = require "justhttp.context"
local scheduler = require "justhttp.scheduler"

local apply = context.apply
local state = scheduler.state

-- Runs one function of the chain and keeps what it returned as the response.
local function center(handler)
  return function(ctx)
    local first, second = handler(ctx)
    if first ~= nil then return apply(ctx, first, second) end
  end
end

local function layer(middleware, inner)
  local function next_(ctx) return inner(ctx or state.ctx) end
  return function(ctx)
    local first, second = middleware(ctx, next_)
    if first ~= nil then return apply(ctx, first, second) end
  end
end

--- Composes a route. Without middleware that is the handler itself.
---@param middleware justhttp.middleware[] outermost first
---@param handler justhttp.handler
---@return justhttp.handler
return function(middleware, handler)
  if #middleware == 0 then return handler end
  local run = center(handler)
  for i = #middleware, 1, -1 do run = layer(middleware[i], run) end
  return run
end
