-- tls_certificate.lua: certificates that the app finds while a handshake waits.
local certificates = require "spec.support.certificates"
local server = require "spec.support.server"
local tls = require "spec.support.tls"
local wait_for = require "spec.support.wait"

local ca = certificates.authority "Spec CA"
local own = ca:issue { names = { "localhost", "127.0.0.1" } }

local function begin_handshake(c) tls.C.jh_tls_handshake(c.tls) end

describe("app:tls_certificate", function()
  local found = ca:issue { names = { "found.example" } }
  local broken = ca:issue { names = { "broken.example" } }

  local function app_with(body)
    return ([[
      local http = require "justhttp"
      local app = http.app()
      app:get("/", function(ctx) return ctx.tls.server_name or "nameless" end)
      app:tls_certificate(function(name) %s end)
      return app
    ]]):format(body)
  end

  local context = assert(tls.context { ca = ca.cert })

  local function visit(s, name)
    local c = tls.connect(context, s.port, name)
    local ok, reason = c:shake()
    if ok then
      assert(c:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      ok = c:read():match "\r\n\r\n(.*)"
    end
    c:close()
    return ok or reason
  end

  it("is asked for names that have no certificate, and may wait", function()
    local s = server.start { listen = "https://127.0.0.1:0", options = { tls_cert = own.bundle },
      code = app_with(([[
        http.sleep(0.02)
        if name == "found.example" then return { cert = %q, key = %q } end
        if name == "text.example" then
          return { cert = io.open(%q):read "*a" }
        end
        if name == "broken.example" then return { cert = %q, key = %q } end
        if name == "number.example" then return 42 end
        if name == "raise.example" then error "no luck" end
      ]]):format(found.cert, found.key, ca:issue({ names = { "text.example" } }).bundle,
        broken.cert, own.key)) }
    assert.are.equal("found.example", visit(s, "found.example"))
    assert.are.equal("found.example", visit(s, "found.example"))
    assert.are.equal("text.example", visit(s, "text.example"))
    assert.are.equal("localhost", visit(s, "localhost"))
    assert.are.equal("nameless", visit(s, "127.0.0.1"))
    assert.are.equal("certificate is for localhost, 127.0.0.1, not for other.example",
      visit(s, "other.example"))
    for name, complaint in pairs {
      ["broken.example"] = "does not belong to the certificate",
      ["number.example"] = "return { cert = …, key = … } or nil",
      ["raise.example"] = "no luck",
    } do
      assert.is_nil(visit(s, name):find("example", 1, true))
      wait_for(function()
        local from = s:stderr():find("app:tls_certificate, for " .. name .. ": ", 1, true)
        return from and s:stderr():find(complaint, from, true)
      end, 2, complaint)
    end
    s:stop()
  end)

  it("may be where all certificates come from", function()
    local s = server.start { listen = "https://127.0.0.1:0", code = app_with(([[
      if name == "found.example" then return { cert = %q } end
    ]]):format(found.bundle)) }
    assert.are.equal("found.example", visit(s, "found.example"))
    assert.is_nil((visit(s, "other.example"):find "^other"))
    s:stop()
  end)

  it("serves many handshakes at once, and clients that leave meanwhile", function()
    local s = server.start { listen = "https://127.0.0.1:0", options = {
      tls_handshake_timeout_ms = 300 }, code = app_with(([[
      http.sleep(name == "slow.example" and 1 or 0.05)
      return { cert = %q }
    ]]):format(found.bundle)) }
    local open = {}
    for i = 1, 20 do
      open[i] = tls.connect(context, s.port, i % 2 == 0 and "slow.example" or "found.example")
      begin_handshake(open[i])
    end
    for i = 1, 20, 4 do open[i]:close() end
    for i = 3, 20, 4 do
      assert(open[i]:shake())
      open[i]:close()
    end
    for i = 2, 20, 2 do
      assert.is_nil((open[i]:shake()))
      open[i]:close()
    end
    assert.are.equal("found.example", visit(s, "found.example"))
    s:stop()
  end)
end)
