-- The spec support itself: a helper that sees nothing wrong would make every other spec pass.
local ffi = require "ffi"
local jit_support = require "spec.support.jit"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local tree = require "spec.support.tree"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local function fails_with(text, fn)
  local ok, err = pcall(fn)
  assert.is_false(ok, "it should have raised")
  assert.truthy(tostring(err):find(text, 1, true), tostring(err))
end

describe("wire", function()
  local client, peer

  before_each(function()
    local fds = ffi.new("int[2]")
    sys.check(ffi.C.socketpair(1, 1, 0, fds), "socketpair")
    client, peer = wire.adopt(fds[0], 0.05), wire.adopt(fds[1], 0.05)
  end)

  after_each(function()
    client:close()
    peer:close()
  end)

  it("reads pipelined responses of every framing", function()
    peer:send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: 1\r\na: 2\r\n\r\nhi"
      .. "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n"
      .. "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.0 200 OK\r\n\r\nuntil the end")
    peer:close()
    local length, chunked, empty, rest = unpack(client:responses(4))
    assert.equal("hi", length.body)
    assert.equal("1, 2", length.headers.a)
    assert.same({ "A", "1" }, length.header_list[2])
    assert.equal("abcde", chunked.body)
    assert.same({ "abc", "de" }, chunked.chunks)
    assert.equal("9", chunked.trailers["x-sum"])
    assert.equal(100, chunked.interim[1].status)
    assert.equal("", empty.body)
    assert.equal("until the end", rest.body)
    assert.is_true(rest.until_close)
    assert.is_true(client:expect_closed())
  end)

  it("expects no body after HEAD", function()
    peer:send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    assert.equal("", client:response { method = "HEAD" }.body)
  end)

  it("raises what it has when a deadline passes or the connection ends", function()
    peer:send("HTTP/1.1 200")
    fails_with("deadline passed", function() client:response() end)
    peer:close()
    fails_with("HTTP/1.1 200", function() client:response() end)
  end)

  it("raises when the connection does not end, or more comes", function()
    fails_with("deadline passed", function() client:expect_closed() end)
    peer:send("x")
    peer:close()
    fails_with('"x"', function() client:expect_closed() end)
  end)

  it("tells silence from an end", function()
    assert.is_true(client:is_quiet(0.01))
    assert.is_false(client:is_closed(0.01))
    peer:close()
    assert.is_false(client:is_quiet(0.01))
    assert.is_true(client:is_closed(1))
  end)

  it("sends piece by piece and half-closes", function()
    client:send_slowly("abcdef", { bytes = 4, pause = 0.001 })
    client:half_close()
    assert.equal("abcdef", peer:read_all())
    peer:send("still here")
    assert.equal("still here", client:read(10))
  end)
end)

describe("server.run", function()
  it("returns code and output of a command", function()
    local r = server.run { program = "/bin/sh", "-c", "echo out; echo err >&2; exit 3" }
    assert.same({ 3, "out\n", "err\n" }, { r.code, r.stdout, r.stderr })
  end)

  it("raises when a sanitizer spoke", function()
    fails_with("a sanitizer complained", function()
      server.run { program = "/bin/sh", "-c", "echo 'x.c:1:2: runtime error: bad shift' >&2" }
    end)
  end)

  it("ends what does not end", function()
    fails_with("in vain", function()
      server.run { program = "/bin/sh", "-c", "exec sleep 60", deadline = 0.05 }
    end)
  end)

  it("removes its directories", function()
    local dir = server.app_dir { ["a/b.lua"] = "return 1" }
    assert.equal("return 1", sys.read_file(dir .. "/a/b.lua"))
    sys.remove(dir)
    assert.is_nil(sys.read_file(dir .. "/a/b.lua"))
  end)
end)

describe("wait_for", function()
  it("returns what the condition returned", function()
    local calls = 0
    assert.equal(3, wait_for(function()
      calls = calls + 1
      return calls == 3 and calls
    end))
  end)

  it("raises and names what did not come", function()
    fails_with("for a miracle", function()
      wait_for(function() end, 0.01, "a miracle")
    end)
  end)
end)

describe("jit.assert_compiles", function()
  it("accepts a loop that becomes a trace", function()
    jit_support.assert_compiles(function(n)
      local sum = 0
      for i = 1, n do sum = sum + i % 7 end
      return sum
    end)
  end)

  it("names what stops the compiler", function()
    fails_with("gave up recording", function()
      jit_support.assert_compiles(function(n)
        local made
        for i = 1, n do made = function() return i end end
        return made
      end)
    end)
  end)
end)

describe("tree.strip_c", function()
  it("blanks comments and literals and keeps lines", function()
    local code = tree.strip_c('int a; /* free( \n */ char *s = "\\"malloc("; // assert(\n'
      .. "x = '\"';\n")
    assert.equal(3, #tree.lines_of(code))
    assert.is_nil(code:find("free") or code:find("malloc") or code:find("assert"))
    assert.truthy(code:find("x = ' ';", 1, true))
  end)
end)
