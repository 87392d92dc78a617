-- http.middleware: by name, when first used.
local middleware = require "justhttp.middleware"

describe("http.middleware", function()
  it("loads each by its name", function()
    for _, name in ipairs { "basic_auth", "body_limit", "cors", "logger", "recover", "request_id",
      "secure_headers", "timeout" } do
      assert.is_function(middleware[name])
      assert.equal(middleware[name], require("justhttp.middleware." .. name))
    end
  end)

  it("names what there is when a name is wrong", function()
    assert.error_matches(function() return middleware.loger end,
      "http.middleware.loger does not exist; there are basic_auth, .*timeout")
  end)
end)
