--- Decodes request bodies in gzip, br or zstd, up to a hard limit.
--
-- `ctx.body`, `ctx:json()` and `ctx:form()` then see the decoded bytes. A body that would pass the
-- limit is answered 413 at the byte where it does, so a few kilobytes cannot become gigabytes; one
-- that is damaged is answered 400, a coding that is not known 415 with the ones that are.

local type, error, tostring, rawset = type, error, tostring, rawset
local lower = string.lower

local coding, door -- required at the first request: specs load this without a worker

--- Makes the middleware: `http.middleware.decompress(1024 * 1024)`.
---@param max_bytes integer decoded bytes at most
---@return justhttp.middleware
return function(max_bytes)
  if type(max_bytes) ~= "number" or max_bytes < 0 or max_bytes % 1 ~= 0 then
    error("decompress: give the limit in bytes, such as 1024 * 1024, got " .. tostring(max_bytes),
      2)
  end
  return function(ctx, next)
    local name = ctx.headers["content-encoding"]
    if not name or lower(name) == "identity" then return next() end
    coding = coding or require "justhttp.coding"
    door = door or require "justhttp.door"
    local kind = coding.KINDS[lower(name)]
    if not kind then
      ctx:error(415, "Content-Encoding must be one of br, gzip and zstd")
      ctx:set("Accept-Encoding", "br, gzip, zstd")
      return
    end
    local body, code = coding.decode(ctx.body, kind, max_bytes)
    if not body then
      if code == door.C.JH_ELIMIT then return ctx:error(413) end
      return ctx:error(400, "the body is not what its Content-Encoding says")
    end
    rawset(ctx, "_request_body", body)
    return next()
  end
end
