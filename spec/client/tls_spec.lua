-- tls_spec.lua: http.client and http.socket over TLS: every certificate that is no good, handshakes
-- that do not come about, sessions that are resumed, and much data both ways.
local caller = require "spec.support.caller"
local certificates = require "spec.support.certificates"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local tls = require "spec.support.tls"

local ca = certificates.authority "Client spec CA"
local names = { "localhost", "127.0.0.1" }
local own = ca:issue { names = names }

describe("a client over TLS", function()
  local c, peers
  setup(function() c = caller.start() end)
  teardown(function() c:stop() end)
  before_each(function() peers = {} end)
  after_each(function()
    for _, peer in ipairs(peers) do peer:stop { signal = sys.SIGKILL, code = false } end
  end)

  local function s_server(how)
    how.mode = how.mode or "-www"
    peers[#peers + 1] = tls.s_server(how)
    return peers[#peers]
  end

  -- Status, or the reason and the kind.
  local function get(port, options)
    options = options or {}
    options.retries, options.timeout = 0, options.timeout or 5
    options.tls = options.tls or { ca = ca.cert }
    local status, err, kind = c:run([[
      local res, err, kind = http.client(a.options):get(a.url)
      return res and res.status, err, kind ]],
      { options = options, url = ("https://localhost:%d/"):format(port) })
    return status or err, kind
  end

  it("says what is wrong with a certificate", function()
    local function complain(cert, reason)
      local port = s_server({ cert }).port
      local err, kind = get(port)
      assert.are.equal("tls", kind)
      assert.truthy(tostring(err):find(reason, 1, true), err)
      assert.truthy(err:find("localhost:" .. port, 1, true), err)
    end
    complain(ca:issue { names = names, from_days = -30, to_days = -3.01 },
      "certificate expired 3 days ago (CN=localhost)")
    complain(ca:issue { names = names, from_days = 1.5, to_days = 9 },
      "certificate is not valid yet, only in 1 day (CN=localhost)")
    complain(ca:issue { names = { "example.org" } },
      "certificate is for example.org, not for localhost")
    complain(certificates.self_signed { names = names },
      "certificate is signed by an unknown authority (self-signed, CN=localhost)")
    complain(certificates.authority("Other CA"):issue { names = names },
      "certificate is signed by an unknown authority (CN=Other CA)")
  end)

  it("shows its certificate when it is asked for one", function()
    local me = ca:issue { cn = "alice", for_client = true }
    for _, version in ipairs { "-tls1_2", "-tls1_3" } do
      local port = s_server({ own, version, "-Verify", "2", "-verify_return_error", "-CAfile",
                              ca.cert }).port
      assert.are.equal(200, get(port, { tls = { ca = ca.cert, cert = me.cert, key = me.key } }))
      local err = get(port)
      assert.truthy(tostring(err):find("demands a client certificate", 1, true), err)
    end
  end)

  it("does not go below TLS 1.2", function()
    local err, kind = get(s_server({ own, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0" }).port)
    assert.are.equal("tls", kind)
    assert.truthy(err:find("no protocol version in common", 1, true), err)
  end)

  it("gives up a handshake that does not go on, or is cut", function()
    -- A server of ours that says nothing, or that leaves after the first bytes.
    for _, case in ipairs { { "http.sleep(2)", "timeout" },
                            { "", "closed" } } do
      local mute = server.start { code = ([[
        local http = require "justhttp"
        return function(ctx) ctx:hijack(function(conn) %s end) end
      ]]):format(case[1]), listen = "127.0.0.1:0" }
      local ok, err = c:run([[
        local socket = http.socket.tcp()
        assert(socket:connect("127.0.0.1", a.port))
        assert(socket:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        socket:settimeout(0.2)
        local ok, err = socket:starttls { ca = a.ca, server_name = "localhost" }
        return ok and true, err ]], { port = mute.port, ca = ca.cert })
      assert.is_nil(ok)
      assert.truthy(err:find(case[2], 1, true), err)
      mute:stop()
    end
  end)

  it("resumes its session with the same server", function()
    local s = server.start { listen = "https://127.0.0.1:0", code = [[
      return function(ctx)
        ctx:set("Connection", "close")
        return ctx.tls.is_resumed and "resumed" or "new"
      end ]], options = { tls_cert = own.bundle, http2 = false } }
    local said = c:run([[
      local client = http.client { tls = { ca = a.ca } }
      local said = {}
      for i = 1, 6 do said[i] = assert(client:get(a.url)).body end
      return table.concat(said, " ") ]], { ca = ca.cert, url = "https://localhost:" .. s.port })
    assert.are.equal("new resumed resumed resumed resumed resumed", said)
    s:stop()
  end)

  it("carries much both ways", function()
    local s = server.start { listen = "https://127.0.0.1:0", code = [[
      local app = require "justhttp".app()
      app:post("/", function(ctx) return ctx.body end)
      return app ]], options = { tls_cert = own.bundle, max_body_bytes = "16m" } }
    local length, is_same = c:run([[
      local text = ("0123456789abcdef"):rep(524288)
      local client = http.client { tls = { ca = a.ca }, timeout = 20, max_body_bytes = 16777216 }
      local res = assert(client:post(a.url, text))
      return #res.body, res.body == text ]], { ca = ca.cert, url = "https://localhost:" .. s.port })
    assert.are.equal(8388608, length)
    assert.is_true(is_same)
    s:stop()
  end)

  it("takes a body that ends with its connection for whole only after a close_notify", function()
    local s = server.start { listen = "https://127.0.0.1:0", code = [[
      local http, ffi = require "justhttp", require "ffi"
      ffi.cdef "int raise(int signal);"
      return function(ctx)
        local is_cut = ctx.path == "/cut"
        ctx:hijack(function(conn)
          conn:write "HTTP/1.1 200 OK\r\n\r\nall of it"
          http.sleep(0.05)
          if is_cut then ffi.C.raise(9) end
          conn:close()
        end)
      end ]], options = { tls_cert = own.bundle, http2 = false } }
    local function ask(path)
      return c:run([[
        local res, err = http.client { tls = { ca = a.ca }, retries = 0 }:get(a.url)
        return res and res.body or err ]],
        { ca = ca.cert, url = "https://localhost:" .. s.port .. path })
    end
    assert.are.equal("all of it", ask "/")
    assert.truthy(ask("/cut"):find("without a close_notify: what it sent may be cut short", 1,
      true))
    s:stop()
  end)

  it("speaks TLS over a socket that was plain before", function()
    local port = s_server({ own, mode = "-rev" }).port
    local answer, err = c:run([[
      local socket = http.socket.tcp()
      assert(socket:connect("localhost", a.port))
      local ok, err = socket:starttls { ca = a.ca, server_name = "localhost" }
      if not ok then return nil, err end
      socket:send "hello\n"
      return socket:receive "*l" ]], { port = port, ca = ca.cert })
    assert.are.equal("olleh", answer, err)
  end)
end)
