-- http.socket over TLS: from the start and later, verified and not, much in both directions, into
-- pools, out of time.
local certificates = require "spec.support.certificates"
local listener = require "spec.support.listener"
local tls = require "spec.support.tls"
local worker = require "spec.support.worker"

describe("http.socket over TLS", function()
  local w, http, ca, own, peer

  setup(function()
    w = worker.new(function(_, module) http = module end)
    ca = certificates.authority "Spec CA"
    own = ca:issue { names = { "localhost", "127.0.0.1" } }
    peer = tls.s_server { own }
  end)
  teardown(function()
    w:close()
    peer:signal(9)
  end)

  local function connect(options)
    local s = http.socket.tcp()
    local ok, err, reason = s:connect("localhost", peer.port, options)
    if not ok then return nil, err, reason end
    return s
  end

  it("speaks it from the start", function()
    w:run(function()
      local s = assert(connect { tls = { ca = ca.cert } })
      s:send "hello\n"
      assert.are.equal("olleh", s:receive())
      s:send { "one\n", "two\n" }
      assert.are.equal("eno", s:receive())
      assert.are.equal("owt", s:receive())
      s:close()
    end)
  end)

  it("speaks it later, as STARTTLS does and as OpenResty calls it", function()
    w:run(function()
      local s = assert(connect())
      assert.is_true(s:starttls { ca = ca.cert })
      s:send "hello\n"
      assert.are.equal("olleh", s:receive())
      assert.is_true(s:starttls { ca = ca.cert })
      s:close()
      s = assert(connect())
      assert.is_true(s:sslhandshake(nil, "localhost", false))
      s:send "again\n"
      assert.are.equal("niaga", s:receive())
      s:close()
    end)
  end)

  it("verifies who is there", function()
    w:run(function()
      local s, err = connect { tls = true }
      assert.is_nil(s)
      assert.is_truthy(err:find("^TLS with localhost:%d+: "), err)
      s, err = connect { tls = { ca = ca.cert }, server_name = "elsewhere.test" }
      assert.is_nil(s)
      assert.is_truthy(err:find("elsewhere.test", 1, true), err)
      s = assert(connect())
      local ok
      ok, err = s:sslhandshake(nil, "localhost")
      assert.is_nil(ok)
      assert.is_truthy(err:find("^TLS with localhost"), err)
      assert.are.same({ nil, "closed", 0 }, { s:send "x" })
      assert(connect { tls = { verify = false } }):close()
    end)
  end)

  it("rests in a pool of its own", function()
    w:run(function()
      local options = { tls = { ca = ca.cert } }
      local s = assert(connect(options))
      s:send "one\n"
      s:receive()
      assert.are.equal(1, s:setkeepalive())
      local plain = assert(connect())
      assert.are.equal(0, plain:getreusedtimes())
      plain:close()
      s = assert(connect(options))
      assert.are.equal(1, s:getreusedtimes())
      s:send "two\n"
      assert.are.equal("owt", s:receive())
      s:close()
    end)
  end)

  it("carries much in both directions at once", function()
    w:run(function()
      local s = assert(connect { tls = { ca = ca.cert } })
      local line = ("x"):rep(5000) .. "\n"
      local reader = http.spawn(function()
        local count = 0
        for _ = 1, 400 do count = count + #assert(s:receive()) end
        return count
      end)
      for _ = 1, 400 do assert(s:send(line)) end
      assert.are.equal(400 * 5000, http.wait(reader))
      s:close()
    end)
  end)

  it("does not take for an end what may be cut short", function()
    local doomed = tls.s_server { own }
    w:run(function()
      local s = assert(http.socket.connect("localhost", doomed.port, { tls = { ca = ca.cert } }))
      s:send "one\n"
      assert.are.equal("eno", s:receive())
      doomed:signal(9)
      local data, err, partial = s:receive "*a"
      assert.is_nil(data)
      assert.is_truthy(err:find "^read from localhost:%d+: ", err)
      assert.are.equal("", partial)
    end)
  end)

  it("gives up a handshake that nobody answers, and one that is no TLS", function()
    local l = listener.tcp()
    w:run(function()
      local s, err, reason = http.socket.connect("127.0.0.1", l.port,
        { tls = { ca = ca.cert }, timeout = 0.05 })
      assert.is_nil(s)
      assert.are.equal("timeout", err)
      assert.are.equal(("TLS with 127.0.0.1:%d: timed out after 50 ms"):format(l.port), reason)
      l:accept():close()
      local task = http.spawn(http.socket.connect, "127.0.0.1", l.port, { tls = true })
      http.sleep(0)
      local c = l:accept()
      c:send "220 hello\r\n"
      s, err = http.wait(task)
      assert.is_nil(s)
      assert.is_truthy(err:find "^TLS with 127", err)
      c:close()
      -- What was sent before TLS began must not pass for something said under its protection.
      s = assert(http.socket.connect("127.0.0.1", l.port))
      c = l:accept()
      c:send "+OK\r\ninjected\r\n"
      s:receive()
      assert.are.same({ nil, "the peer sent something before TLS began" }, { s:starttls() })
      c:close()
      task = http.spawn(http.socket.connect, "127.0.0.1", l.port, { tls = true })
      http.sleep(0)
      c = l:accept()
      task:cancel()
      http.sleep(0)
      assert.is_true(#c:receive_some() > 0)
      assert.are.equal("", c:receive_some())
      c:close()
    end)
    l:close()
  end)
end)
