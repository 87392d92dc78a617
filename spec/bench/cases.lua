-- The cases of the bench, in the order of the table, with the bars that justhttp must keep.
--
-- A case: key (for --only), title, path and expected body, how the client asks (connections,
-- depth, headers; `closes` when the server must close after its answer), which floor answers it,
-- and its bar. `ratio` is CPU per request against the floor; `extra_us` is CPU per request above
-- the case named `over`, compared round by round (so the two stand near each other in the list).
-- `fills = false` marks the cases where the server cannot fill its core, because only one request
-- is on its way at a time, or because the client has more to do with the answers.
--
-- Files are compared with nginx: `peer_ratio` is CPU per request against its. They are measured in
-- a network namespace of their own, where the congestion control is reno for all: bbr paces large
-- answers on the loopback device and triples their cost. `bytes` is the length of the body.
-- Large ones are asked for by few connections: what is on its way when the clock stops has cost
-- time and is no request.
--
-- So are proxies: http.proxy and nginx's proxy_pass, both with kept connections and X-Forwarded-*
-- fields, to the same upstream (nginx-upstream.conf), which runs beside the client.

local HELLO, JSON = "Hello, World!", '{"message":"Hello, World!"}'

-- What a browser sends along: with Host, eight fields and about 480 bytes.
local BROWSER = table.concat({
  "Connection: keep-alive",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Accept-Language: en-GB,en;q=0.8,de-DE;q=0.5,de;q=0.3",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Referer: https://www.example.com/catalogue/garden/chairs?page=2",
  "Cookie: visit=7f3a91c2d4e5; theme=dark; basket=3",
}, "\r\n") .. "\r\n"

local M = {}

M.load = {
  { key = "hello", title = "hello, 64 connections", path = "/", body = HELLO, ratio = 1.10 },
  { key = "user", title = "/users/:id", path = "/users/42", body = "42", over = "hello" },
  { key = "values", title = "4 middlewares", path = "/values", body = HELLO, over = "hello" },
  { key = "hello-16", title = "hello, 16 pipelined", path = "/", body = HELLO, depth = 16,
    ratio = 1.6 },
  { key = "user-16", title = "/users/:id, 16 pipelined", path = "/users/42", body = "42",
    depth = 16, over = "hello-16", extra_us = 0.15 },
  { key = "values-16", title = "4 middlewares, 16 pipelined", path = "/values", body = HELLO,
    depth = 16, over = "hello-16", extra_us = 0.30 },
  { key = "json", title = "JSON", path = "/json", body = JSON, floor = "floor-json", ratio = 1.15 },
  { key = "json-16", title = "JSON, 16 pipelined", path = "/json", body = JSON, depth = 16,
    floor = "floor-json", ratio = 2.2 },
  { key = "headers", title = "hello, browser-like headers", path = "/", body = HELLO,
    headers = BROWSER, ratio = 1.12 },
  { key = "one", title = "hello, 1 connection", path = "/", body = HELLO, connections = 1,
    ratio = 1.12, fills = false },
  { key = "close", title = "hello, connection close each", path = "/", body = HELLO,
    headers = "Connection: close\r\n", closes = true,
    floor = "floor-close", ratio = 1.05 },
  { key = "file-1k", title = "file of 1 KiB", path = "/files/1k.bin", bytes = 1024,
    peer_ratio = 0.62 },
  { key = "file-10m", title = "file of 10 MiB, 8 connections", path = "/files/10m.bin",
    bytes = 10485760, connections = 8, peer_ratio = 1.00, warm = 50, fills = false },
  { key = "proxy", title = "proxied, 13 bytes", path = "/proxy/hello", bytes = 13,
    peer_ratio = 1.00, fills = false },
  { key = "proxy-headers", title = "proxied, browser-like headers", path = "/proxy/hello",
    bytes = 13, headers = BROWSER, peer_ratio = 1.00, fills = false },
  { key = "proxy-64k", title = "proxied, 64 KiB", path = "/proxy/files/64k.bin", bytes = 65536,
    peer_ratio = 1.00, warm = 500, fills = false },
}

