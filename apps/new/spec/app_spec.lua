-- Run by `justhttp test`: requests go through the whole server, but over no socket.
local app = require "app"

describe("the app", function()
  it("greets on its page", function()
    local res = assert(app:request { path = "/", query = { name = "<Ada>" } })
    assert.equal(200, res.status)
    assert.truthy(res.body:find("Hello, &lt;Ada&gt;!", 1, true))
  end)

  it("greets in JSON", function()
    local res = assert(app:request { path = "/hello/Ada" })
    assert.same({ hello = "Ada" }, res:json())
  end)

  it("serves its files", function()
    local res = assert(app:request { path = "/assets/style.css" })
    assert.equal(200, res.status)
    assert.equal("text/css; charset=utf-8", res.headers["content-type"])
  end)

  it("knows what it does not have", function()
    assert.equal(404, assert(app:request { path = "/nothing" }).status)
  end)
end)
