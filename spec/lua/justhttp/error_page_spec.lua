-- What a client sees of a failed request.
local error_page = require "justhttp.error_page"
local json = require "justhttp.json"
local traceback = require "justhttp.traceback"

local function info(overrides)
  local _, fault = xpcall(function() error "secret <script>" end, traceback.capture)
  local made = {
    status = 500, reason = "Internal Server Error", id = "a1b2", fault = fault, method = "GET",
    target = "/x?<y>",
  }
  for key, value in pairs(overrides) do made[key] = value end
  return made
end

local browser = "text/html,application/xhtml+xml,*/*;q=0.8"

describe("the error page in production", function()
  it("is text with the id and nothing of the program", function()
    for _, accept in ipairs { "*/*", "text/html", browser } do
      local body, content_type = error_page.render(info { accept = accept })
      assert.equal("500 Internal Server Error\nid: a1b2\n", body)
      assert.equal("text/plain; charset=utf-8", content_type)
    end
  end)

  it("is JSON for clients that prefer it", function()
    local body, content_type = error_page.render(info { accept = "application/json" })
    assert.equal("application/json", content_type)
    assert.same({ status = 500, error = "Internal Server Error", id = "a1b2" }, json.decode(body))
  end)
end)

describe("the error page in dev mode", function()
  it("shows a browser message, place, source and calls, escaped", function()
    local body, content_type = error_page.render(info { is_dev = true, accept = browser })
    assert.equal("text/html; charset=utf-8", content_type)
    assert.matches("secret &lt;script&gt;", body)
    assert.is_nil(body:find("<script>", 1, true))
    assert.is_nil(body:find("<y>", 1, true))
    assert.matches("error_page_spec.lua:7", body)
    assert.matches('class="at"', body)
    assert.matches("a1b2", body)
  end)

  it("loads nothing from elsewhere", function()
    local body = error_page.render(info { is_dev = true, accept = browser })
    for _, needle in ipairs { "http://", "https://", "@import", "url%(", "src=" } do
      assert.is_nil(body:find(needle))
    end
  end)

  it("is readable text for curl, and JSON with frames for JSON clients", function()
    local text = error_page.render(info { is_dev = true, accept = "*/*" })
    assert.matches("^500 Internal Server Error\n\n.*secret.*_page_spec.lua:7: in .*id: a1b2\n$",
      text)
    local body = error_page.render(info { is_dev = true, accept = "application/json" })
    local value = json.decode(body)
    assert.matches("secret", value.message)
    assert.equal(7, value.frames[1].line)
  end)

  it("lives with a fault that has no place", function()
    local _, fault = xpcall(function() error { code = 7 } end, traceback.capture)
    fault.trace = ""
    assert.matches("{ code = 7 }",
      (error_page.render(info { is_dev = true, accept = browser, fault = fault })))
  end)
end)
