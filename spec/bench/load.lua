-- What wrk sends and reports, used by spec/bench/run as `wrk -s load.lua URL -- DEPTH HEADERS`.
--
-- DEPTH requests go out in one write. HEADERS is "plain" (Host alone), "close" (Connection: close)
-- or "browser" (eight fields, about 480 bytes). The request is a constant: wrk asks Lua for it
-- once, so the load generator spends its core on sending and reading, not on this script.
-- The last line it prints is the one that the bench reads.

local browser = {
  ["Connection"] = "keep-alive",
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  ["Accept-Language"] = "en-GB,en;q=0.8,de-DE;q=0.5,de;q=0.3",
  ["Accept-Encoding"] = "gzip, deflate, br, zstd",
  ["Referer"] = "https://www.example.com/catalogue/garden/chairs?page=2",
  ["Cookie"] = "visit=7f3a91c2d4e5; theme=dark; basket=3",
}

function init(args)
  local depth = tonumber(args[1]) or 1
  local kind = args[2] or "plain"
  if kind == "close" then wrk.headers["Connection"] = "close" end
  if kind == "browser" then
    for name, value in pairs(browser) do wrk.headers[name] = value end
  end
  local request = wrk.format()
  wrk.format = function() return request:rep(depth) end
end

function done(summary)
  local errors = summary.errors
  io.write(string.format("bench requests=%d duration_us=%d errors=%d\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
