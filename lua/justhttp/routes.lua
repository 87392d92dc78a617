--- From the tree of scopes an app is declared as, to the flat lists the dispatcher works with.
--
-- Called once when an app starts, by the dispatcher through app:_routes() and app:_fallback(). What
-- this decides once is which middleware surrounds which route; only where a prefix cannot be
-- compared with a pattern ("/:any" against "/admin") a guard looks at the path of each request.

local limits = require "justhttp.limits"

local find, sub, lower = string.find, string.sub, string.lower

local M = {}

-- ---- patterns -------------------------------------------------------------------------------

--- "/api" and "/users" -> "/api/users"; "/api" and "/" or "" -> "/api".
---@param prefix string
---@param path string
---@return string
function M.join(prefix, path)
  if prefix == "" then return path end
  if path == "/" then return prefix end
  return prefix .. path
end

local join = M.join

local function split(path)
  local segments, pos = {}, 2
  while pos <= #path + 1 do
    local stop = find(path, "/", pos, true) or #path + 1
    segments[#segments + 1] = sub(path, pos, stop - 1)
    pos = stop + 1
  end
  return segments
end

local function is_param(segment) return sub(segment, 1, 1) == ":" end
local function is_rest(segment) return sub(segment, 1, 1) == "*" end

-- Do the paths of `pattern` lie below `prefix`? "all", "none", or "some" when only the path tells.
local function coverage(pattern, prefix)
  local have, want = split(pattern), split(prefix)
  local answer = "all"
  for i = 1, #want do
    local segment = have[i]
    if segment == nil then return "none" end
    if is_rest(segment) then return "some" end
    if not is_param(want[i]) and segment ~= want[i] then
      if not is_param(segment) then return "none" end
      answer = "some"
    end
  end
  return answer
end

-- A function telling whether a path lies below `prefix`, whose segments may be parameters.
local function path_test(prefix)
  if not find(prefix, "/:", 1, true) then
    local below, below_len = prefix .. "/", #prefix + 1
    return function(path) return path == prefix or sub(path, 1, below_len) == below end
  end
  local want = split(prefix)
  return function(path)
    local have = split(path)
    for i = 1, #want do
      local segment = have[i]
      if not segment or segment == "" then return false end
      if not is_param(want[i]) and segment ~= want[i] then return false end
    end
    return true
  end
end

-- A function telling whether a Host field names `host`, which may be "*.example.com".
local function host_test(host)
  host = lower(host)
  local is_wildcard = sub(host, 1, 2) == "*."
  local suffix = is_wildcard and sub(host, 2)
  return function(value)
    local name = lower(value:match("^%[.-%]") or value:match("^[^:]*"))
    if is_wildcard then return #name > #suffix and sub(name, -#suffix) == suffix end
    return name == host
  end
end

local function ctx_test(prefix, host)
  local path_matches = prefix and prefix ~= "" and path_test(prefix)
  local host_matches = host and host_test(host)
  return function(ctx)
    return (not path_matches or path_matches(ctx.path))
      and (not host_matches or host_matches(ctx.host or ""))
  end
end

-- Middleware that runs only where `prefix` and `host` match; elsewhere it is as if it were absent.
local function guard(middleware, prefix, host)
  if (not prefix or prefix == "") and not host then return middleware end
  local applies = ctx_test(prefix, host)
  return limits.inherit(function(ctx, next)
    if applies(ctx) then return middleware(ctx, next) end
    return next()
  end, middleware)
end

-- ---- the lists ---------------------------------------------------------------------------------

-- Visits scopes, parents first. `visit(scope, prefix, host, layers, given)`: prefix and host as
-- they are in the whole app; layers: middleware of the scope and of those around it, outermost
-- first, each { fn, where, scope, prefix }, where prefix is nil when it covers all of its scope;
-- given: the innermost on_error and templates.
local function each_scope(scope, base, host, layers, given, visit)
  local prefix = join(base, scope._prefix)
  host = scope._host or host
  given = {
    on_error = scope._on_error or given.on_error, templates = scope._templates or given.templates,
  }
  local own = {}
  for i = 1, #layers do own[i] = layers[i] end
  for _, middleware in ipairs(scope._middleware) do
    own[#own + 1] = {
      fn = middleware.fn, where = middleware.where, scope = scope,
      prefix = middleware.prefix and join(prefix, middleware.prefix) or nil,
    }
  end
  visit(scope, prefix, host, own, given)
  for _, entry in ipairs(scope._entries) do
    if entry.scope then
      each_scope(entry.scope, base, host, own, given, visit)
    elseif entry.mounted then
      each_scope(entry.mounted, join(prefix, entry.prefix), host, own, given, visit)
    end
  end
end

-- The middleware of one route: layers around it that cover its pattern, then its own. Beside it the
-- places that declared each of them and, last, the handler.
local function route_middleware(layers, pattern, entry)
  local list, places = {}, {}
  for _, layer in ipairs(layers) do
    local covered = layer.prefix and coverage(pattern, layer.prefix) or "all"
    if covered ~= "none" then
      local fn = layer.fn
      if covered == "some" then fn = guard(fn, layer.prefix, nil) end
      list[#list + 1], places[#places + 1] = fn, layer.where or false
    end
  end
  for _, fn in ipairs(entry.middleware) do
    list[#list + 1], places[#places + 1] = fn, entry.where
  end
  places[#places + 1] = entry.where
  return list, places
end

local function freeze(app)
  app._is_frozen = true
  local function visit(scope)
    for _, entry in ipairs(scope._entries) do
      if entry.mounted then freeze(entry.mounted) end
      if entry.scope then visit(entry.scope) end
    end
  end
  visit(app)
end

--- The flat list of routes, scope by scope; from here on the app takes no more.
---@param app justhttp.app
---@return justhttp.route[]
function M.list(app)
  local routes = {}
  each_scope(app, "", nil, {}, {}, function(scope, prefix, host, layers, given)
    for _, entry in ipairs(scope._entries) do
      if entry.handler then
        local pattern = join(prefix, entry.path)
        if pattern == "" then pattern = "/" end
        local middleware, places = route_middleware(layers, pattern, entry)
        routes[#routes + 1] = {
          method = entry.method, host = host or "", pattern = pattern, where = entry.where,
          handler = entry.handler, middleware = middleware, places = places,
          on_error = given.on_error, templates = given.templates,
        }
      end
    end
  end)
  freeze(app)
  return routes
end

--- What surrounds requests without a route: all middleware, each where its scope is, outermost
-- first; and the `not_found` to ask, the innermost scope's first. `not_found` is nil when none is
-- set.
---@param app justhttp.app
---@return justhttp.fallback
function M.fallback(app)
  local middleware, places, choices = {}, {}, {}
  each_scope(app, "", nil, {}, {}, function(scope, prefix, host, layers, given)
    for _, layer in ipairs(layers) do
      if layer.scope == scope then
        middleware[#middleware + 1] = guard(layer.fn, layer.prefix or prefix, host)
        places[#places + 1] = layer.where or false
      end
    end
    if scope._not_found then
      table.insert(choices, 1, {
        applies = ctx_test(prefix, host), fn = scope._not_found, where = scope._not_found_where,
        templates = given.templates,
      })
    end
  end)
  local not_found = app._not_found
  places[#places + 1] = #choices == 1 and choices[1].where or nil
  if #choices > 1 or (#choices == 1 and not not_found) then
    not_found = function(ctx)
      for i = 1, #choices do
        local choice = choices[i]
        if choice.applies(ctx) then
          rawset(ctx, "_templates", choice.templates)
          return choice.fn(ctx)
        end
      end
      return ctx:error(404)
    end
  end
  return {
    middleware = middleware, places = places, not_found = not_found, on_error = app._on_error,
    templates = app._templates,
  }
end

return M
