--- What routes say about request bodies before these come: how large, how slow, and whether
-- something wants to look at the headers first.
--
-- Middleware that says so is noted here when it is made (`declare`); when the app starts, the
-- dispatcher asks for each route's chain (`resolve`) and tells the core. So a route may allow more
-- than max_body_bytes, and a body that it refuses is not waited for. Of several limits around a
-- route the innermost counts.

local M = {}

---@class justhttp.body_policy
---@field body_bytes integer? most bytes of the body
---@field body_timeout_ms integer? between two reads
---@field is_early boolean? the handler starts before its body, however small that is

local declared = setmetatable({}, { __mode = "k" }) -- middleware -> its policy

--- Notes what a middleware says about bodies. Returns it.
---@param middleware justhttp.middleware
---@param policy justhttp.body_policy
---@return justhttp.middleware
function M.declare(middleware, policy)
  declared[middleware] = policy
  return middleware
end

--- `guarded` calls `middleware` for some paths only: which is known when it runs, so all of its
-- routes start before the body. Returns guarded.
---@param guarded justhttp.middleware
---@param middleware justhttp.middleware
---@return justhttp.middleware
function M.inherit(guarded, middleware)
  if declared[middleware] then declared[guarded] = { is_early = true } end
  return guarded
end

-- Stands for all limits of a chain; the core knows the number.
local function check(ctx, next)
  if not ctx:_body_fits() then return ctx:error(413) end
  return next()
end

--- Takes the limits out of a chain, with one check in the place of the innermost, and says what
-- they come to. The policy is nil when the chain says nothing.
---@param chain justhttp.middleware[] outermost first
---@param places string[]? what declared each of them and, last, the handler
---@return justhttp.middleware[] chain
---@return justhttp.body_policy? policy
---@return string[] places of the chain as it is now
function M.resolve(chain, places)
  places = places or {}
  local policy
  for i = 1, #chain do
    local said = declared[chain[i]]
    if said then
      policy = policy or {}
      policy.body_bytes = said.body_bytes or policy.body_bytes
      policy.body_timeout_ms = said.body_timeout_ms or policy.body_timeout_ms
      policy.is_early = said.is_early or policy.is_early
    end
  end
  if not policy then return chain, nil, places end
  local list, list_places = {}, { places[#chain + 1] }
  local is_checked = false
  for i = #chain, 1, -1 do
    local said = declared[chain[i]]
    local kept = chain[i]
    if said and not said.is_early then
      kept = said.body_bytes and not is_checked and check or nil
      is_checked = is_checked or kept ~= nil
    end
    if kept then
      table.insert(list, 1, kept)
      table.insert(list_places, 1, places[i])
    end
  end
  return list, policy, list_places
end

return M
