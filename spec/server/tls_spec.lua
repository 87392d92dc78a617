-- HTTPS listeners: which of them speak TLS, with which certificate, and what is said at start when
-- that cannot be.
local certificates = require "spec.support.certificates"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local tls = require "spec.support.tls"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local ca = certificates.authority "Spec CA"
local own = ca:issue { names = { "localhost", "127.0.0.1" } }
local trusting = assert(tls.context { ca = ca.cert })

local app = [[
return function(ctx) return ctx.scheme .. " " .. (ctx.headers.host or "-") end
]]

local function start(how)
  how.code = how.code or app
  how.options = how.options or { tls_cert = own.cert, tls_key = own.key }
  return server.start(how)
end

local function get(s, more)
  local where = { host = s.host, port = s.port, is_tls = s.is_tls, tls = trusting }
  for key, value in pairs(more or {}) do where[key] = value end
  return wire.request(where, { path = "/" })
end

-- What a client that asks for `name` says about the certificate it is shown.
local function shown(s, name)
  local c = tls.connect(trusting, s.port, name)
  local ok, reason = c:shake()
  c:close()
  return ok and "fine" or reason
end

describe("a TLS listener", function()
  local s
  after_each(function()
    if s then s:stop() end
    s = nil
  end)

  it("is what every TCP listener is when there is a certificate", function()
    s = start {}
    assert.truthy(s.url:find "^https://127%.0%.0%.1:%d+$")
    assert.are.equal("https localhost", get(s).body)
  end)

  it("is only the one with https:// in front when there is one", function()
    s = start { listen = { "https://127.0.0.1:0", "127.0.0.1:0" } }
    assert.truthy(s.urls[1]:find "^https://")
    assert.truthy(s.urls[2]:find "^http://")
    assert.are.equal("https localhost", get(s).body)
    local port = tonumber(s.urls[2]:match ":(%d+)$")
    assert.are.equal("http localhost", wire.get({ port = port }, "/").body)
  end)

  it("may be a unix socket", function()
    local dir = sys.temp_dir()
    s = start { listen = "https://unix:" .. dir .. "/s" }
    local r = wire.request({ path = dir .. "/s", is_tls = true, tls = trusting }, { path = "/" })
    assert.are.equal("https localhost", r.body)
    s:stop()
    sys.remove(dir)
  end)

  it("reads certificate and key from one file, or several pairs in order", function()
    s = start { options = { tls_cert = own.bundle } }
    assert.are.equal(200, get(s).status)
    s:stop()
    local other = ca:issue { names = { "example.org" } }
    s = start { options = { tls_cert = own.cert .. "," .. other.cert,
                            tls_key = own.key .. "," .. other.key } }
    assert.are.equal("fine", shown(s, "example.org"))
    assert.are.equal("fine", shown(s, "localhost"))
  end)

  it("chooses the certificate by the name that is asked for", function()
    local wild = ca:issue { names = { "*.example.org" } }
    local exact = ca:issue { names = { "www.example.org", "example.org" } }
    s = start { options = { tls_cert = ("%s,%s,%s"):format(own.bundle, wild.bundle,
      exact.bundle) } }
    assert.are.equal("fine", shown(s, "a.example.org"))
    assert.are.equal("fine", shown(s, "A.Example.ORG"))
    assert.are.equal("fine", shown(s, "www.example.org"))
    assert.are.equal("fine", shown(s, "example.org"))
    assert.are.equal("fine", shown(s, "127.0.0.1"))
    assert.are.equal("certificate is for localhost, 127.0.0.1, not for a.b.example.org",
      shown(s, "a.b.example.org"))
    assert.are.equal("certificate is for localhost, 127.0.0.1, not for other.example",
      shown(s, "other.example"))
  end)

  it("has keys of two kinds for the same names", function()
    local rsa = ca:issue { names = { "localhost", "127.0.0.1" }, rsa = 2048 }
    s = start { options = { tls_cert = own.bundle .. "," .. rsa.bundle } }
    local function cipher_with(ciphers)
      local context = assert(tls.context { ca = ca.cert, max_version = "1.2", ciphers = ciphers })
      local c = tls.connect(context, s.port, "localhost")
      assert(c:shake())
      local cipher = c:cipher()
      c:close()
      return cipher
    end
    for _, cipher in ipairs { "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256" } do
      assert.are.equal(cipher, cipher_with(cipher))
    end
  end)

  it("makes a certificate for development", function()
    s = start { options = { tls = "self" } }
    assert.truthy(s:stderr():find("self%-signed certificate, for development only: SHA%-256 %x%x:"))
    assert.truthy(shown(s, "localhost"):find("self-signed", 1, true))
    local out = io.popen(("echo | openssl s_client -connect 127.0.0.1:%d 2>/dev/null | "
      .. "openssl x509 -noout -ext subjectAltName"):format(s.port)):read "*a"
    assert.truthy(out:find("DNS:localhost, DNS:*.localhost, IP Address:127.0.0.1", 1, true), out)
    assert.are.equal(200, get(s, { tls = false }).status)
  end)

  it("obeys the lowest version and the list of ciphers", function()
    s = start { options = { tls_cert = own.bundle, tls_min_version = "1.3",
                            tls_ciphers = "TLS_CHACHA20_POLY1305_SHA256" } }
    local c = tls.connect(trusting, s.port, "localhost")
    assert(c:shake())
    assert.are.equal("TLS_CHACHA20_POLY1305_SHA256", c:cipher())
    c:close()
    local older = assert(tls.context { ca = ca.cert, max_version = "1.2" })
    local refused = tls.connect(older, s.port, "localhost")
    assert.are.equal("no protocol version in common", select(2, refused:shake()))
    refused:close()
  end)

  it("speaks nothing older than TLS 1.2", function()
    s = start {}
    local old = assert(tls.context { ca = ca.cert, min_version = "1.0", max_version = "1.1",
                                     ciphers = "ALL:@SECLEVEL=0" })
    local c = tls.connect(old, s.port, "localhost")
    assert.are.equal("no protocol version in common", select(2, c:shake()))
    c:close()
  end)

  it("is configured by a table, too", function()
    s = server.start { files = {
      ["app.lua"] = app,
      ["config.lua"] = ("return { tls = { { cert = %q, key = %q }, { cert = %q } } }"):format(
        own.cert, own.key, ca:issue({ names = { "example.org" } }).bundle),
    } }
    assert.are.equal("fine", shown(s, "localhost"))
    assert.are.equal("fine", shown(s, "example.org"))
  end)
end)

