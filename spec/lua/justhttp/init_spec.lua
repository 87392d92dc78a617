-- The public face.
local http = require "justhttp"

describe("http", function()
  it("makes apps", function()
    assert.is_true(require "justhttp.app".is_app(http.app()))
  end)

  it("loads its parts when they are first used", function()
    assert.equal(require "justhttp.json", http.json)
    assert.equal(require "justhttp.json".null, http.null)
    assert.equal(require "justhttp.query", http.query)
    assert.equal(require "justhttp.log", http.log)
    assert.equal(require "justhttp.middleware", http.middleware)
    assert.is_nil(http.nothing)
  end)

  it("makes jars of cookies", function()
    assert.equal("justhttp.cookie_jar", getmetatable(http.cookie_jar()).__name)
  end)

  it("tells its version", function()
    assert.matches("^%d+%.%d+%.%d+", http.version)
  end)
end)
