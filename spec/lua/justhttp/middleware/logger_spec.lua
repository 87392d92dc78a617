-- The access log.
local fake = require "spec.support.fake_ctx"
local json = require "justhttp.json"
local logger = require "justhttp.middleware.logger"

describe("logger", function()
  local lines, clock_ms, is_terminal, saved

  before_each(function()
    lines, clock_ms, is_terminal, saved = {}, 1000, false, package.loaded["justhttp.door"]
    package.loaded["justhttp.door"] = {
      precise_ms = function() return clock_ms end,
      unix_ms = function() return 784111777250 end,
      access_log = function(line) lines[#lines + 1] = line end,
      is_terminal = function() return is_terminal end,
    }
  end)

  after_each(function() package.loaded["justhttp.door"] = saved end)

  local function run(options, request, handler)
    local ctx = fake.new(request or { url = "/x?y=1", headers = { ["user-agent"] = "curl/8" } })
    ctx.response_bytes = 12
    fake.run(logger(options), ctx, handler or function() clock_ms = clock_ms + 1.5 end)
    return lines[#lines]
  end

  it("writes the combined format", function()
    assert.equal('192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET /x?y=1 HTTP/1.1" 200 12 "-" '
      .. '"curl/8"', run())
  end)

  it("writes the common format, with a user", function()
    assert.equal('192.0.2.1 - ada [06/Nov/1994:08:49:37 +0000] "GET /x?y=1 HTTP/1.1" 200 12',
      run { format = "common", user = function() return "ada" end })
  end)

  it("writes JSON", function()
    local value = json.decode(run("json", nil, function(ctx)
      ctx.values.request_id = "r1"
      clock_ms = clock_ms + 1.5
    end))
    assert.same({
      time = "1994-11-06T08:49:37Z", ip = "192.0.2.1", method = "GET", target = "/x?y=1",
      host = "localhost", status = 200, bytes = 12, duration_ms = 1.5, user_agent = "curl/8",
      request_id = "r1",
    }, value)
  end)

  it("writes a short line for development, coloured on a terminal", function()
    assert.equal("GET     200 /x?y=1  1.5 ms", run "dev")
    is_terminal = true
    assert.equal("GET     \27[32m200\27[0m /x?y=1  1.5 ms", run { format = "dev" })
    assert.equal("GET     200 /x?y=1  1.5 ms", run { format = "dev", colour = false })
  end)

  it("takes a function, which may skip", function()
    assert.equal("GET 1.5", run(function(ctx, seconds)
      return ctx.method .. " " .. seconds * 1000
    end))
    run(function() end)
    run { skip = function(ctx) return ctx.url == "/x?y=1" end }
    assert.equal(1, #lines)
  end)

  it("logs a request whose handler failed", function()
    assert.matches('" 500 12', run(nil, nil, function() error "boom" end))
  end)

  it("counts no body where none is sent", function()
    assert.matches('"HEAD /x HTTP/1.1" 200 0 ', run(nil, { url = "/x", method = "HEAD" }))
    for _, status in ipairs { 204, 304 } do
      assert.matches('" ' .. status .. " 0 ", run(nil, nil, function(c) c.status = status end))
    end
  end)

  it("keeps clients from forging lines", function()
    local line = run(nil, {
      url = '/"x\\', headers = { referer = 'a"\t b', ["user-agent"] = "\127" },
    })
    assert.matches('"GET /\\x22x\\x5C HTTP/1.1" 200 12 "a\\x22\\x09 b" "\\x7F"$', line)
  end)

  it("refuses a format it does not have", function()
    assert.error_matches(function() logger "apache" end, "\"apache\" is no format")
  end)
end)
