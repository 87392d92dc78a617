--- Cross-origin resource sharing: which other sites' pages may read responses.
--
-- Answers preflight requests itself with 204 and adds the fields to everything else, errors
-- included. Requests of other origins are not refused: CORS tells browsers what scripts may read,
-- it is no access control. Whenever the answer depends on a request field, Vary says so, or a cache
-- would hand one origin's answer to another.

local find, format, lower = string.find, string.format, string.lower
local concat = table.concat

local OPTIONS = {
  origins = true, credentials = true, methods = true, headers = true, expose = true, max_age = true,
}

---@alias justhttp.cors_origins "*"|string|string[]|fun(origin: string, ctx: justhttp.ctx): boolean

---@class justhttp.cors_options
---@field origins justhttp.cors_origins? who may read; "*" when absent
---@field credentials boolean? also with cookies; not together with "*"
---@field methods string[]? of preflight answers; the usual six when absent
---@field headers string[]? request fields pages may set; when absent those they ask for
---@field expose string[]? response fields pages may read
---@field max_age integer? seconds a browser may keep a preflight answer

local function joined(options, key)
  local list = options[key]
  if list == nil then return nil end
  if type(list) == "string" then list = { list } end
  if type(list) ~= "table" then
    error(format("cors: %s must be a list of names, got a %s", key, type(list)), 3)
  end
  for _, name in ipairs(list) do
    if type(name) ~= "string" or not find(name, "^[%w!#$%%&'*+%-.^_`|~]+$") then
      error(format("cors: %q in %s is no name of a %s", tostring(name), key,
        key == "methods" and "method" or "field"), 3)
    end
  end
  return concat(list, ", ")
end

-- A function(origin, ctx) telling whether an origin may read.
local function origin_test(origins)
  if type(origins) == "function" then return origins end
  local allowed = {}
  for _, origin in ipairs(type(origins) == "table" and origins or { origins }) do
    if type(origin) ~= "string"
      or not (origin == "null" or find(origin, "^%a[%w+.-]*://[^/]+$")) then
      error(format('cors: %q is no origin; write one such as "https://example.com", without a path',
        tostring(origin)), 3)
    end
    allowed[lower(origin)] = true
  end
  return function(origin) return allowed[lower(origin)] == true end
end

--- Makes the middleware.
---@param options justhttp.cors_options?
---@return justhttp.middleware
return function(options)
  options = options or {}
  for key in pairs(options) do
    if not OPTIONS[key] then
      error(format("cors: unknown option %q; options are origins, credentials, methods, headers, "
        .. "expose and max_age", tostring(key)), 2)
    end
  end
  local origins = options.origins or "*"
  if type(origins) == "table" and #origins == 1 and origins[1] == "*" then origins = "*" end
  local is_any, credentials = origins == "*", options.credentials == true
  if is_any and credentials then
    error('cors: credentials need a list of origins; browsers refuse them together with "*"', 2)
  end
  local may_read = not is_any and origin_test(origins)
  local methods = joined(options, "methods") or "GET, HEAD, PUT, PATCH, POST, DELETE"
  local headers, expose = joined(options, "headers"), joined(options, "expose")
  local max_age = options.max_age and format("%d", options.max_age)

  -- Sets what both kinds of response need; false when the origin may not read.
  local function allow(ctx, origin)
    if is_any then
      ctx:set("Access-Control-Allow-Origin", "*")
      return true
    end
    ctx:append("Vary", "Origin")
    if not origin or not may_read(origin, ctx) then return false end
    ctx:set("Access-Control-Allow-Origin", origin)
    if credentials then ctx:set("Access-Control-Allow-Credentials", "true") end
    return true
  end

  local function preflight(ctx, origin)
    ctx.status = 204
    if not headers then ctx:append("Vary", "Access-Control-Request-Headers") end
    if not allow(ctx, origin) then return end
    ctx:set("Access-Control-Allow-Methods", methods)
    local allowed_headers = headers or ctx.headers["access-control-request-headers"]
    if allowed_headers and allowed_headers ~= "" then
      ctx:set("Access-Control-Allow-Headers", allowed_headers)
    end
    if max_age then ctx:set("Access-Control-Max-Age", max_age) end
  end

  return function(ctx, next)
    local origin = ctx.headers.origin
    if origin and ctx.method == "OPTIONS" and ctx.headers["access-control-request-method"] then
      return preflight(ctx, origin)
    end
    if allow(ctx, origin) and expose then ctx:set("Access-Control-Expose-Headers", expose) end
    return next()
  end
end
