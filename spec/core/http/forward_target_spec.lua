-- forward_target_spec.lua: the path goes on as it was sent, and never out of the base it is put
-- below.
local forward = require "spec.support.forward"

local function expect(to, from, how)
  assert.equal(to, forward.target(from, how))
end

describe("the target that a proxy sends on", function()
  it("is the client's, with its query", function()
    for _, target in ipairs { "/", "/a", "/a/b/", "/a?", "/a?b=c&d", "/a?b?c", "/%41%2f%7e",
      "/a//b/../c", "/%zz", "/a;b=c" } do
      expect(target, target)
    end
    expect("/a?b", "http://other/a?b")
    expect("/", "http://other")
    expect("/?b", "http://other?b")
  end)

  it("is what is behind the prefix of the route", function()
    local how = { prefix = 3 } -- "/p/"
    expect("/", "/p/", how)
    expect("/a/b", "/p/a/b", how)
    expect("/a%20b?x=%41+1", "/p/a%20b?x=%41+1", how)
    expect("/a%2Fb", "/p/a%2Fb", how)
    expect("/%41", "/%70/%41", how)
    expect("/a//b", "/p/a//b", how)
    expect("/a/./b", "/p/a/./b", how)
    expect("/a/../b", "/p/a/../b", how)
    expect("/%E2%82%AC", "/p/%E2%82%AC", how)
  end)

  it("stands below a base", function()
    expect("/base/a", "/a", { base = "/base" })
    expect("/base/", "/", { base = "/base" })
    expect("/base/a%20b?c", "/p/a%20b?c", { base = "/base", prefix = 3 })
    expect("/base/", "/p/", { base = "/base", prefix = 3 })
  end)

  it("does not lead out of the base", function()
    expect("/base/secret", "/../secret", { base = "/base" })
    expect("/base/secret", "/x/../../secret", { base = "/base" })
    expect("/base/b", "/p/../p/b", { base = "/base", prefix = 3 })
    expect("/base/secret", "/..%2f..%2fsecret", { base = "/base" })
    -- "a" and "b/c" by slashes, "a", "b" and "c" decoded: the raw rest would be "../x".
    expect("/base/x", "/a/b%2Fc/../x", { base = "/base", prefix = 5 })
  end)

  it("is escaped anew where the raw one cannot be taken", function()
    expect("/b%20c%3F%C3%A4", "//p/b%20c%3f%c3%a4", { prefix = 3 })
    expect("/a%25b", "//p/a%25b", { prefix = 3 })
    expect("/a;b=c,d@e:f", "//p/a;b=c,d@e:f", { prefix = 3 })
  end)

  it("can be given whole", function()
    assert.is_truthy(forward.request("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", { target = "/x?y" })
      :find("^GET /x%?y HTTP/1.1\r\n"))
  end)
end)
