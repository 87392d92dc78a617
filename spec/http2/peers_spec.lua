-- peers_spec.lua: HTTP/2 with clients that were not written for the specs: curl, nghttp, h2load and
-- Node.js, without TLS and with it. A client that is not installed leaves its part pending.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local APP = [[
  local http = require "justhttp"
  local app = http.app()
  app:get("/", function(ctx) return ctx.version .. " " .. ctx.scheme end)
  app:get("/big", function() return ("x"):rep(1000000) end)
  app:post("/echo", function(ctx) return ctx.body end)
  app:get("/stream", function(ctx)
    ctx:stream(function(out)
      for i = 1, 3 do out:write("piece " .. i .. ";") http.sleep(0.001) end
    end)
  end)
  return app
]]

local NODE = [[
  const http2 = require('http2');
  const session = http2.connect(process.argv[2], { rejectUnauthorized: false });
  session.on('error', error => { console.log('session: ' + error); process.exit(1); });
  const ask = (path, body, method) => new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, ':method': method || (body ? 'POST' : 'GET') });
    let bytes = 0, head;
    stream.on('response', headers => { head = headers; });
    stream.on('data', piece => { bytes += piece.length; });
    stream.on('end', () => resolve(head[':status'] + ' ' + bytes));
    stream.on('error', reject);
    stream.end(body);
  });
  (async () => {
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(i % 2 ? '/big' : '/')));
    console.log(new Set(all).size);
    console.log(await ask('/big'));
    console.log(await ask('/echo', Buffer.alloc(900000)));
    console.log(await ask('/stream'));
    const cancelled = session.request({ ':path': '/big' });
    await new Promise(resolve => {
      cancelled.on('data', () => cancelled.close(http2.constants.NGHTTP2_CANCEL));
      cancelled.on('close', resolve);
    });
    console.log(await ask('/nothing'));
    session.close();
  })();
]]

local function output(command)
  local pipe = io.popen(command .. " 2>&1")
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function has(program)
  return os.execute("command -v " .. program .. " >/dev/null 2>&1") == 0
end

describe("HTTP/2 is understood by", function()
  local plain, over_tls, dir

  setup(function()
    dir = sys.temp_dir()
    sys.write_file(dir .. "/peer.js", NODE)
    sys.write_file(dir .. "/body", ("b"):rep(900000))
    plain = server.start { code = APP }
    over_tls = server.start { code = APP, listen = "https://127.0.0.1:0",
      options = { tls = "self" } }
  end)
  teardown(function()
    plain:stop()
    over_tls:stop()
    sys.remove(dir)
  end)

  local function url(s, scheme) return ("%s://127.0.0.1:%d"):format(scheme, s.port) end

  it("curl", function()
    local curl = "curl -sSk --max-time 20 --noproxy '*' "
    local h2c = curl .. "--http2-prior-knowledge " .. url(plain, "http")
    local h2 = curl .. "--http2 " .. url(over_tls, "https")
    assert.are.equal("HTTP/2 http", output(h2c))
    assert.are.equal("HTTP/2 https", output(h2))
    assert.are.equal("HTTP/1.1 https", output(curl .. "--http1.1 " .. url(over_tls, "https")))
    for _, one in ipairs { h2c, h2 } do
      assert.are.equal(1000000, #output(one .. "/big"))
      assert.are.equal(900000, #output(("%s/echo --data-binary @%s/body"):format(one, dir)))
      assert.are.equal("piece 1;piece 2;piece 3;", output(one .. "/stream"))
      assert.are.equal("413", output(("head -c 3000000 /dev/zero | %s/echo --data-binary @- "
        .. "-o /dev/null -w '%%{http_code}'"):format(one)))
    end
    -- The way of RFC 7540 by Upgrade is not taken: the answer is HTTP/1.1.
    assert.are.equal("HTTP/1.1 http", output(curl .. "--http2 " .. url(plain, "http")))
  end)

  it("nghttp and h2load", function()
    if not (has "nghttp" and has "h2load") then return pending "nghttp2-client is not installed" end
    for _, at in ipairs { url(plain, "http"), url(over_tls, "https") } do
      local text = output(("timeout 20 nghttp -nv -d %s/body %s/echo"):format(dir, at))
      assert.is_truthy(text:find(":status: 200", 1, true), text:sub(-2000))
      text = output(("timeout 30 h2load -n 2000 -c 5 -m 40 %s/"):format(at))
      assert.is_truthy(text:find("2000 succeeded, 0 failed", 1, true), text)
    end
  end)

  it("Node.js", function()
    if not has "node" then return pending "Node.js is not installed" end
    for _, at in ipairs { url(plain, "http"), url(over_tls, "https") } do
      local text = output(("timeout 30 node %s/peer.js %s"):format(dir, at))
      assert.are.equal("2\n200 1000000\n200 900000\n200 24\n404 10\n", text)
    end
  end)
end)
