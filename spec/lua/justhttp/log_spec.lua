-- The log for apps.
local log = require "justhttp.log"

describe("log", function()
  local lines, wanted

  before_each(function()
    lines, wanted = {}, { info = true, warn = true, error = true }
    log.configure {
      write = function(level, text) lines[#lines + 1] = level .. ": " .. text end,
      wants = function(level) return wanted[level] or false end,
    }
  end)

  it("formats as string.format does", function()
    log.info("user %s has %d", "ada", 3)
    log.error("plain 100%")
    assert.same({ "info: user ada has 3", "error: plain 100%" }, lines)
  end)

  it("writes fields behind the text, sorted and quoted where needed", function()
    log.warn("slow", { b = 2, a = "x y", c = 'q"\\', d = "", e = true, f = "l1\nl2" })
    assert.equal([[warn: slow a="x y" b=2 c="q\"\\" d="" e=true f="l1\nl2"]], lines[1])
  end)

  it("takes arguments and fields together", function()
    log.info("%s done", "import", { rows = 5 })
    assert.equal("info: import done rows=5", lines[1])
  end)

  it("does not format what is below the level", function()
    local value = setmetatable({}, { __tostring = function() error "formatted" end })
    log.debug("%s", value)
    assert.same({}, lines)
  end)

  it("never raises for a wrong format", function()
    log.info("%d items", "many")
    log.info("%s %s", "one")
    log.info(nil)
    assert.same({ "info: %d items many", "info: %s %s one", "info: nil" }, lines)
  end)

  it("makes loggers that carry fields", function()
    local logger = log.with { job = "import", n = 1 }
    logger:info("step %d", 2, { n = 2 })
    logger:error("failed")
    logger:warn("w")
    logger:debug("d")
    assert.same({ "info: step 2 job=import n=2", "error: failed job=import n=1",
      "warn: w job=import n=1" }, lines)
    assert.error_matches(function() log.with(5) end, "give a table of fields")
  end)
end)
