-- Runs bytes through the parser in this process, as a connection would, and tells what came out.
--
--   local parse = require "spec.support.parse"
--   local message = parse.message("GET / HTTP/1.1\r\n…")          -- the first message of the bytes
--   local message = parse.message(bytes, { cut = 1, max_header_count = 3 })
--
-- message.outcome is "done", "more" or "error" (then status and reason are set); a message whose
-- head is complete has method, target, path, query, host, …, headers as { { name, value }, … },
-- body and trailers (their lines); message.rest is what follows it. `cut` is the size of the pieces
-- the bytes come in (default: all at once). The other options are limits. parse.accepts() and
-- parse.refuses() are assertions about bytes cut in several ways.
local ffi = require "ffi"
local assert = require "luassert"
local core = require "spec.support.core"
local C = core.load("http/parser.h", "http/method.h")

local M = {}

local HEADERS = 128
local outcomes = { [0] = "done", [1] = "more", [-1] = "error" }

local function limits_of(options)
  return ffi.new("jh_parse_limits", {
    max_header_bytes = options.max_header_bytes or 16384,
    max_header_count = options.max_header_count or 100,
    max_target_bytes = options.max_target_bytes or 8192,
    max_body_bytes = options.max_body_bytes or 1048576,
  })
end

local function text(str) return ffi.string(str.ptr, str.len) end

local function read_request(request, message)
  local function span(it) return ffi.string(request.base + it.off, it.len) end
  message.method = text(C.jh_method_name(request.method))
  message.version = "1." .. request.http_minor
  for _, name in ipairs { "target", "query", "host" } do message[name] = span(request[name]) end
  message.path = text(C.jh_request_path(request))
  message.content_length = request.has_content_length and tonumber(request.content_length) or nil
  for _, name in ipairs { "is_keep_alive", "is_chunked", "is_upgrade", "expects_continue",
    "has_host", "has_query", "path_is_plain", "target_form" } do
    message[name] = request[name]
  end
  message.headers = {}
  for i = 0, request.header_count - 1 do
    message.headers[i + 1] = { span(request.headers[i].name), span(request.headers[i].value) }
  end
  message.has_body = request.is_chunked or request.content_length > 0
end

local function fail(parser, message)
  message.outcome = "error"
  message.status, message.reason = parser.status, ffi.string(parser.reason)
  return message
end

-- The body in pieces of `cut` bytes; the bytes are copied because they are decoded in place.
local function read_body(parser, limits, message, bytes, cut)
  local used, body_len = ffi.new("size_t[1]"), ffi.new("size_t[1]")
  local pieces, trailers, at = {}, {}, 0
  while at < #bytes do
    local piece = bytes:sub(at + 1, at + cut)
    local data = ffi.new("char[?]", #piece + 1, piece)
    local parsed = C.jh_parser_body(parser, limits, data, #piece, used, body_len)
    local result = outcomes[tonumber(parsed)]
    if result == "error" then return fail(parser, message) end
    pieces[#pieces + 1] = ffi.string(data, body_len[0])
    trailers[#trailers + 1] = text(parser.trailers)
    at = at + tonumber(used[0])
    message.outcome = result
    if result == "done" then break end
    assert(tonumber(used[0]) == #piece, "the parser left bytes of an unfinished body")
  end
  message.body, message.rest = table.concat(pieces), bytes:sub(at + 1)
  message.trailers = table.concat(trailers)
  return message
end

function M.message(bytes, options)
  options = options or {}
  local limits, cut = limits_of(options), options.cut or math.max(#bytes, 1)
  local parser, headers = ffi.new("jh_parser"), ffi.new("jh_header[?]", HEADERS)
  local request = ffi.new("jh_request", { headers = headers, header_capacity = HEADERS })
  local head_len = ffi.new("size_t[1]")
  local message = { outcome = "more" }
  C.jh_parser_init(parser)
  for given = cut, #bytes + cut - 1, cut do
    -- A block of its own every time: the bytes may move while a head arrives.
    local received = bytes:sub(1, given)
    local data = ffi.new("char[?]", #received + 1, received)
    local parsed = C.jh_parser_head(parser, request, limits, data, #received, head_len)
    message.outcome = outcomes[tonumber(parsed)]
    if message.outcome == "error" then return fail(parser, message) end
    if message.outcome == "done" then
      read_request(request, message)
      break
    end
  end
  if message.outcome ~= "done" then return message end
  local rest = bytes:sub(tonumber(head_len[0]) + 1)
  message.body, message.rest, message.head_bytes = "", rest, tonumber(head_len[0])
  if not message.has_body then return message end
  message.outcome = "more"
  return read_body(parser, limits, message, rest, cut)
end

-- Every way to cut the bytes must give the same message, so cases are run whole and in pieces.
local function each_cut(bytes, options, check)
  for _, cut in ipairs { 1, 3, math.max(#bytes, 1) } do
    local with_cut = { cut = cut }
    for name, value in pairs(options or {}) do with_cut[name] = value end
    check(M.message(bytes, with_cut), ("%q in pieces of %d"):format(bytes, cut))
  end
end

-- Asserts that the bytes begin with a whole message that has the fields of `want`.
function M.accepts(bytes, want, options)
  each_cut(bytes, options, function(message, what)
    assert.are.equal("done", message.outcome, what .. ": " .. (message.reason or ""))
    for name, value in pairs(want or {}) do
      assert.are.same(value, message[name], name .. " of " .. what)
    end
  end)
end

-- Asserts that the bytes are answered with `status`, for this `reason` when it is given.
function M.refuses(bytes, status, reason, options)
  each_cut(bytes, options, function(message, what)
    assert.are.equal("error", message.outcome, what)
    assert.are.equal(status, message.status, what .. ": " .. message.reason)
    if reason then assert.are.equal(reason, message.reason, what) end
  end)
end

return M
