--- What a request tells about the page before it: the Referer field under a referrer policy.
--
-- Called by session.lua. Pure. The policies are those of the W3C's Referrer Policy; user names,
-- passwords and fragments are never told, and nothing that is not http or https.

local find, match, lower, gmatch = string.find, string.match, string.lower, string.gmatch

local M = {}

--- What browsers do when nobody says otherwise.
M.DEFAULT = "strict-origin-when-cross-origin"

local MAX_BYTES = 4096
local MOST_KNOWN = 200

-- Scheme, host with port, and the rest without fragment; nil for what is no page of the web.
local function split(url)
  local scheme, authority, rest = match(url, "^(%a+)://([^/?#]+)([^#]*)")
  if not scheme then return nil end
  scheme, authority = lower(scheme), lower(match(authority, "([^@]*)$"))
  if scheme == "http" then
    authority = match(authority, "^(.*):80$") or authority
  elseif scheme == "https" then
    authority = match(authority, "^(.*):443$") or authority
  else
    return nil
  end
  if not find(rest, "^/") then rest = "/" .. rest end
  return scheme .. "://" .. authority, rest, scheme == "https"
end

-- Sessions go to and fro between few pages: what was split is kept.
local known, known_count = {}, 0

local function split_known(url)
  local parts = known[url]
  if not parts then
    local origin, rest, is_secure = split(url)
    parts = { origin or false, rest, is_secure }
    if known_count >= MOST_KNOWN then known, known_count = {}, 0 end
    known[url], known_count = parts, known_count + 1
  end
  return parts[1], parts[2], parts[3]
end

-- "origin" or "full" or nothing, by whether origins differ and whether it goes from TLS to none.
local POLICIES = {
  ["no-referrer"] = function() return nil end,
  ["unsafe-url"] = function() return "full" end,
  ["origin"] = function() return "origin" end,
  ["same-origin"] = function(is_cross) return not is_cross and "full" or nil end,
  ["strict-origin"] = function(_, is_downgrade) return not is_downgrade and "origin" or nil end,
  ["no-referrer-when-downgrade"] = function(_, is_downgrade)
    return not is_downgrade and "full" or nil
  end,
  ["origin-when-cross-origin"] = function(is_cross) return is_cross and "origin" or "full" end,
  ["strict-origin-when-cross-origin"] = function(is_cross, is_downgrade)
    if is_downgrade then return nil end
    return is_cross and "origin" or "full"
  end,
}

--- True for the name of a policy.
---@param policy any
---@return boolean
function M.is_policy(policy) return POLICIES[policy] ~= nil end

--- The value of Referer for a request from one page to another; nil for none.
---@param policy string
---@param from string URL
---@param to string URL
---@return string?
function M.of(policy, from, to)
  local origin, rest, is_from_secure = split_known(from)
  local to_origin, _, is_to_secure = split_known(to)
  if not origin or not to_origin then return nil end
  local told = POLICIES[policy](origin ~= to_origin, is_from_secure and not is_to_secure)
  if not told then return nil end
  if told == "origin" or #origin + #rest > MAX_BYTES then return origin .. "/" end
  return origin .. rest
end

--- The policy that a Referrer-Policy field asks for: the last one in it that is known.
---@param field string?
---@return string? policy
function M.parse(field)
  local policy
  for token in gmatch(field or "", "[^%s,]+") do
    token = lower(token)
    if POLICIES[token] then policy = token end
  end
  return policy
end

return M
