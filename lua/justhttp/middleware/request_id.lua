--- Gives every request an id: in `ctx.values.request_id` and in the response's X-Request-Id field.
--
-- An id the client (or a proxy in front) sent is kept when it is harmless: short, of letters,
-- digits and -_.: only, so that it can go into logs and headers as it is. Else one is made: 48
-- random bits per worker and a counter, so making one costs no system call and never repeats.

local find, format, byte = string.find, string.format, string.byte

local MAX_LENGTH = 128

local prefix, counter

-- Read when the first id is made: a worker must not share its prefix with the process it came from.
local function make_prefix()
  local source = io.open("/dev/urandom", "rb")
  local bytes = source and source:read(6)
  if source then source:close() end
  if not bytes or #bytes < 6 then
    return format("%x%x", os.time(), tonumber(format("%p", {}):match("%x+$"), 16) % 0xffffff)
  end
  return format("%02x%02x%02x%02x%02x%02x", byte(bytes, 1, 6))
end

local function next_id()
  if not prefix then prefix, counter = make_prefix() .. "-", 0 end
  counter = counter + 1
  return prefix .. counter
end

---@class justhttp.request_id_options
---@field header string? name of the field, "X-Request-Id" when absent
---@field trust boolean? false: ignore what the client sent
---@field generate (fun(ctx: justhttp.ctx): string)? makes ids in place of ours

--- Makes the middleware.
---@param options justhttp.request_id_options?
---@return justhttp.middleware
return function(options)
  options = options or {}
  local header = options.header or "X-Request-Id"
  local trust, generate = options.trust ~= false, options.generate or next_id
  return function(ctx, next)
    local id = trust and ctx.headers[header]
    if not id or #id > MAX_LENGTH or not find(id, "^[%w%-_.:]+$") then id = generate(ctx) end
    ctx.values.request_id = id
    ctx:set(header, id)
    return next()
  end
end
