-- tcp_acked_spec.lua: what the other side's kernel has taken can be told from what it has not.
local core = require "spec.support.core"
local ffi = require "ffi"
local peer = require "spec.support.peer"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"
local C = core.library()

ffi.cdef "int64_t jh_tcp_acked_bytes(int fd);"

describe("tcp_acked", function()
  it("counts bytes that arrived, read or not", function()
    local p = peer.listen()
    local c = wire.connect(p.port)
    local other = p:accept()
    local before = tonumber(C.jh_tcp_acked_bytes(c.fd))
    assert.is_true(before >= 0)
    c:send "hello"
    wait_for(function() return tonumber(C.jh_tcp_acked_bytes(c.fd)) == before + 5 end)
    other:close()
    c:close()
    p:close()
  end)

  it("does not count what came to a socket that was closed", function()
    local p = peer.listen()
    local c = wire.connect(p.port)
    local other = p:accept()
    c:send "hello"
    other:read(5)
    wait_for(function() return tonumber(C.jh_tcp_acked_bytes(c.fd)) >= 5 end)
    local before = tonumber(C.jh_tcp_acked_bytes(c.fd))
    other:close()
    c:try_send "lost"
    wait_for(function() return not c:try_send "more" end)
    assert.are.equal(before, tonumber(C.jh_tcp_acked_bytes(c.fd)))
    c:close()
    p:close()
  end)

  it("cannot be told of other sockets", function()
    assert.are.equal(-1, tonumber(C.jh_tcp_acked_bytes(-1)))
  end)
end)
