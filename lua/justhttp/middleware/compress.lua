--- Encodes responses in br, zstd or gzip, whichever the client likes best.
--
-- Left alone: what is small, what a type says is compressed already, statuses without a body and
-- partial content, responses that have a Content-Encoding or say `Cache-Control: no-transform`, and
-- files (app:static sends `.br`, `.zst` and `.gz` neighbours). Streams and events are flushed with
-- every piece, so nothing waits in the coder. A strong ETag becomes a weak one, because the bytes
-- are others than those it was made for.
--
-- A page that has a secret (a CSRF token) and repeats what its caller sent should not be
-- compressed: from the length of many answers the secret can be guessed (BREACH). Give such routes
-- no compress middleware, or mask the secret anew in every response.

local find, lower, match = string.find, string.lower, string.match
local type, error, format, tostring = type, error, string.format, tostring
local rawset, ipairs = rawset, ipairs

local slots = require "justhttp.slots"
local STATUS, BODY, TYPE, ENDING = slots.STATUS, slots.BODY, slots.TYPE, slots.ENDING

local coding, context, door -- required at the first request: specs load this without a worker

local MIN_BYTES = 256 -- below that the coded body is hardly shorter, and often longer

-- Types that shrink; others are compressed already, or unknown.
local SHRINKS = {
  ["application/json"] = true, ["application/javascript"] = true, ["application/xml"] = true,
  ["application/manifest+json"] = true, ["application/wasm"] = true, ["application/graphql"] = true,
  ["application/rtf"] = true, ["application/x-ndjson"] = true, ["application/sql"] = true,
  ["image/svg+xml"] = true, ["image/bmp"] = true, ["image/x-icon"] = true,
  ["image/vnd.microsoft.icon"] = true, ["font/ttf"] = true, ["font/otf"] = true,
  ["application/vnd.ms-fontobject"] = true,
}

local function shrinks(content_type)
  local essence = lower(match(content_type, "^[^;%s]*"))
  return SHRINKS[essence] or find(essence, "^text/") ~= nil or find(essence, "%+json$") ~= nil
    or find(essence, "%+xml$") ~= nil
end

---@class justhttp.compress_options
---@field min_bytes integer? shorter bodies are sent as they are; 256
---@field level integer? of the coding's library
---@field codings string[]? of "br", "zstd" and "gzip"; all of them

local function bits_of(names)
  local bits = 0
  for _, name in ipairs(names) do
    local bit_of = ({ gzip = 2, br = 4, zstd = 8 })[name]
    if not bit_of then
      error(format('compress: %q is no coding; use "br", "zstd" or "gzip"', tostring(name)), 3)
    end
    bits = bits + bit_of
  end
  return bits
end

local function prepare()
  coding = require "justhttp.coding"
  context = require "justhttp.context"
  door = require "justhttp.door"
end

local function weaken_etag(ctx)
  local etag = ctx:response_header "ETag"
  if etag and not find(etag, "^W/") then ctx:set("ETag", "W/" .. etag) end
end

-- The body or stream that stands in the ctx may be encoded.
local function is_fit(ctx, status, ending)
  if status < 200 or status == 204 or status == 206 or status == 304 then return false end
  if ctx:response_header "Content-Encoding" then return false end
  local cache = ctx:response_header "Cache-Control"
  if cache and find(lower(cache), "no-transform", 1, true) then return false end
  local content_type = ctx:response_header "Content-Type"
  if content_type then return shrinks(content_type) end
  -- Our own types: text, HTML and JSON shrink, bytes are unknown; a stream is text.
  return ending ~= nil or (ctx[TYPE] >= 1 and ctx[TYPE] <= 3)
end

--- Makes the middleware: `http.middleware.compress()`.
---@param options justhttp.compress_options?
---@return justhttp.middleware
return function(options)
  options = options or {}
  if type(options) ~= "table" then
    error("compress: options must be a table, got a " .. type(options), 2)
  end
  local min_bytes, level = options.min_bytes or MIN_BYTES, options.level
  local available = bits_of(options.codings or { "br", "zstd", "gzip" })

  local function add_coding(ctx, kind)
    ctx:set("Content-Encoding", coding.NAMES[kind])
    weaken_etag(ctx)
  end

  return function(ctx, next)
    next()
    if not context then prepare() end
    local ending, body = ctx[ENDING], ctx[BODY]
    if ending == context.send then ending = false end
    local is_stream = context.kept(ctx, "_is_streamed")
    if ending and not is_stream then return end
    if not is_stream and (not body or #body < min_bytes) then return end
    if not is_fit(ctx, ctx[STATUS] or 200, is_stream) then return end
    ctx:append("Vary", "Accept-Encoding")
    local kind = door.C.jh_ctx_choose_coding(context.alive(ctx), available)
    if kind == 0 then return end
    if is_stream then
      rawset(ctx, "_stream_coding", { kind = kind, level = level })
      add_coding(ctx, kind)
      return
    end
    local coded = coding.encode(body, kind, level)
    if #coded >= #body then return end
    ctx[BODY] = coded
    add_coding(ctx, kind)
  end
end
