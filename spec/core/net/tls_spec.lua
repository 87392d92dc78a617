-- tls_spec.lua: the TLS engine as a client of openssl's s_server: handshakes, data, ends, sessions,
-- and what is said when it does not work out.
local ffi = require "ffi"
local certificates = require "spec.support.certificates"
local sys = require "spec.support.sys"
local tls = require "spec.support.tls"
local wire = require "spec.support.wire"
local C = tls.C

jit.off(true, true)

local ca = certificates.authority "Spec CA"
local own = ca:issue { names = { "localhost", "127.0.0.1" } }
local trusting = assert(tls.context { ca = ca.cert })

describe("a TLS session", function()
  local peers = {}
  local function s_server(how)
    peers[#peers + 1] = tls.s_server(how)
    return peers[#peers]
  end
  after_each(function()
    for _, peer in ipairs(peers) do peer:stop { signal = sys.SIGKILL, code = false } end
    peers = {}
  end)

  -- What a handshake with that peer comes to: true, or the reason and the code.
  local function attempt(peer, context, name)
    local c = tls.connect(context, peer.port, name)
    local ok, reason, code = c:shake()
    c:close()
    return ok or reason, code
  end

  it("carries bytes both ways, with TLS 1.3 and 1.2", function()
    for _, case in ipairs { { "-tls1_3", "TLSv1.3" }, { "-tls1_2", "TLSv1.2" } } do
      local peer = s_server { own, case[1] }
      local c = tls.connect(trusting, peer.port)
      assert(c:shake())
      assert.are.equal(case[2], c:version())
      assert.truthy(c:cipher():find "AES")
      assert(c:write "hello\n")
      assert.are.equal("olleh\n", c:read_exactly(6))
      c:close()
    end
  end)

  it("verifies names and addresses", function()
    local peer = s_server { own }
    assert.is_true(attempt(peer, trusting, "localhost"))
    assert.is_true(attempt(peer, trusting, "localhost."))
    assert.is_true(attempt(peer, trusting, "LOCALHOST"))
    assert.is_true(attempt(peer, trusting, "127.0.0.1"))
    assert.are.equal("certificate is for localhost, 127.0.0.1, not for example.org",
      attempt(peer, trusting, "example.org"))
    assert.are.equal("certificate is for localhost, 127.0.0.1, not for 127.0.0.2",
      attempt(peer, trusting, "127.0.0.2"))
    local reason, code = attempt(peer, trusting, "")
    assert.are.equal("there is no server name to verify the certificate with", reason)
    assert.are.equal(C.JH_EINVAL, code)
  end)

  it("matches wildcards of one label only", function()
    local peer = s_server { ca:issue { names = { "*.example.org", "a.b", "c.d", "e.f", "g.h" } } }
    assert.is_true(attempt(peer, trusting, "www.example.org"))
    local more = "certificate is for *.example.org, a.b, c.d and 2 more, not for "
    assert.are.equal(more .. "example.org", attempt(peer, trusting, "example.org"))
    assert.are.equal(more .. "a.b.example.org", attempt(peer, trusting, "a.b.example.org"))
  end)

  it("says what is wrong with a certificate", function()
    local function reason_for(cert, context)
      return attempt(s_server { cert }, context or trusting)
    end
    local names = { "localhost" }
    assert.are.equal("certificate expired 3 days ago (CN=localhost)",
      reason_for(ca:issue { names = names, from_days = -30, to_days = -3.01 }))
    assert.are.equal("certificate expired 2 hours ago (CN=localhost)",
      reason_for(ca:issue { names = names, from_days = -30, to_days = -2.5 / 24 }))
    assert.are.equal("certificate is not valid yet, only in 1 day (CN=localhost)",
      reason_for(ca:issue { names = names, from_days = 1.5, to_days = 3 }))
    assert.are.equal("certificate is signed by an unknown authority (self-signed, CN=localhost)",
      reason_for(certificates.self_signed { names = names }))
    assert.are.equal("certificate is signed by an unknown authority (CN=Spec CA)",
      reason_for(own, assert(tls.context {})))
    assert.are.equal("certificate is signed by an unknown authority (CN=Other CA)",
      reason_for(certificates.authority("Other CA"):issue { names = names }))
    assert.are.equal("certificate is not accepted: unsuitable certificate purpose (CN=localhost)",
      reason_for(ca:issue { names = names, for_client = true }))
  end)

  it("accepts a chain, and anything when it is told to", function()
    local middle = ca:authority "Middle CA"
    local leaf = middle:issue { names = { "localhost" } }
    assert.is_true(attempt(s_server { leaf }, trusting))
    local lonely = s_server { certificates.self_signed { names = { "elsewhere" } } }
    assert.is_true(attempt(lonely, assert(tls.context { is_unverified = true })))
  end)

  it("asks for the name that its context has instead", function()
    local context = assert(tls.context { ca = ca.cert, server_name = "localhost" })
    assert.is_true(attempt(s_server { own }, context, "elsewhere.example"))
  end)

  it("shows a client certificate", function()
    local me = ca:issue { cn = "alice", for_client = true }
    for _, version in ipairs { "-tls1_2", "-tls1_3" } do
      local peer = s_server { own, version, "-Verify", "2", "-verify_return_error", "-CAfile",
                              ca.cert }
      local with = tls.connect(assert(tls.context { ca = ca.cert, cert = me.cert, key = me.key }),
        peer.port)
      assert(with:shake())
      assert(with:write "hello\n")
      assert.are.equal("olleh\n", with:read_exactly(6))
      with:close()
      local bundled = assert(tls.context { ca = ca.cert, cert = sys.read_file(me.bundle) })
      assert.is_true(attempt(peer, bundled))

      local without = tls.connect(trusting, peer.port)
      local ok, reason = without:shake()
      if ok then ok, reason = without:read() end
      assert.is_nil(ok)
      assert.truthy(reason:find("demands a client certificate", 1, true), reason)
      without:close()
    end
  end)

  it("says that there is no version or cipher in common", function()
    local older = assert(tls.context { ca = ca.cert, max_version = "1.2" })
    assert.are.equal("no protocol version in common", attempt(s_server { own, "-tls1_3" }, older))
    local ancient = s_server { own, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0" }
    assert.are.equal("no protocol version in common", attempt(ancient, trusting))
    local picky = assert(tls.context { ca = ca.cert, max_version = "1.2",
                                       ciphers = "ECDHE-RSA-AES128-GCM-SHA256" })
    assert.are.equal("the server refused the handshake: no cipher in common, or it demands a client"
      .. " certificate", attempt(s_server { own }, picky))
  end)

  it("takes a list of ciphers of both kinds", function()
    local context = assert(tls.context { ca = ca.cert,
      ciphers = "TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256" })
    for _, case in ipairs { { "-tls1_3", "TLS_CHACHA20_POLY1305_SHA256" },
                            { "-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256" } } do
      local c = tls.connect(context, s_server({ own, case[1] }).port)
      assert(c:shake())
      assert.are.equal(case[2], c:cipher())
      c:close()
    end
  end)

  it("agrees on a protocol with ALPN", function()
    local peer = s_server { own, "-alpn", "http/1.1" }
    local c = tls.connect(assert(tls.context { ca = ca.cert, alpn = "h2,http/1.1" }), peer.port)
    assert(c:shake())
    assert.are.equal("http/1.1", c:alpn())
    c:close()
    local none = tls.connect(trusting, peer.port)
    assert(none:shake())
    assert.are.equal("", none:alpn())
    none:close()
  end)

  it("resumes the session of the same peer", function()
    for _, version in ipairs { "-tls1_2", "-tls1_3" } do
      local peer, other = s_server { own, version }, s_server { own, version }
      local context = assert(tls.context { ca = ca.cert })
      local function visit(at, name)
        local c = tls.connect(context, at.port, name)
        assert(c:shake())
        assert(c:write "x\n")
        assert.are.equal("x\n", c:read_exactly(2))
        local is_resumed = c:is_resumed()
        c:close()
        return is_resumed
      end
      assert.is_false(visit(peer))
      assert.is_true(visit(peer))
      assert.is_true(visit(peer))
      assert.is_false(visit(peer, "127.0.0.1"))
      assert.is_false(visit(other))
      assert.is_true(visit(peer))
    end
  end)

  it("tells a clean end from a cut one", function()
    local bye = s_server { own, mode = "-www" }
    local c = tls.connect(trusting, bye.port)
    assert(c:shake())
    assert(c:write "GET / HTTP/1.0\r\n\r\n")
    local all = {}
    repeat all[#all + 1] = assert(c:read()) until all[#all] == ""
    assert.truthy(table.concat(all):find("s_server", 1, true))
    assert.are.equal("", c:read())
    c:close()

    local peer = s_server { own }
    local cut = tls.connect(trusting, peer.port)
    assert(cut:shake())
    assert(cut:write "hello\n")
    assert.are.equal("olleh\n", cut:read_exactly(6))
    peer:stop { signal = sys.SIGKILL, code = false }
    local bytes, reason, code = cut:read()
    assert.is_nil(bytes)
    assert.are.equal(C.JH_ECLOSED, code)
    assert.are.equal("the server closed the connection without a close_notify: what it sent may be"
      .. " cut short", reason)
    assert.is_true(C.jh_tls_has_pending(cut.tls))
    cut:close()
  end)

  it("carries much in one piece and in many", function()
    local peer = s_server { own }
    local c = tls.connect(trusting, peer.port)
    assert(c:shake())
    local text = ("0123456789abcdef"):rep(1000)
    local pieces = {}
    for i = 1, 100 do pieces[i] = text:sub(i * 100 + 1, i * 100 + 100) end
    pieces[#pieces + 1] = "\n"
    assert.are.equal(10001, c:try_write(pieces))
    local answer = assert(c:read_exactly(10001))
    assert.are.equal(text:sub(101, 10100):reverse() .. "\n", answer)
    c:close()
  end)

  it("holds what a reader with little room leaves", function()
    local peer = s_server { own }
    local c = tls.connect(trusting, peer.port)
    assert(c:shake())
    assert(c:write "hello\n")
    assert.are.equal("ol", c:read(2))
    assert.is_true(C.jh_tls_has_pending(c.tls))
    assert.are.equal("leh\n", c:read(10))
    assert.is_false(C.jh_tls_has_pending(c.tls))
    c:close()
  end)

  it("waits when the socket is full, and goes on with the same bytes", function()
    local fds = ffi.new "int[2]"
    sys.check(ffi.C.socketpair(1, 1, 0, fds), "socketpair")
    local relay = wire.connect(s_server({ own, mode = "-www" }).port)
    local c = tls.over(trusting, fds[0])
    local behind = wire.adopt(fds[1])
    -- The handshake goes through us; after it nobody reads.
    repeat
      local code = C.jh_tls_handshake(c.tls)
      local out = behind:read_available()
      if #out > 0 then relay:send(out) end
      local back = relay:read_available(0.05)
      if #back > 0 then behind:send(back) end
    until code == 0
    relay:send(behind:read_available())
    local big = { ("x"):rep(4000000) }
    local first = c:try_write(big)
    assert.is_true(first > 0 and first < 4000000)
    assert.are.equal(-sys.EAGAIN, c:try_write { big[1]:sub(first + 1) })
    assert.are.equal(2, C.jh_tls_wants(c.tls))
    assert.is_true(#behind:read_available() > 0)
    local again = c:try_write { big[1]:sub(first + 1, first + 20000), big[1]:sub(first + 20001) }
    assert.is_true(again > 0 or again == -sys.EAGAIN)
    c:close()
    behind:close()
    relay:close()
  end)
end)

describe("a TLS handshake", function()
  -- A session with ourselves as the peer, who speaks no TLS.
  local function pair()
    local fds = ffi.new "int[2]"
    sys.check(ffi.C.socketpair(1, 1, 0, fds), "socketpair")
    return tls.over(trusting, fds[0]), wire.adopt(fds[1])
  end

  it("with a peer that speaks no TLS says so", function()
    for _, words in ipairs { "HTTP/1.1 400 Bad Request\r\n\r\n", "220 smtp.example ESMTP\r\n" } do
      local c, peer = pair()
      assert.are.equal(C.JH_EWAIT, C.jh_tls_handshake(c.tls))
      peer:send(words)
      local ok, reason, code = c:shake()
      assert.is_nil(ok)
      assert.are.equal("the server does not speak TLS", reason)
      assert.are.equal(C.JH_EPROTO, code)
      c:close()
      peer:close()
    end
  end)

  it("that is cut says so", function()
    local c, peer = pair()
    assert.are.equal(C.JH_EWAIT, C.jh_tls_handshake(c.tls))
    peer:read_available()
    peer:close()
    local ok, reason, code = c:shake()
    assert.is_nil(ok)
    assert.are.equal("the server closed the connection during the TLS handshake", reason)
    assert.are.equal(C.JH_ECLOSED, code)
    assert.are.equal(C.JH_ECLOSED, C.jh_tls_handshake(c.tls))
    c:close()
  end)

  it("that is refused with an alert tells what the peer said", function()
    local c, peer = pair()
    assert.are.equal(C.JH_EWAIT, C.jh_tls_handshake(c.tls))
    peer:send "\21\3\3\0\2\2\112"
    local _, reason = c:shake()
    assert.are.equal("the server has no certificate for that name", reason)
    c:close()
    peer:close()
  end)
end)

describe("a TLS context", function()
  local function reason_for(how)
    local context, reason = tls.context(how)
    assert.is_nil(context)
    return reason
  end

  it("says which file is missing or of no use", function()
    assert.are.equal("certificate /nowhere.pem: No such file or directory",
      reason_for { cert = "/nowhere.pem" })
    assert.are.equal("CA /nowhere.pem: No such file or directory",
      reason_for { ca = "/nowhere.pem" })
    assert.are.equal("key /nowhere.key: No such file or directory",
      reason_for { cert = own.cert, key = "/nowhere.key" })
    assert.are.equal(("certificate %s: holds no certificate (PEM)"):format(own.key),
      reason_for { cert = own.key })
    assert.are.equal(("key %s: holds no private key (PEM)"):format(own.cert),
      reason_for { cert = own.cert })
    assert.are.equal(("key %s: does not belong to the certificate"):format(ca.key),
      reason_for { cert = own.cert, key = ca.key })
    assert.are.equal("CA: holds no certificate (PEM)",
      reason_for { ca = "-----BEGIN NOTHING-----\n" })
  end)

  it("does not ask for a password", function()
    local locked = own.key .. ".locked"
    assert.are.equal(0, os.execute(("openssl pkey -aes256 -passout pass:x -in %s -out %s"):format(
      own.key, locked)))
    assert.are.equal(("key %s: is protected by a password; store it without one"):format(locked),
      reason_for { cert = own.cert, key = locked })
  end)

  it("refuses settings that do not exist", function()
    assert.are.equal("no such TLS version: 2.0", reason_for { min_version = "2.0" })
    assert.are.equal("no such ciphers: NONSENSE", reason_for { ciphers = "NONSENSE" })
    assert.are.equal("no such ciphers: TLS_NONSENSE", reason_for { ciphers = "TLS_NONSENSE" })
    assert.are.equal("no such protocol for ALPN: h2,,x", reason_for { alpn = "h2,,x" })
    assert.are.equal("no such protocol for ALPN: h2,", reason_for { alpn = "h2," })
  end)

  it("lives as long as its sessions", function()
    local c, peer
    do
      local context = assert(tls.context { ca = ca.cert })
      local fds = ffi.new "int[2]"
      sys.check(ffi.C.socketpair(1, 1, 0, fds), "socketpair")
      c, peer = tls.over(context, fds[0]), wire.adopt(fds[1])
      c.context = nil
      C.jh_tls_context_release(ffi.gc(context, nil))
    end
    assert.are.equal(C.JH_EWAIT, C.jh_tls_handshake(c.tls))
    c:close()
    peer:close()
  end)
end)
