-- chunk_scanner_spec.lua: the scanner tells which bytes belong to the chunked coding, which are
-- extensions and which are trailers. What it accepts at all is parser_body_spec.lua's subject.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "http/chunk_scanner.h"

-- The bytes passed on, the bytes dropped and the trailers, when the input comes in pieces of `cut`;
-- what is left behind the end; the reason when it is refused.
local function scan(bytes, cut)
  local scanner, run_len = ffi.new("jh_chunk_scanner"), ffi.new("size_t[1]")
  local limits = ffi.new("jh_chunk_limits", { 1000, 100, 10 })
  local passed, dropped, trailers = {}, {}, {}
  local kept = { [C.JH_CHUNK_DROP] = dropped, [C.JH_CHUNK_TRAILER] = trailers }
  C.jh_chunk_scanner_init(scanner)
  local at = 0
  while at < #bytes do
    local piece = bytes:sub(at + 1, at + cut)
    local run = tonumber(C.jh_chunk_scanner_next(scanner, limits, piece, #piece, run_len))
    if run == C.JH_CHUNK_ERROR then return nil, ffi.string(scanner.reason), scanner.status end
    local len = tonumber(run_len[0])
    assert.is_true(len > 0 and len <= #piece)
    local into = kept[run] or passed
    into[#into + 1] = piece:sub(1, len)
    at = at + len
    if run == C.JH_CHUNK_END then break end
  end
  return table.concat(passed), table.concat(dropped), table.concat(trailers), bytes:sub(at + 1)
end

describe("chunk scanner", function()
  local cases = { -- input, passed on, dropped, trailers
    { "0\r\n\r\n", "0\r\n\r\n", "", "" },
    { "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "", "" },
    { "5;a=b\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", ";a=b", "" },
    { "5 ; a = \";\\\"\"\r\nhello\r\n0;z\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n",
      " ; a = \";\\\"\";z", "" },
    { "0\r\nA: b\r\nC:\r\n\r\n", "0\r\n\r\n", "", "A: b\r\nC:\r\n" },
    { "1;x\r\n;\r\n0;y\r\nZ: \"\r\n\r\n", "1\r\n;\r\n0\r\n\r\n", ";x;y", "Z: \"\r\n" },
  }

  it("tells the coding from extensions and trailers, however the bytes come", function()
    for _, case in ipairs(cases) do
      for cut = 1, #case[1] + 4 do
        assert.are.same({ case[2], case[3], case[4], "rest" }, { scan(case[1] .. "rest", cut) })
      end
    end
  end)

  it("says what is wrong and how to answer it", function()
    local wrong = {
      { "x", "bad chunk size", 400 }, { "3E9\r\n", "body too large", 413 },
      { "1\n", "bad chunk size", 400 }, { "1\rx", "bare CR after a chunk size", 400 },
      { "1\r\nab", "no CRLF after chunk data", 400 }, { "1;\r\n", "bad chunk extension", 400 },
      { "0\r\nHost: a\r\n", "forbidden trailer field", 400 },
      { "0\r\na b\r\n", "bad trailer name", 400 }, { "0\r\na: b\rc", "bare CR in a trailer", 400 },
      { "0\r\na: \0", "bad byte in a trailer", 400 },
      { "0\r\n\rx", "bare CR at the end of a chunked body", 400 },
      { "0\r\n" .. ("a:\r\n"):rep(11), "too many trailers", 431 },
      { "0\r\na: " .. ("b"):rep(100), "trailers too large", 431 },
    }
    for _, case in ipairs(wrong) do
      for _, cut in ipairs { 1, #case[1] } do
        assert.are.same({ case[2], case[3] }, { select(2, scan(case[1], cut)) })
      end
    end
  end)
end)
