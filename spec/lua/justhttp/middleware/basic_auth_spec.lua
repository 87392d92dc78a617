-- HTTP Basic authentication.
local base64 = require "justhttp.base64"
local basic_auth = require "justhttp.middleware.basic_auth"
local fake = require "spec.support.fake_ctx"

local function try(options, authorization)
  local ctx = fake.new { headers = { authorization = authorization } }
  local is_let_in = fake.run(basic_auth(options), ctx)
  return is_let_in, ctx
end

local function basic(text) return "Basic " .. base64.encode(text) end

local users = { users = { ada = "s3cret:with colon", bob = "" } }

describe("basic_auth", function()
  it("lets the right name and password in, whatever the case of the scheme", function()
    local is_let_in, ctx = try(users, basic "ada:s3cret:with colon")
    assert.is_true(is_let_in)
    assert.equal("ada", ctx.values.user)
    assert.is_true((try(users, "bAsIc " .. base64.encode "ada:s3cret:with colon")))
    assert.is_true((try(users, basic "bob:")))
  end)

  it("answers 401 with a challenge to everything else", function()
    local refused = {
      basic "ada:wrong", basic "ada:s3cret", basic "ada:s3cret:with colon!", basic "ada:",
      basic "ada", basic "eve:s3cret:with colon", basic "eve:\0", basic "eve:", basic "bob:x",
      basic ":", "Bearer abc", "Basic", "Basic ", "Basic !!!", "Basic YQ", "",
    }
    for _, authorization in ipairs(refused) do
      local is_let_in, ctx = try(users, authorization)
      assert.is_false(is_let_in)
      assert.equal(401, ctx.status)
      assert.same({ 'Basic realm="Restricted", charset="UTF-8"' }, ctx.sent["www-authenticate"])
      assert.is_nil(ctx.values.user)
    end
    assert.is_false((try(users, nil)))
  end)

  it("quotes the realm", function()
    local _, ctx = try({ users = {}, realm = [[a "b" \c]] })
    assert.equal([[Basic realm="a \"b\" \\c", charset="UTF-8"]], ctx.sent["www-authenticate"][1])
  end)

  it("asks verify, with the ctx", function()
    local got
    local options = { verify = function(name, password, ctx)
      got = { name, password, ctx.method }
      return password == "yes"
    end }
    assert.is_true((try(options, basic "x:yes")))
    assert.same({ "x", "yes", "GET" }, got)
    assert.is_false((try(options, basic "x:no")))
  end)

  it("refuses wrong options", function()
    assert.error_matches(function() basic_auth() end, "give options")
    assert.error_matches(function() basic_auth {} end, "give users")
    assert.error_matches(function() basic_auth { users = { "x" } } end, "both strings")
    assert.error_matches(function() basic_auth { users = { ["a:b"] = "x" } } end, "without ':'")
    assert.error_matches(function() basic_auth { verify = "x" } end, "verify must be a function")
    assert.error_matches(function() basic_auth { users = {}, realm = "a\r\nb" } end, "control")
  end)
end)
