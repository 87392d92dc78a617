-- Heads on their way through a proxy, from text to text: for the specs of core/http/forward_*.c.
--
--   local forward = require "spec.support.forward"
--   local head = forward.request("GET /a HTTP/1.1\r\n…", { flags = …, host = "up", … })
--   local head = forward.response("Content-Type: …\r\n", { status = 200, … })
--   forward.target("/p/a%20b?q", { prefix = 3, base = "/x" })   -- the target alone
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/forward.h", "http/parser.h", "http/target.h", "http/method.h",
  "base/alloc.h", "base/arena.h", "base/pool.h")

local M = { C = C }

-- A block of the C heap, so that AddressSanitizer sees who goes beyond it.
local function block(bytes)
  return ffi.gc(ffi.cast("char *", C.jh_alloc(bytes)), C.jh_free)
end

-- What C borrows lives as long as the table it is in.
local function borrow(keep, text)
  if text == nil then return ffi.new "jh_str" end
  keep[#keep + 1] = text
  return ffi.new("jh_str", ffi.cast("const char *", text), #text)
end

local function parse(keep, text)
  local data = block(#text)
  ffi.copy(data, text, #text)
  local headers = ffi.new "jh_header[64]"
  local request = ffi.new("jh_request", { headers = headers, header_capacity = 64 })
  local parser, head_len = ffi.new "jh_parser", ffi.new "size_t[1]"
  local limits = ffi.new("jh_parse_limits", { 65536, 64, 65536, 1e9 })
  C.jh_parser_init(parser)
  local result = C.jh_parser_head(parser, request, limits, data, #text, head_len)
  assert(tonumber(result) == 0, "not a request head: " .. text)
  keep[#keep + 1] = { data, headers, request }
  return request
end

local function names(keep, list)
  if not list then return nil end
  local set, room = ffi.new "jh_name_set", ffi.new("jh_str[?]", #list + 1)
  for _, name in ipairs(list) do
    assert(C.jh_name_set_add(set, room, #list, borrow(keep, name)))
  end
  keep[#keep + 1] = { set, room }
  return set
end

-- Fields as an app sets them: { { name, value, is_appended }, … }.
local function own_fields(keep, fields)
  if not fields then return nil end
  local pool, arena = ffi.new "jh_pool", ffi.new "jh_arena"
  local response = ffi.new "jh_response"
  C.jh_pool_init(pool, C.JH_ARENA_BLOCK_BYTES, 4)
  C.jh_arena_init(arena, pool)
  C.jh_response_reset(response)
  for _, field in ipairs(fields) do
    assert(C.jh_response_try_set(response, arena, borrow(keep, field[1]), borrow(keep, field[2]),
      field[3] or false) == 0)
  end
  keep[#keep + 1] = { pool, arena, response, done = function()
    C.jh_arena_reset(arena)
    C.jh_pool_deinit(pool)
  end }
  return response
end

local function end_all(keep)
  for _, kept in ipairs(keep) do
    if type(kept) == "table" and kept.done then kept.done() end
  end
end

-- The normal form of the path, and what is behind its first `prefix` bytes.
local function split_path(keep, request, prefix)
  local raw = C.jh_request_path(request)
  local out, len = block(tonumber(raw.len) + 1), ffi.new "size_t[1]"
  assert(C.jh_target_normalise(raw, out, len) == 0)
  keep[#keep + 1] = out
  local path = ffi.new("jh_str", out, len[0])
  local rest = ffi.new "jh_str"
  if prefix then rest = ffi.new("jh_str", out + prefix, len[0] - prefix) end
  return path, rest
end

local function describe(keep, text, how)
  local request = parse(keep, text)
  local rules = ffi.new("jh_forward_rules", { flags = how.flags or 0 })
  rules.host, rules.base = borrow(keep, how.host or "up"), borrow(keep, how.base or "")
  rules.via, rules.lines = borrow(keep, how.via or ""), borrow(keep, how.lines or "")
  local dropped = names(keep, how.dropped)
  if dropped then rules.dropped = dropped end
  local forward = ffi.new "jh_forward_request"
  forward.request, forward.rules = request, rules
  forward.own, forward.dropped = own_fields(keep, how.own), names(keep, how.also_dropped)
  forward.method = borrow(keep, how.method or text:match "^%u+")
  forward.target = borrow(keep, how.target)
  forward.path, forward.rest = split_path(keep, request, how.prefix)
  forward.peer, forward.scheme = borrow(keep, how.peer or ""), borrow(keep, how.scheme or "http")
  forward.is_trusted, forward.is_upgrade = how.is_trusted or false, how.is_upgrade or false
  forward.expects_continue = how.expects_continue or false
  forward.body, forward.body_bytes = how.body or 0, how.body_bytes or 0
  keep[#keep + 1] = rules
  return forward
end

-- The head that goes on, or a negative code. Raises when it needs more room than was measured.
function M.request(text, how)
  local keep = {}
  local forward = describe(keep, text, how or {})
  local room = tonumber(C.jh_forward_request_bytes(forward))
  local out = block(room)
  local len = tonumber(C.jh_forward_write_request(forward, out))
  end_all(keep)
  if len < 0 then return len end
  assert(len <= room, "more was written than was measured")
  return ffi.string(out, len)
end

-- The target that goes on for a target of a client.
function M.target(target, how)
  local keep = {}
  local forward = describe(keep, "GET " .. target .. " HTTP/1.1\r\nHost: a\r\n\r\n", how or {})
  local out = block(tonumber(C.jh_forward_request_bytes(forward)))
  local stop = C.jh_forward_write_target(forward, out)
  end_all(keep)
  return ffi.string(out, stop - out)
end

function M.response(fields, how)
  local keep = {}
  local forward = ffi.new "jh_forward_response"
  forward.fields, forward.reason = borrow(keep, fields), borrow(keep, how.reason or "OK")
  forward.own, forward.dropped = own_fields(keep, how.own), names(keep, how.dropped)
  forward.date_line = borrow(keep, how.date_line or "")
  forward.status = how.status or 200
  forward.is_keep_alive = how.is_keep_alive ~= false
  for _, name in ipairs { "is_http10", "has_length", "is_chunked", "is_replaced" } do
    forward[name] = how[name] or false
  end
  forward.body_bytes = how.body_bytes or 0
  local room = tonumber(C.jh_forward_response_bytes(forward))
  local out = block(room)
  local len = tonumber(C.jh_forward_write_response(forward, out))
  end_all(keep)
  if len < 0 then return len end
  assert(len <= room, "more was written than was measured")
  return ffi.string(out, len)
end

-- What of a response's fields becomes fields of an app's: "Name: value" lines.
function M.import(fields, how)
  local keep = {}
  local forward = ffi.new "jh_forward_response"
  local response = own_fields(keep, how and how.own or {})
  forward.fields, forward.own = borrow(keep, fields), response
  forward.is_replaced = how and how.is_replaced or false
  local arena = keep[#keep][2]
  for _, kept in ipairs(keep) do
    if type(kept) == "table" and kept[3] == response then arena = kept[2] end
  end
  assert(C.jh_forward_import(forward, response, arena) == 0)
  local lines, line = {}, response.first
  while line ~= nil do
    lines[#lines + 1] = ffi.string(line.text, line.line_len - 2)
    line = line.next
  end
  end_all(keep)
  return lines
end

return M
