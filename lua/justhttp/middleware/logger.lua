--- The access log: a line for each request, written when it is known what the client gets.
--
-- That is before a response is sent, behind the last piece of a stream, or at once where a timeout
-- answers. A client that left before its answer is status 499, as in nginx; an upgrade is 101; a
-- connection that was taken over without an answer is 0. Lines go through the door into a buffer
-- that is written once per turn of the loop. Formats: "common" and "combined" as Apache and nginx
-- write them, "json", and "dev", short and coloured on a terminal. A function(ctx, seconds) makes
-- lines of its own.

local date = require "justhttp.date"
local json = require "justhttp.json"

local find, format, gsub, byte = string.find, string.format, string.gsub, string.byte
local floor = math.floor
local rawget, rawset = rawget, rawset

local FORMATS = { common = true, combined = true, json = true, dev = true }

-- Quotes, backslashes and control bytes would let a client forge the rest of the line.
local function escape_byte(one) return format("\\x%02X", byte(one)) end

local function quoted(text)
  if not text then return "-" end
  if find(text, '["\\%c]') then text = gsub(text, '["\\%c]', escape_byte) end
  return text
end

-- The formatted second, made anew once per second.
local stamp_second, stamp = -1, ""

local function clf_time(now)
  local second = floor(now)
  if second ~= stamp_second then stamp_second, stamp = second, date.clf(second) end
  return stamp
end

-- Bytes of the body that go to the client.
local function sent_bytes(ctx)
  local status = ctx.status
  if ctx.method == "HEAD" or status == 204 or status == 304 then return 0 end
  return ctx.response_bytes or 0
end

local function common_line(ctx, now, user)
  local who = user and quoted(user) or "-"
  return (ctx.ip or "-") .. " - " .. who .. " [" .. clf_time(now) .. '] "' .. ctx.method .. " "
    .. quoted(ctx.url) .. " " .. ctx.version .. '" ' .. ctx.status .. " " .. sent_bytes(ctx)
end

local makers = {}

function makers.common(ctx, _, now, user) return common_line(ctx, now, user) end

function makers.combined(ctx, _, now, user)
  local headers = ctx.headers
  return common_line(ctx, now, user) .. ' "' .. quoted(headers.referer) .. '" "'
    .. quoted(headers["user-agent"]) .. '"'
end

function makers.json(ctx, seconds, now, user)
  return json.encode {
    time = date.iso(now), ip = ctx.ip, method = ctx.method, target = ctx.url, host = ctx.host,
    status = ctx.status, bytes = sent_bytes(ctx), user = user,
    duration_ms = floor(seconds * 1e6 + 0.5) / 1e3, user_agent = ctx.headers["user-agent"],
    request_id = ctx.values.request_id,
  }
end

local function coloured(status)
  local colour = status >= 500 and 31 or status >= 400 and 33 or status >= 300 and 36 or 32
  return "\27[" .. colour .. "m" .. status .. "\27[0m"
end

local function dev_maker(has_colour)
  return function(ctx, seconds)
    local status = has_colour and coloured(ctx.status) or ctx.status
    return format("%-7s %s %s  %.1f ms", ctx.method, status, quoted(ctx.url), seconds * 1000)
  end
end

---@alias justhttp.logger_format
---| "common" # host, time, request line, status, bytes
---| "combined" # common, then referer and user agent
---| "json" # an object per line
---| "dev" # short, coloured on a terminal
---| fun(ctx: justhttp.ctx, seconds: number): string? # nil skips the line

---@class justhttp.logger_options
---@field format justhttp.logger_format? "combined" when absent
---@field colour boolean? for "dev"; as the terminal is when absent
---@field user (fun(ctx: justhttp.ctx): string?)? the name for the user column
---@field skip (fun(ctx: justhttp.ctx): boolean)? requests that get no line

--- Makes the middleware: `http.middleware.logger()`, `logger("dev")` or `logger{ format = "json"
-- }`.
---@param options string|justhttp.logger_options|nil
---@return justhttp.middleware
return function(options)
  if type(options) ~= "table" then options = { format = options } end
  local kind = options.format or "combined"
  if type(kind) ~= "function" and not FORMATS[kind] then
    error(format('logger: %q is no format; use "common", "combined", "json", "dev" or a '
      .. "function(ctx, seconds)", tostring(kind)), 2)
  end
  local door, make
  local user, skip = options.user, options.skip
  local function prepare()
    door = require "justhttp.door"
    make = makers[kind] or kind
    if kind == "dev" then
      local has_colour = options.colour
      if has_colour == nil then has_colour = door.is_terminal() and not os.getenv "NO_COLOR" end
      make = dev_maker(has_colour)
    end
  end

  local function write(ctx)
    if skip and skip(ctx) then return end
    local seconds = (door.precise_ms() - rawget(ctx, "_started_ms")) / 1000
    local line = make(ctx, seconds, door.unix_ms() / 1000, user and user(ctx) or nil)
    if line then door.access_log(line) end
  end

  return function(ctx, next)
    if not door then prepare() end
    if not rawget(ctx, "_started_ms") then rawset(ctx, "_started_ms", door.precise_ms()) end
    ctx:_on_outcome(write)
    return next()
  end
end
