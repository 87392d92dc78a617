-- framing_spec.lua: the fields that frame a message become a few facts; all others leave none.
-- How messages with them are parsed is parser_spec.lua's subject.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "http/framing.h"

-- Feeds fields ({ name, value }, …) of an HTTP/1.`minor` request. Returns the names of the facts
-- seen, or nil and the reason.
local facts = { "HTTP_1_1", "CLOSE", "KEEP_ALIVE", "CONNECTION_UPGRADE", "UPGRADE", "CHUNKED",
  "LENGTH", "HOST", "CONTINUE", "EXPECTATION" }

local function read(fields, minor)
  local framing, request = ffi.new("jh_framing"), ffi.new("jh_request")
  local reason = ffi.new("const char *[1]")
  C.jh_framing_reset(framing, minor or 1)
  for _, field in ipairs(fields) do
    local text = field[1] .. field[2]
    request.base = text
    local header = ffi.new("jh_header", { { 0, #field[1] }, { #field[1], #field[2] } })
    if C.jh_framing_add(framing, request, header, reason) ~= 0 then
      return nil, ffi.string(reason[0])
    end
  end
  local seen = {}
  for i, name in ipairs(facts) do
    if math.floor(framing.seen / 2 ^ (i - 1)) % 2 == 1 then seen[#seen + 1] = name end
  end
  return table.concat(seen, " ")
end

describe("framing", function()
  it("numbers its facts as the spec does", function()
    for i, name in ipairs(facts) do
      assert.are.equal(2 ^ (i - 1), tonumber(C["JH_FRAMING_" .. name]))
    end
  end)

  it("turns fields into facts", function()
    assert.are.equal("", read({}, 0))
    assert.are.equal("HTTP_1_1", read {})
    assert.are.equal("HTTP_1_1 LENGTH", read { { "content-LENGTH", "5" } })
    assert.are.equal("HTTP_1_1 CHUNKED", read { { "Transfer-Encoding", "Chunked" } })
    assert.are.equal("HTTP_1_1 HOST", read { { "HOST", "a:80" } })
    assert.are.equal("HTTP_1_1 CLOSE KEEP_ALIVE CONNECTION_UPGRADE",
      read { { "Connection", "Keep-Alive ,x,\tclose" }, { "connection", "UPGRADE" } })
    assert.are.equal("HTTP_1_1 UPGRADE", read { { "Upgrade", "h2c" } })
    assert.are.equal("HTTP_1_1 CONTINUE", read { { "Expect", "100-Continue" } })
    assert.are.equal("HTTP_1_1 CONTINUE EXPECTATION", read { { "Expect", "100-continue, x" } })
  end)

  it("leaves fields with similar names alone", function()
    for _, name in ipairs { "Content-Lengt", "Content-Length1", "Content_Length", "Xontent-Length",
      "Content-Lengtx", "Transfer-Encodinx", "Xransfer-Encoding", "Transfer_Encoding", "Connectiox",
      "Xonnection", "Hosx", "xost", "Hos", "Hosts", "Expecx", "Upgradx", "Cookie", "Referer" } do
      assert.are.equal("HTTP_1_1", read { { name, "chunked" } })
    end
  end)

  it("refuses what can be read in two ways", function()
    local twice = { "Host", "Content-Length", "Transfer-Encoding" }
    for i, name in ipairs(twice) do
      local field = { name, ({ "a", "5", "chunked" })[i] }
      assert.are.same({ nil, "more than one " .. name }, { read { field, field } })
    end
    assert.are.same({ nil, "bad Host" }, { read { { "Host", "a b" } } })
    assert.are.same({ nil, "bad Content-Length" }, { read { { "Content-Length", "5,5" } } })
    assert.are.same({ nil, "Transfer-Encoding in HTTP/1.0" },
      { read({ { "Transfer-Encoding", "chunked" } }, 0) })
  end)
end)
