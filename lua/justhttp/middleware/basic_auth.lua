--- HTTP Basic authentication (RFC 7617): lets a request through when its name and password are
-- right.
--
-- `users` is a table of names and passwords, or `verify(name, password, ctx)` decides (it may
-- wait). The name goes into `ctx.values.user`. Comparing takes the same time wherever two texts
-- differ, and an unknown name costs as much as a wrong password.

local base64 = require "justhttp.base64"
local bit = require "bit"

local byte, find, match, sub, gsub = string.byte, string.find, string.match, string.sub, string.gsub
local bor, bxor = bit.bor, bit.bxor

-- Looks at every byte of what the client sent, whatever the secret is.
local function is_equal(given, secret)
  local difference = bxor(#given, #secret)
  local secret_len = #secret
  for i = 1, #given do
    local other = secret_len > 0 and byte(secret, (i - 1) % secret_len + 1) or 0
    difference = bor(difference, bxor(byte(given, i), other))
  end
  return difference == 0
end

-- Name and password of an Authorization field, or nil.
local function credentials(field)
  local encoded = field and match(field, "^[Bb][Aa][Ss][Ii][Cc] +([%w+/=]+) *$")
  local text = encoded and base64.decode(encoded)
  local colon = text and find(text, ":", 1, true)
  if not colon or find(text, "%c") then return nil end
  return sub(text, 1, colon - 1), sub(text, colon + 1)
end

local function check_users(users)
  if type(users) ~= "table" then
    error('basic_auth: give users, a table such as { ada = "secret" }, or verify, a '
      .. "function(name, password, ctx)", 3)
  end
  for name, password in pairs(users) do
    if type(name) ~= "string" or type(password) ~= "string" or find(name, ":", 1, true) then
      error("basic_auth: users are names (without ':') and passwords, both strings", 3)
    end
  end
end

---@class justhttp.basic_auth_options
---@field users table<string, string>? names and passwords
---@field verify (fun(name: string, password: string, ctx: justhttp.ctx): boolean)?
---@field realm string? what the browser shows, "Restricted" when absent

--- Makes the middleware.
---@param options justhttp.basic_auth_options
---@return justhttp.middleware
return function(options)
  if type(options) ~= "table" then
    error('basic_auth: give options such as { users = { ada = "secret" } }', 2)
  end
  local users, verify = options.users, options.verify
  if verify ~= nil and type(verify) ~= "function" then
    error("basic_auth: verify must be a function(name, password, ctx), got a " .. type(verify), 2)
  end
  if not verify then check_users(users) end
  local realm = options.realm or "Restricted"
  if type(realm) ~= "string" or find(realm, "%c") then
    error("basic_auth: the realm must be a string without control characters", 2)
  end
  local challenge = 'Basic realm="' .. gsub(realm, '["\\]', "\\%0") .. '", charset="UTF-8"'

  return function(ctx, next)
    local name, password = credentials(ctx.headers.authorization)
    local is_let_in = false
    if name and verify then
      is_let_in = verify(name, password, ctx) and true or false
    elseif name then
      local secret = users[name]
      is_let_in = is_equal(password, secret or "\0") and secret ~= nil
    end
    if not is_let_in then
      ctx:error(401)
      ctx:set("WWW-Authenticate", challenge)
      return
    end
    ctx.values.user = name
    return next()
  end
end
