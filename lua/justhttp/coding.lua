--- Content codings for Lua: whole texts and bodies that come in pieces.
--
-- The work is done by zlib, brotli and zstd in the core; a coder holds a large state that is used
-- again, so it is closed as soon as its body is over.

local ffi = require "ffi"
local buffer = require "string.buffer"
local door = require "justhttp.door"

local C = door.C
local tonumber, setmetatable, error = tonumber, setmetatable, error

local PIECE_BYTES = 16384

local M = {}

--- Kinds by the name that Content-Encoding has.
M.KINDS = {
  gzip = tonumber(C.JH_CODER_GZIP), ["x-gzip"] = tonumber(C.JH_CODER_GZIP),
  br = tonumber(C.JH_CODER_BROTLI), zstd = tonumber(C.JH_CODER_ZSTD),
}

--- Names by kind.
M.NAMES = {
  [tonumber(C.JH_CODER_GZIP)] = "gzip", [tonumber(C.JH_CODER_BROTLI)] = "br",
  [tonumber(C.JH_CODER_ZSTD)] = "zstd",
}

---@class justhttp.coder
local Coder = { __name = "justhttp.coder" }
Coder.__index = Coder

local function new(coder)
  if coder == nil then error "out of memory for a content coding" end
  return setmetatable({ _coder = ffi.gc(coder, C.jh_coder_close) }, Coder)
end

--- An encoder for one body.
---@param kind integer
---@param level integer? the library's; what suits answers made on the fly when absent
---@return justhttp.coder
function M.encoder(kind, level)
  return new(C.jh_encoder_open(door.generation, kind, level or -1))
end

--- A decoder for one body of at most `max_bytes` when decoded.
---@param kind integer
---@param max_bytes integer
---@return justhttp.coder
function M.decoder(kind, max_bytes)
  return new(C.jh_decoder_open(door.generation, kind, max_bytes))
end

-- Runs a piece through, as often as its output fills the room.
local function run(self, piece, ending)
  local result, left = buffer.new(), ffi.new("size_t[1]", #piece)
  local input = ffi.cast("const char *", piece)
  repeat
    local from = #piece - tonumber(left[0])
    local room = result:reserve(PIECE_BYTES)
    local count = tonumber(C.jh_coder_step(self._coder, ending, input + from, left, room,
      PIECE_BYTES))
    if count < 0 then return nil, count end
    result:commit(count)
  until count < PIECE_BYTES
  return result:get()
end

--- Codes a piece. Returns the output that came of it, possibly "", or nil and a code.
---@param piece string
---@return string? output
---@return integer? code
function Coder:push(piece) return run(self, piece, C.JH_CODER_GO_ON) end

--- Codes a piece so that everything up to here can be decoded.
---@param piece string
---@return string? output
---@return integer? code
function Coder:flush(piece) return run(self, piece, C.JH_CODER_FLUSH) end

--- Codes the last piece.
---@param piece string
---@return string? output
---@return integer? code
function Coder:finish(piece) return run(self, piece, C.JH_CODER_FINISH) end

--- Gives the coder back; it must not be used again.
function Coder:close()
  local coder = self._coder
  if not coder then return end
  self._coder = false
  C.jh_coder_close(ffi.gc(coder, nil))
end

--- Encodes a whole text.
---@param text string
---@param kind integer
---@param level integer?
---@return string
function M.encode(text, kind, level)
  local coder = M.encoder(kind, level)
  local output, code = coder:finish(text)
  coder:close()
  if not output then error("content coding: " .. door.strerror(code)) end
  return output
end

--- Decodes a whole text.
---@param text string
---@param kind integer
---@param max_bytes integer
---@return string? text
---@return integer? code JH_ELIMIT, JH_EPROTO
function M.decode(text, kind, max_bytes)
  local coder = M.decoder(kind, max_bytes)
  local output, code = coder:finish(text)
  coder:close()
  return output, code
end

return M
