-- What wrk sends and reports, used as `wrk -s load.lua URL -- DEPTH HEADERS`.
--
-- DEPTH requests go out in one write; HEADERS are lines that end in \r\n. The request is a
-- constant: wrk asks Lua for it once, so the load generator spends its core on sending and reading
-- and not on this script. The last line it prints is what spec/bench/measure.lua reads.
-- luacheck: globals wrk init done

function init(args)
  for name, value in (args[2] or ""):gmatch "([^:\r\n]+): *([^\r\n]*)" do
    wrk.headers[name] = value
  end
  local request = wrk.format():rep(tonumber(args[1]) or 1)
  wrk.format = function() return request end
end

function done(summary)
  local errors = 0
  for _, count in pairs(summary.errors) do errors = errors + count end
  io.write(("bench requests=%d duration_us=%d errors=%d\n"):format(summary.requests,
    summary.duration, errors))
end
