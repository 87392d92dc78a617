-- other_servers_spec.lua: the client against servers that others wrote: nginx, Python's
-- http.server, Node. A server that is not installed is passed over, with a message.
local caller = require "spec.support.caller"
local certificates = require "spec.support.certificates"
local peer = require "spec.support.peer"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local function find(name)
  for dir in ((os.getenv "PATH" or "") .. ":/usr/sbin:/usr/bin"):gmatch "[^:]+" do
    if sys.read_file(dir .. "/" .. name) then return dir .. "/" .. name end
  end
end

local function free_port()
  local p = peer.listen()
  local port = p.port
  p:close()
  return port
end

-- Starts a program that listens on `port` and waits until it does.
local function start(command, port)
  local s = server.launch(command)
  s.expected_signal = sys.SIGKILL
  wait_for(function()
    local c = wire.try_connect(port)
    if c then c:close() end
    return c
  end, 20, command.program .. " on its port")
  s.port = port
  return s
end

local PYTHON = [[
import sys, gzip
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = sys.argv[2]
    def log_message(self, *rest): pass
    def do_GET(self):
        if self.path == "/chunks":
            self.send_response(200); self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i in range(50):
                piece = b"piece %02d;" % i
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        body = gzip.compress(b"hello " * 1000) if self.path == "/gzip" else b"hello"
        self.send_response(200)
        if self.path == "/gzip": self.send_header("Content-Encoding", "gzip")
        if self.path != "/end": self.send_header("Content-Length", str(len(body)))
        else: self.send_header("Connection", "close"); self.close_connection = True
        self.end_headers(); self.wfile.write(body)
    def do_HEAD(self):
        self.send_response(200); self.send_header("Content-Length", "5"); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201); self.send_header("Content-Length", str(len(body)))
        self.end_headers(); self.wfile.write(body)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
]]

local NODE = [[
const http = require("http"), zlib = require("zlib");
const server = http.createServer((req, res) => {
  if (req.url === "/chunks") {
    for (let i = 0; i < 50; i++) res.write("piece " + String(i).padStart(2, "0") + ";");
    return res.end();
  }
  if (req.url === "/gzip") {
    res.setHeader("Content-Encoding", "gzip");
    return res.end(zlib.gzipSync("hello ".repeat(1000)));
  }
  if (req.url === "/end") { res.setHeader("Connection", "close"); return res.end("hello"); }
  if (req.method === "POST") { res.statusCode = 201; return req.pipe(res); }
  res.setHeader("Content-Length", 5);
  res.end("hello");
});
server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2]), "127.0.0.1");
]]

-- Tells how many requests it had open at the same time.
local NODE_HTTP2 = [[
const http2 = require("http2"), fs = require("fs");
const [port, most_streams, cert, key] = process.argv.slice(2);
const options = { settings: { maxConcurrentStreams: Number(most_streams) } };
if (cert) { options.cert = fs.readFileSync(cert); options.key = fs.readFileSync(key); }
const server = cert ? http2.createSecureServer(options) : http2.createServer(options);
let running = 0, most = 0;
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  if (headers[":method"] === "POST") {
    stream.respond({ ":status": 201 });
    return stream.pipe(stream);
  }
  if (headers[":path"] === "/most") { stream.respond(); return stream.end(String(most)); }
  most = Math.max(most, ++running);
  setTimeout(() => { running--; stream.respond(); stream.end("hello"); }, 2);
});
server.listen(Number(port), "127.0.0.1");
]]

local NGINX = [[
daemon off; master_process off; pid @DIR@/pid; error_log @DIR@/error.log;
events { worker_connections 100; }
http {
  access_log off; client_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p;
  fastcgi_temp_path @DIR@/f; uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;
  gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;
  server {
    listen 127.0.0.1:@PORT@ @PROTOCOL@; listen 127.0.0.1:@TLS@ ssl @PROTOCOL@;
    ssl_certificate @CERT@; ssl_certificate_key @KEY@;
    root @DIR@/files; keepalive_requests 3;
    location /plain { gzip off; }
    location /old { return 301 /plain/hello; }
  }
}
]]

