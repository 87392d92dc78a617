-- Waiting for a condition instead of for a time.
--
--   local wait_for = require "spec.support.wait"
--   local pid = wait_for(function() return server:workers()[1] end, 2, "a new worker")
--
-- Calls `condition` until it returns something true and returns that; raises when `seconds`
-- (default 5, stretched on sanitizer builds) have passed. `what` goes into the message.
local sys = require "spec.support.sys"

return function(condition, seconds, what)
  local deadline = sys.deadline(seconds)
  local pause = 0.0005
  while true do
    local value = condition()
    if value then return value end
    if sys.now() >= deadline then
      error(("waited %g s in vain for %s"):format((seconds or 5) * sys.patience,
        what or "a condition"), 2)
    end
    sys.sleep(pause)
    pause = math.min(pause * 2, 0.01)
  end
end
