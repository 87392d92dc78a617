--- Sets the response fields that make browsers stricter; a handler may set any of them anew.
--
-- Defaults suit a site whose pages, scripts and images come from itself. Each field is an option;
-- a string replaces its value, false leaves it out. Content-Security-Policy and Permissions-Policy
-- have no default, because a wrong guess breaks pages. Strict-Transport-Security goes only into
-- responses over TLS.

local DEFAULTS = {
  content_type_options = "nosniff",
  frame_options = "SAMEORIGIN",
  referrer_policy = "strict-origin-when-cross-origin",
  opener_policy = "same-origin",
  resource_policy = "same-origin",
  transport_security = "max-age=31536000; includeSubDomains",
  xss_protection = "0",
}

-- In the order of the response.
local FIELDS = {
  { "content_type_options", "X-Content-Type-Options" },
  { "frame_options", "X-Frame-Options" },
  { "referrer_policy", "Referrer-Policy" },
  { "opener_policy", "Cross-Origin-Opener-Policy" },
  { "resource_policy", "Cross-Origin-Resource-Policy" },
  { "xss_protection", "X-XSS-Protection" },
  { "content_security_policy", "Content-Security-Policy" },
  { "permissions_policy", "Permissions-Policy" },
  { "transport_security", "Strict-Transport-Security" },
}

---@class justhttp.secure_headers_options
---@field content_type_options string|false|nil
---@field frame_options string|false|nil
---@field referrer_policy string|false|nil
---@field opener_policy string|false|nil
---@field resource_policy string|false|nil
---@field xss_protection string|false|nil
---@field content_security_policy string|false|nil
---@field permissions_policy string|false|nil
---@field transport_security string|false|nil

local function check(options)
  for key, value in pairs(options) do
    local known, names = false, {}
    for i, field in ipairs(FIELDS) do
      names[i] = field[1]
      if field[1] == key then known = true end
    end
    if not known then
      error(("secure_headers: unknown option %q; options are %s"):format(tostring(key),
        table.concat(names, ", ")), 3)
    end
    if value ~= false and type(value) ~= "string" then
      error(("secure_headers: %s must be a string, or false to leave the field out"):format(key), 3)
    end
  end
end

--- Makes the middleware.
---@param options justhttp.secure_headers_options?
---@return justhttp.middleware
return function(options)
  options = options or {}
  check(options)
  local names, values, count, transport_security = {}, {}, 0, nil
  for _, field in ipairs(FIELDS) do
    local value = options[field[1]]
    if value == nil then value = DEFAULTS[field[1]] end
    if value and field[1] == "transport_security" then
      transport_security = value
    elseif value then
      count = count + 1
      names[count], values[count] = field[2], value
    end
  end
  return function(ctx, next)
    for i = 1, count do ctx:set(names[i], values[i]) end
    if transport_security and ctx.scheme == "https" then
      ctx:set("Strict-Transport-Security", transport_security)
    end
    return next()
  end
end
