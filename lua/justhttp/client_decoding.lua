--- Undoes the content coding of a response: gzip, br, zstd, and several on top of each other.
--
-- Used by client.lua for responses that have a Content-Encoding. What comes out is bounded like the
-- body itself: a small file that unpacks to a huge one is an error and not an empty machine. A
-- coding that is not known is left as it is.

local coding = require "justhttp.coding"
local door = require "justhttp.door"

local C = door.C
local lower, format = string.lower, string.format

local MOST_CODINGS = 4

-- The codings in the order they have to be undone; nil when one is unknown.
local function codings_of(res)
  local kinds = {}
  for name in (res.headers["content-encoding"] or ""):gmatch "[^,%s]+" do
    name = lower(name)
    if name ~= "identity" then
      local kind = coding.KINDS[name]
      if not kind then return nil end
      table.insert(kinds, 1, kind)
    end
  end
  return kinds
end

local function reason_of(code, limit)
  if code == C.JH_ELIMIT then
    return format("the decoded body is above %d bytes", limit), "limit"
  end
  return "the coded body is damaged", "protocol"
end

local function fail(res, code, limit)
  local reason, kind = reason_of(code, limit)
  return nil, res._what .. ": " .. reason, kind
end

local function decode_whole(res, kinds, limit)
  local body = res.body
  for _, kind in ipairs(kinds) do
    local decoded, code = coding.decode(body, kind, limit)
    if not decoded then return fail(res, code, limit) end
    body = decoded
  end
  res.body = body
  return res
end

-- A reader in front of the one that takes bytes off the link.
local function decode_streamed(res, kind, limit)
  local coder = coding.decoder(kind, limit)
  res._coder = coder
  local is_over = false
  res._decoder = function(self, read_raw, bytes)
    while not is_over do
      local piece, err, why = read_raw(self, bytes)
      if err then return nil, err, why end
      is_over = piece == nil
      local decoded, code
      if is_over then decoded, code = coder:finish "" else decoded, code = coder:push(piece) end
      if not decoded then
        is_over = true
        self:close()
        return fail(self, code, limit)
      end
      if is_over then
        self._coder = nil
        coder:close()
      end
      if decoded ~= "" then return decoded end
    end
    return nil
  end
  return res
end

---@param res justhttp.client_response
---@param request justhttp.outgoing
---@return justhttp.client_response?
---@return string? err
---@return string? kind
return function(res, request)
  local kinds = codings_of(res)
  if not kinds or #kinds == 0 then return res end
  if #kinds > MOST_CODINGS then
    res:close()
    return nil, res._what .. ": more than " .. MOST_CODINGS .. " content codings", "limit"
  end
  local limit = request.max_body_bytes or 2 ^ 53
  if res.body then
    if res.body == "" then return res end
    return decode_whole(res, kinds, limit)
  end
  if #kinds > 1 then return res end
  return decode_streamed(res, kinds[1], limit)
end
