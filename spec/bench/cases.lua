-- The cases of the bench, in the order of the table, with the bars that justhttp must keep.
--
-- A case: key (for --only), title, path and expected body, how wrk asks (connections, depth,
-- headers), which floor answers it, and its bar. `ratio` is CPU per request against the floor;
-- `extra_us` is CPU per request above the case named `over`, compared round by round (so the two
-- stand near each other in the list). `fills = false` marks the case where the server cannot fill
-- its core, because only one request is on its way at a time.

local HELLO, JSON = "Hello, World!", '{"message":"Hello, World!"}'

local M = {}

M.load = {
  { key = "hello", title = "hello, 64 connections", path = "/", body = HELLO, ratio = 1.10 },
  { key = "user", title = "/users/:id", path = "/users/42", body = "42", over = "hello" },
  { key = "values", title = "4 middlewares", path = "/values", body = HELLO, over = "hello" },
  { key = "hello-16", title = "hello, 16 pipelined", path = "/", body = HELLO, depth = 16, ratio = 1.6 },
  { key = "user-16", title = "/users/:id, 16 pipelined", path = "/users/42", body = "42", depth = 16,
    over = "hello-16", extra_us = 0.15 },
  { key = "values-16", title = "4 middlewares, 16 pipelined", path = "/values", body = HELLO,
    depth = 16, over = "hello-16", extra_us = 0.30 },
  { key = "json", title = "JSON", path = "/json", body = JSON, floor = "floor-json", ratio = 1.15 },
  { key = "json-16", title = "JSON, 16 pipelined", path = "/json", body = JSON, depth = 16,
    floor = "floor-json", ratio = 2.2 },
  { key = "headers", title = "hello, browser-like headers", path = "/", body = HELLO,
    headers = "browser", ratio = 1.12 },
  { key = "one", title = "hello, 1 connection", path = "/", body = HELLO, connections = 1,
    ratio = 1.12, fills = false },
  { key = "close", title = "hello, connection close each", path = "/", body = HELLO,
    headers = "close", floor = "floor-close", ratio = 1.05 },
}

M.idle = { key = "idle", title = "bytes per idle connection", path = "/", connections = 10000,
  bar = 500 }

-- Two runs of one server, `low` and `high` requests long; their difference is what counts.
M.instructions = {
  { key = "instructions", title = "user instructions, hello", path = "/", depth = 1,
    low = 2000, high = 12000, bar = 4500 },
  { key = "instructions", title = "user instructions, 16 pipelined", path = "/", depth = 16,
    low = 2000, high = 12000, bar = 3500 },
}

return M