describe("certificates", function()
  it("are read again on SIGHUP, and connections go on with those they have", function()
    local dir = sys.temp_dir()
    local file = dir .. "/cert.pem"
    sys.write_file(file, sys.read_file(own.bundle))
    local s = start { options = { tls_cert = file, tls_min_version = "1.3" }, workers = 2 }
    local before = wire.connect { port = s.port, is_tls = true, tls = trusting }
    assert.are.equal(200, before:request({ path = "/" }).status)

    local fresh = ca:issue { names = { "fresh.example" } }
    sys.write_file(file, sys.read_file(fresh.bundle))
    s:signal(sys.SIGHUP)
    wait_for(function() return s:stderr():find("certificates read again", 1, true) end)
    -- Each worker hears of it on its own.
    for _ = 1, 10 do
      wait_for(function() return shown(s, "fresh.example") == "fine" end)
    end
    assert.are.equal(200, before:request({ path = "/" }).status)
    before:close()

    -- What does not work changes nothing.
    sys.write_file(file, "nonsense")
    s:signal(sys.SIGHUP)
    wait_for(function() return s:stderr():find("certificates not read again", 1, true) end)
    assert.truthy(s:stderr():find("cert.pem: holds no certificate (PEM)", 1, true))
    for _ = 1, 4 do assert.are.equal("fine", shown(s, "fresh.example")) end

    -- A worker that starts now has the present ones as well.
    local pids = s:workers()
    for _, pid in ipairs(pids) do
      s:signal(sys.SIGKILL, pid)
      wait_for(function()
        local now = s:workers()
        return #now == 2 and now[1] ~= pid and now[2] ~= pid
      end)
    end
    for _ = 1, 4 do
      wait_for(function() return shown(s, "fresh.example") == "fine" end)
    end
    s:stop()
    sys.remove(dir)
  end)

  it("of client authorities end old sessions when they are read again", function()
    local dir = sys.temp_dir()
    local other = certificates.authority "Other CA"
    local me = ca:issue { cn = "alice", for_client = true }
    sys.write_file(dir .. "/ca.pem", ca.pem)
    local s = start { options = { tls_cert = own.bundle, tls_client_ca = dir .. "/ca.pem" } }
    local context = assert(tls.context { ca = ca.cert, cert = me.bundle })
    local function visit()
      local c = tls.connect(context, s.port, "localhost")
      local ok = c:shake() and c:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n" and c:read()
      local said = ok and ok:find("200 OK", 1, true) and (c:is_resumed() and "resumed" or "new")
      c:close()
      return said or "refused"
    end
    assert.are.equal("new", visit())
    assert.are.equal("resumed", visit())
    sys.write_file(dir .. "/ca.pem", other.pem)
    s:signal(sys.SIGHUP)
    wait_for(function() return visit() == "refused" end)
    assert.are.equal("refused", visit())
    s:stop()
    sys.remove(dir)
  end)

  it("that are of no use stop the start with one sentence", function()
    local names = { "localhost" }
    local late = ca:issue { names = names, from_days = -30, to_days = -3.01 }
    local early = ca:issue { names = names, from_days = 2, to_days = 30 }
    local weak = ca:issue { names = names, rsa = 1024 }
    for _, case in ipairs {
      { { tls_cert = "/nowhere.pem" }, "certificate /nowhere.pem: No such file or directory" },
      { { tls_cert = own.cert, tls_key = "/nowhere.key" },
        "key /nowhere.key: No such file or directory" },
      { { tls_cert = own.cert, tls_key = ca.key },
        ("key %s: does not belong to the certificate"):format(ca.key) },
      { { tls_cert = own.cert }, ("key %s: holds no private key (PEM)"):format(own.cert) },
      { { tls_cert = late.bundle }, ("certificate %s: expired 3 days ago"):format(late.bundle) },
      { { tls_cert = early.bundle }, ("certificate %s: is not valid yet"):format(early.bundle) },
      { { tls_cert = weak.bundle },
        ("certificate %s: its key is too short to be safe"):format(weak.bundle) },
      { { tls_cert = own.bundle, tls_ciphers = "NONSENSE" }, "no such ciphers: NONSENSE" },
      { { tls_cert = own.bundle, tls_client_ca = "/nowhere.pem" },
        "CA /nowhere.pem: No such file or directory" },
    } do
      local s, message = server.try_start { code = app, options = case[1] }
      assert.is_nil(s)
      assert.truthy(message:find("justhttp: TLS: " .. case[2] .. "\n", 1, true), message)
    end
  end)

  it("need a listener, and listeners need them", function()
    local _, message = server.try_start { code = app, listen = "http://127.0.0.1:0",
                                          options = { tls_cert = own.bundle } }
    assert.truthy(message:find("there are certificates, but no listener for them; write https://"
      .. " in front of an address", 1, true), message)
    _, message = server.try_start { code = app, listen = "https://127.0.0.1:0" }
    assert.truthy(message:find("https://127.0.0.1:%d+ has no certificate; give %-%-tls%-cert and"
      .. " %-%-tls%-key, %-%-tls=self, or app:tls_certificate%(%)"), message)
    _, message = server.try_start { code = app, options = { tls_cert = own.cert,
                                                            tls_key = own.key .. "," .. ca.key } }
    assert.truthy(message:find("--tls-key: there are 2 keys for 1 certificates; each needs its own",
      1, true), message)
  end)

  it("that end soon are warned of", function()
    local short = ca:issue { names = { "localhost" }, to_days = 5.5 }
    local s = start { options = { tls_cert = short.bundle } }
    assert.truthy(s:stderr():find("a certificate expires in 5 days (CN=localhost)", 1, true))
    s:stop()
  end)
end)
