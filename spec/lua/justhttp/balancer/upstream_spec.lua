-- One upstream: its URL, its health, its part of the load.
local upstream = require "justhttp.balancer.upstream"

describe("the URL of an upstream", function()
  it("is taken apart", function()
    for text, want in pairs {
      ["http://a"] = { "http", "a", 80, "a", "http://a:80", "" },
      ["HTTPS://A.Example:8443/"] = { "https", "a.example", 8443, "a.example:8443",
                                      "https://a.example:8443", "" },
      ["https://a:443"] = { "https", "a", 443, "a", "https://a:443", "" },
      ["http://10.0.0.1:80/api/v1/"] = { "http", "10.0.0.1", 80, "10.0.0.1",
                                         "http://10.0.0.1:80/api/v1", "/api/v1" },
      ["http://[::1]:81"] = { "http", "::1", 81, "[::1]:81", "http://[::1]:81", "" },
      ["http://unix:/run/app.sock"] = { "http", "unix:/run/app.sock", 0, "localhost",
                                        "http://unix:/run/app.sock", "" },
    } do
      local parts = upstream.parse_url(text)
      assert.same(want, { parts.scheme, parts.host, parts.port, parts.authority, parts.url,
                          parts.prefix }, text)
    end
  end)

  it("must be one", function()
    for _, text in ipairs { "", "a", "a:80", "ftp://a", "http://", "http://:80", "http://a:",
                            "http://a:0", "http://a:65536", "http://a b", "http://u@a",
                            "http://[::1", "http://a?x", "http://a:x", "http://unix:" } do
      assert.is_nil(upstream.parse_url(text), text)
    end
  end)

  it("is named in the error, with the line of the caller", function()
    for _, given in ipairs { "a:80", { url = "x" }, { url = "http://a", weight = 0 }, 5,
                             { url = "http://a", wieght = 2 } } do
      local ok, err = pcall(function() upstream.new(given, 2) end)
      assert.is_false(ok)
      assert.matches("^[^\n]*balancer: ", err)
    end
  end)
end)

describe("an upstream", function()
  local one

  before_each(function() one = upstream.new("http://a", 1) end)

  it("should be ejected after so many failures in a row", function()
    assert.is_false(one:note_failure(0, 3))
    assert.is_false(one:note_failure(0, 3))
    one:note_success(0)
    assert.is_false(one:note_failure(0, 3))
    assert.is_false(one:note_failure(0, 3))
    assert.is_true(one:note_failure(0, 3))
    assert.is_false(one:note_failure(0, nil))
    assert.equal(6, one.failures)
  end)

  it("is out for twice as long each time, and back at one failure's notice", function()
    one:eject(0, 1000, 5000, 3)
    assert.is_false(one:is_up(999))
    assert.is_true(one:is_up(1000))
    assert.is_true(one:note_failure(1000, 3))
    one:eject(1000, 1000, 5000, 3)
    assert.is_false(one:is_up(2999))
    assert.is_true(one:is_up(3000))
    one:eject(3000, 1000, 5000, 3)
    one:eject(7000, 1000, 5000, 3)
    assert.is_false(one:is_up(11999))
    assert.is_true(one:is_up(12000))
  end)

  it("starts anew after doing well for as long as it was out", function()
    one:eject(0, 1000, 5000, 3)
    one:eject(1000, 1000, 5000, 3)
    one:note_success(4999)
    one:eject(5000, 1000, 9000, 3)
    assert.is_false(one:is_up(8999))
    one:note_success(9000 + 4000)
    one:eject(20000, 1000, 9000, 3)
    assert.is_true(one:is_up(21000))
  end)

  it("is not ejected twice by requests that fail at the same time", function()
    one:note_failure(0, 1)
    one:eject(0, 1000, 5000, 1)
    assert.is_false(one:note_failure(1, 1))
  end)

  it("gets a tenth of its load at the beginning of a slow start", function()
    assert.equal(1, one:pace(0))
    one:begin_slowly(1000, 10000)
    assert.equal(0.1, one:pace(1000))
    assert.equal(0.5, one:pace(6000))
    assert.equal(1, one:pace(11000))
    assert.equal(1, one:pace(1000))
    one:begin_slowly(0, nil)
    assert.equal(1, one:pace(0))
  end)

  it("counts its total as fasthttp does: failures only once penalties are full", function()
    for _ = 1, 300 do one:note_failure(0) end
    assert.equal(0, one.total)
    assert.equal(300, one:penalty(0))
    one:note_failure(0)
    assert.equal(1, one.total)
    one:note_success(0)
    assert.equal(2, one.total)
  end)
end)