describe("the client against", function()
  local c, dir
  setup(function() c, dir = caller.start(), sys.temp_dir() end)
  teardown(function()
    c:stop()
    sys.remove(dir)
  end)

  -- What every server below answers alike.
  local function speaks_http(s, keeps)
    local url = "http://127.0.0.1:" .. s.port
    local got = c:run([[
      local client = http.client()
      local function body(...)
        local res, err = client:request(...)
        return res and res.body or err
      end
      local seen = {}
      for i = 1, 5 do seen[i] = body("GET", a.url .. "/") end
      return { seen = seen, chunks = body("GET", a.url .. "/chunks"),
        gzip = body("GET", a.url .. "/gzip"), closed = body("GET", a.url .. "/end"),
        head = client:head(a.url .. "/").headers["content-length"],
        post = body("POST", a.url .. "/", { body = ("x"):rep(300000) }),
        streamed = client:get(a.url .. "/chunks", { stream = true }):text(),
        dialled = client:stats()[a.url].dialled } ]], { url = url })
    assert.are.same({ "hello", "hello", "hello", "hello", "hello" }, got.seen)
    assert.are.equal(450, #got.chunks)
    assert.are.equal(got.chunks, got.streamed)
    assert.is_true(got.gzip == ("hello "):rep(1000))
    assert.are.same({ "hello", "5" }, { got.closed, got.head })
    assert.is_true(got.post == ("x"):rep(300000))
    if keeps then assert.are.equal(2, got.dialled) end
  end

  local function stop(s) s:stop { signal = sys.SIGKILL, code = false } end

  it("Python's http.server", function()
    local python = find "python3"
    if not python then return pending "python3 is not installed" end
    sys.write_file(dir .. "/server.py", PYTHON)
    for _, version in ipairs { "HTTP/1.1", "HTTP/1.0" } do
      local port = free_port()
      local s = start({ program = python, dir .. "/server.py", port, version }, port)
      if version == "HTTP/1.1" then speaks_http(s, true) else
        assert.are.same({ "hello", ("x"):rep(1000) }, { c:run([[
          return http.get(a.url).body, http.post(a.url, ("x"):rep(1000)).body ]],
          { url = "http://127.0.0.1:" .. port }) })
      end
      stop(s)
    end
  end)

  it("Node", function()
    local node = find "node"
    if not node then return pending "node is not installed" end
    sys.write_file(dir .. "/server.js", NODE)
    local port = free_port()
    local s = start({ program = node, dir .. "/server.js", port }, port)
    speaks_http(s, true)
    stop(s)
  end)

  it("Node with HTTP/2, which allows one stream, or many", function()
    local node = find "node"
    if not node then return pending "node is not installed" end
    local ca = certificates.authority "Other servers CA"
    local own = ca:issue { names = { "localhost" } }
    sys.write_file(dir .. "/http2.js", NODE_HTTP2)
    for _, scheme in ipairs { "http", "https" } do
      for _, most in ipairs { 1, 100 } do
        local port = free_port()
        local is_tls = scheme == "https"
        local s = start({ program = node, dir .. "/http2.js", port, most,
          is_tls and own.cert or nil, is_tls and own.key or nil }, port)
        local got = c:run([[
          local client = http.client { tls = { ca = a.ca }, max_connections = 1,
            http2 = a.is_tls or "prior-knowledge" }
          local tasks, good = {}, 0
          local first = assert(client:get(a.url .. "/"))
          for i = 1, 50 do
            tasks[i] = http.spawn(function() return client:get(a.url .. "/") end)
          end
          for i = 1, 50 do
            if assert(http.wait(tasks[i])).body == "hello" then good = good + 1 end
          end
          local echo = assert(client:post(a.url .. "/", ("x"):rep(300000)))
          local stats = client:stats()[a.url]
          return { first.version, good, #echo.body, stats.dialled, stats.retried,
            tonumber(client:get(a.url .. "/most").body) } ]],
          { url = ("%s://localhost:%d"):format(scheme, port), ca = ca.cert, is_tls = is_tls })
        local open = table.remove(got)
        assert.are.same({ "HTTP/2", 50, 300000, 1, 0 }, got)
        if most == 1 then assert.are.equal(1, open) else assert.is_true(open > 1) end
        stop(s)
      end
    end
  end)

  local function nginx_answers(protocol)
    local nginx = find "nginx"
    if not nginx then return pending "nginx is not installed" end
    local ca = certificates.authority "Other servers CA"
    local own = ca:issue { names = { "localhost" } }
    local port, tls_port = free_port(), free_port()
    os.execute("mkdir -p " .. dir .. "/files/plain")
    sys.write_file(dir .. "/files/hello", ("hello "):rep(1000))
    sys.write_file(dir .. "/files/plain/hello", "plain hello")
    sys.write_file(dir .. "/files/large", ("0123456789abcdef"):rep(65536 * 2))
    sys.write_file(dir .. "/nginx.conf", (NGINX:gsub("@(%u+)@", { DIR = dir, PORT = port,
      TLS = tls_port, PROTOCOL = protocol, CERT = own.cert, KEY = own.key })))
    local s = start({ program = nginx, "-p", dir, "-c", dir .. "/nginx.conf", "-e",
      dir .. "/error.log" }, port)
    for _, base in ipairs { "http://127.0.0.1:" .. port, "https://localhost:" .. tls_port } do
      local got = c:run([[
        local client = http.client { tls = { ca = a.ca }, retries = 0,
          http2 = a.http2 }
        local bodies = {}
        for i = 1, 10 do bodies[i] = assert(client:get(a.base .. "/plain/hello")).body end
        local coded = assert(client:get(a.base .. "/hello"))
        local res = assert(client:get(a.base .. "/large", { stream = true, decompress = false }))
        local bytes = 0
        for piece in res:chunks() do bytes = bytes + #piece end
        local old = assert(client:get(a.base .. "/old"))
        return { bodies = bodies, coded = coded.body, bytes = bytes, old = old.body, url = old.url,
          coding = coded.headers["content-encoding"], missing = client:get(a.base .. "/no").status,
          version = old.version, dialled = client:stats()[a.base].dialled } ]],
        { base = base, ca = ca.cert,
          http2 = protocol == "" or base:find "^https" and true or "prior-knowledge" })
      assert.are.equal(protocol == "" and "HTTP/1.1" or "HTTP/2", got.version)
      for i = 1, 10 do assert.are.equal("plain hello", got.bodies[i]) end
      assert.are.same({ "gzip", 2 * 1048576, "plain hello", 404 },
        { got.coding, got.bytes, got.old, got.missing })
      assert.is_true(got.coded == ("hello "):rep(1000))
      -- It closes each link after three requests, says so, and loses none.
      assert.is_true(got.dialled >= 5)
    end
    stop(s)
  end

  it("nginx, plain and with TLS", function() nginx_answers "" end)
  it("nginx with HTTP/2, plain and with TLS", function() nginx_answers "http2" end)
end)
