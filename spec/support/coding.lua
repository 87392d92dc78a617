-- Encoding and decoding whole texts with the coders of core/http/coding.h, in pieces of any size.
--
--   local coding = require "spec.support.coding"
--   local pool = coding.pool()                    -- freed with its last coder by pool:close()
--   local coded = pool:encode("gzip", text, { level = 6, in_step = 7, out_step = 1, flush = true })
--   local text, code = pool:decode("gzip", coded, { max = 100, in_step = 1, out_step = 1 })
--
-- decode returns what was written and the result: 0 or a JH_E* code.
local ffi = require "ffi"
local core = require "spec.support.core"

local M = {}

local C = core.load "http/coding.h"
M.C = C

M.all = { "gzip", "br", "zstd" }

local kinds = { gzip = C.JH_CODING_GZIP, br = C.JH_CODING_BROTLI, zstd = C.JH_CODING_ZSTD }

-- The same bytes every time, of which nothing can be saved.
function M.noise(count)
  local list, seed = {}, 7
  for i = 1, count do
    seed = seed * 16807 % 2147483647
    list[i] = string.char(math.floor(seed / 256) % 256)
  end
  return table.concat(list)
end

local Pool = {}
Pool.__index = Pool

function M.pool(max_free)
  local self = setmetatable({ c = ffi.new "jh_coding_pool" }, Pool)
  C.jh_coding_pool_init(self.c, max_free or 1)
  return self
end

function Pool:close() C.jh_coding_pool_deinit(self.c) end

function Pool:encoder(name, level)
  return C.jh_encoder_try_acquire(self.c, kinds[name], level or C.JH_CODING_LEVEL_DEFAULT)
end

function Pool:decoder(name, max)
  return C.jh_decoder_try_acquire(self.c, kinds[name], max or 2 ^ 40)
end

-- Calls fn(coder, io) until the piece is used up. Each call gets blocks of its own, exactly as long
-- as what is left, so that a sanitizer sees every byte touched beyond it.
function M.run(fn, coder, piece, out_step, parts)
  while true do
    local input = ffi.new("char[?]", #piece)
    ffi.copy(input, piece, #piece)
    local output = ffi.new("char[?]", out_step)
    local io = ffi.new("jh_coding_io", input, #piece, output, out_step)
    local result = fn(coder, io)
    parts[#parts + 1] = ffi.string(output, out_step - tonumber(io.output_bytes))
    piece = piece:sub(#piece - tonumber(io.input_bytes) + 1)
    if result < 0 then return result end
    if result == C.JH_CODING_DONE then
      assert(piece == "", "done with input left")
      return 0
    end
    assert(tonumber(io.output_bytes) == 0, "full with room left")
  end
end

local function pieces(text, step)
  local from = 1
  return function()
    if from > #text then return nil end
    local piece = text:sub(from, from + step - 1)
    from = from + step
    return piece
  end
end

function Pool:encode(name, text, how)
  how = how or {}
  local encoder = self:encoder(name, how.level)
  assert(encoder ~= nil, "out of memory")
  local parts, out_step = {}, how.out_step or 65536
  local fn = how.flush and C.jh_encoder_flush or C.jh_encoder_push
  local result = 0
  for piece in pieces(text, how.in_step or math.max(#text, 1)) do
    if result == 0 then result = M.run(fn, encoder, piece, out_step, parts) end
  end
  if result == 0 then result = M.run(C.jh_encoder_finish, encoder, "", out_step, parts) end
  C.jh_encoder_release(self.c, encoder)
  assert(result == 0, "encoding failed")
  return table.concat(parts)
end

function Pool:decode(name, coded, how)
  how = how or {}
  local decoder = self:decoder(name, how.max)
  if decoder == nil then return "", C.JH_ENOMEM end
  local parts, result = {}, 0
  for piece in pieces(coded, how.in_step or math.max(#coded, 1)) do
    if result == 0 then
      result = M.run(C.jh_decoder_push, decoder, piece, how.out_step or 65536, parts)
    end
  end
  if result == 0 then result = C.jh_decoder_finish(decoder) end
  C.jh_decoder_release(self.c, decoder)
  return table.concat(parts), result
end

return M
