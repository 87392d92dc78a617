-- What a scanner of TLS servers that others wrote says about the defaults: sslscan.
local certificates = require "spec.support.certificates"
local server = require "spec.support.server"

local ca = certificates.authority "Spec CA"
local own = ca:issue { names = { "localhost", "127.0.0.1" } }

-- Words of sslscan 2 for what it has checked. "Weak" it says of signatures and keys, too.
local OUTDATED = { "SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1" }
local CIPHERS = {
  TLS_AES_128_GCM_SHA256 = true,
  TLS_AES_256_GCM_SHA384 = true,
  TLS_CHACHA20_POLY1305_SHA256 = true,
  ["ECDHE-ECDSA-AES128-GCM-SHA256"] = true,
  ["ECDHE-ECDSA-AES256-GCM-SHA384"] = true,
  ["ECDHE-ECDSA-CHACHA20-POLY1305"] = true,
}

describe("the defaults of TLS, as sslscan sees them", function()
  local s, report

  local function scan(port)
    local command = "timeout 60 sslscan --no-colour --no-heartbleed 127.0.0.1:" .. port .. " 2>&1"
    local pipe = io.popen(command)
    local text = pipe:read "*a"
    pipe:close()
    return text
  end

  setup(function()
    s = server.start {
      code = [[return function() return "hello" end]],
      options = { tls_cert = own.cert, tls_key = own.key },
    }
    report = scan(s.port)
  end)
  teardown(function() s:stop() end)

  it("have no outdated protocol", function()
    for _, protocol in ipairs(OUTDATED) do
      assert.truthy(report:find(protocol .. "%s+disabled"), protocol .. " in:\n" .. report)
    end
    assert.truthy(report:find "TLSv1.2%s+enabled")
    assert.truthy(report:find "TLSv1.3%s+enabled")
  end)

  it("have only ciphers with forward secrecy and AEAD", function()
    local count = 0
    for name in report:gmatch "%f[%u]%u%l+%s+TLSv1%.%d%s+%d+ bits%s+(%S+)" do
      assert.truthy(CIPHERS[name], name .. " in:\n" .. report)
      count = count + 1
    end
    assert.are.equal(6, count, report)
  end)

  it("have no renegotiation, and stop downgrades", function()
    assert.truthy(report:find "Session renegotiation not supported")
    assert.truthy(report:find "Server supports TLS Fallback SCSV", report)
  end)
end)
