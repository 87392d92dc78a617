-- What may be tried once more.
local retry = require "justhttp.balancer.retry"

describe("the retry policy", function()
  local function judge(policy, result)
    local given = { method = "GET", is_replayable = true, attempt = 1 }
    for key, value in pairs(result) do given[key] = value end
    return retry.judge(retry.check(policy, 1), given)
  end

  it("tries what was never sent at the next upstream, whatever it is, at no cost", function()
    for _, kind in ipairs { "resolve", "connect", "tls", "busy" } do
      assert.equal("free", judge(nil, { kind = kind }))
      assert.equal("free", judge(nil, { kind = kind, method = "POST", is_replayable = false,
                                        attempt = 100 }))
    end
  end)

  it("tries what was lost again only when that does no harm", function()
    for _, kind in ipairs { "closed", "timeout", "protocol" } do
      for _, method in ipairs { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" } do
        assert.equal("paid", judge(nil, { kind = kind, method = method }))
      end
      for _, method in ipairs { "POST", "PATCH", "FROB" } do
        assert.is_nil(judge(nil, { kind = kind, method = method }))
        assert.equal("paid", judge({ non_idempotent = true }, { kind = kind, method = method }))
      end
      assert.is_nil(judge(nil, { kind = kind, is_replayable = false }))
    end
  end)

  it("leaves alone what another try cannot help", function()
    for _, kind in ipairs { "limit", "redirect", "cancelled", "invalid" } do
      assert.is_nil(judge(nil, { kind = kind }))
    end
  end)

  it("tries so many times", function()
    assert.equal("paid", judge(nil, { kind = "closed", attempt = 2 }))
    assert.is_nil(judge(nil, { kind = "closed", attempt = 3 }))
    assert.is_nil(judge({ attempts = 1 }, { kind = "closed" }))
    assert.is_nil(judge(false, { kind = "connect" }))
  end)

  it("takes answers for failures where asked to", function()
    local response = { status = 503 }
    assert.is_nil(judge(nil, { response = response }))
    assert.equal("paid", judge({ statuses = { 502, 503 } }, { response = response }))
    assert.is_nil(judge({ statuses = { 502, 503 } }, { response = response, method = "POST" }))
    assert.is_nil(judge({ statuses = { 502 } }, { response = response }))
  end)

  it("lets a function decide", function()
    local seen
    local policy = { when = function(result)
      seen = result.kind
      return result.method == "POST"
    end }
    assert.equal("paid", judge(policy, { kind = "closed", method = "POST" }))
    assert.equal("closed", seen)
    assert.is_nil(judge(policy, { kind = "closed" }))
    assert.is_nil(judge(policy, { kind = "closed", method = "POST", attempt = 3 }))
  end)

  it("says what is wrong with its options", function()
    for text, given in pairs {
      ["retry is a table"] = 5, ["retry.attempt is no option"] = { attempt = 1 },
      ["retry.attempts must be"] = { attempts = 0 }, ["must not be negative"] = { budget = -1 },
      ["retry.statuses is no option, or of another type"] = { statuses = 503 },
    } do
      local ok, err = pcall(retry.check, given, 1)
      assert.is_false(ok)
      assert.matches(text, err, 1, true)
    end
  end)
end)