-- HTTP/2 without TLS, by h2load: `streams` requests at once on each connection (http2.lua).
M.http2 = {
  { key = "h2", title = "HTTP/2 hello, 4 connections with 32 streams", path = "/", connections = 4,
    streams = 32, warm = 20000, count = 300000, servers = { "justhttp", "nginx-h2", "h2o" },
    bars = { { peer = "nginx-h2", ratio = 0.7 }, { peer = "h2o", ratio = 1.0 } } },
}

-- Memory of connections that are idle, and what requests on them in turn cost afterwards.
M.idle = {
  { key = "idle", title = "idle connections, 1,000", path = "/", connections = 1000 },
  { key = "idle", title = "idle connections, 10,000", path = "/", connections = 10000, bar = 500 },
  { key = "idle", title = "idle connections, 18,000", path = "/", connections = 18000 },
}

-- How late after its deadline a timed-out handler's client is answered; the worst of 64 at once.
M.timeouts = {
  { key = "timeout", title = "timed out, answered late by", path = "/late", unit = "µs",
    bar = 20000 },
  { key = "timeout", title = "the same beside load", path = "/late", unit = "µs", bar = 20000,
    has_load = true },
}

-- Over TLS 1.3, justhttp beside nginx, with the same P-256 certificate: CPU time of a request, and
-- the growth of resident memory per idle connection.
M.tls = {
  { key = "tls", title = "hello over TLS, 64 connections", path = "/", unit = "µs",
    format = "%.2f", peer_ratio = 0.8 },
  { key = "tls", title = "idle TLS connections, 1,000", path = "/", unit = "B each",
    format = "%.0f", connections = 1000, peer_ratio = 0.9 },
}

-- Two runs of one server, `low` and `high` requests long; their difference is what counts.
M.instructions = {
  { key = "instructions", title = "user instructions, hello", path = "/", depth = 1,
    low = 2000, high = 12000, unit = "instr.", bar = 4500 },
  { key = "instructions", title = "user instructions, 16 pipelined", path = "/", depth = 16,
    low = 2000, high = 12000, unit = "instr.", bar = 3500 },
}

-- Uploads of one large file, justhttp alone; 1,000 µs of its CPU per megabyte are 1 GB/s per core.
M.uploads = {
  { key = "upload", title = "upload, ctx:pieces", path = "/pieces", framing = "known",
    unit = "µs/MB", bar = 1000 },
  { key = "upload", title = "upload, ctx:parts", path = "/parts", framing = "known",
    unit = "µs/MB", bar = 1000 },
  { key = "upload", title = "upload, ctx:parts, chunked", path = "/parts", framing = "chunked",
    unit = "µs/MB", bar = 1000 },
}

-- Round trips of one line over http.socket (socket.lua), against a client in C (socket.c).
M.sockets = {
  { key = "socket", title = "socket, round trip, 1 connection", connections = 1, rounds = 100000,
    unit = "ns", ratio = 1.4 },
  { key = "socket", title = "socket, round trip, 64 at once", connections = 64, rounds = 5000,
    unit = "ns", ratio = 1.4 },
}

-- WebSockets: messages of 125 bytes that come back; messages to a topic that many listen to; and
-- what a silent connection costs. `ratio` is CPU against a floor of bare reads and writes.
M.websockets = {
  { key = "websocket", title = "WebSocket echo, table", path = "/echo", unit = "ns", ratio = 1.5 },
  { key = "websocket", title = "WebSocket echo, task", path = "/echo-task", unit = "ns",
    ratio = 1.5 },
  { key = "websocket", title = "publish to 10,000 WebSockets", path = "/topic", unit = "µs",
    listeners = 10000, ratio = 1.3 },
  { key = "websocket", title = "bytes per idle WebSocket, table", path = "/echo", unit = "B",
    idle = 8000, bar = 1024 },
  { key = "websocket", title = "bytes per idle WebSocket, task", path = "/echo-task", unit = "B",
    idle = 8000 },
}

-- The client: small GETs from 64 tasks to the floor, beside wrk's to the same server.
M.client = {
  { key = "client", title = "client, small GET", unit = "ns", count = 100000, times_wrk = 2 },
}

-- The multipart parser alone (multipart.c).
M.multipart = {
  { key = "multipart", title = "multipart parser, random bytes", name = "random", unit = "µs/MB",
    bar = 1000 },
  { key = "multipart", title = "multipart parser, worst text", name = "lures", unit = "µs/MB",
    bar = 1000 },
}

return M
