-- run_on as a function; what it does for a real client is in ending_spec.lua.
local run_on = require "justhttp.middleware.run_on"

describe("run_on", function()
  it("marks the ctx and runs the rest", function()
    local ctx, has_run = {}, false
    run_on()(ctx, function() has_run = true end)
    assert.is_true(has_run)
    assert.is_true(rawget(ctx, "_runs_on"))
  end)
end)
