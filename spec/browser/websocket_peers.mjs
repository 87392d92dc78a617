// websocket_peers.mjs: npm's ws against justhttp, as its client and as its server. Called by
// websocket_spec.lua: `node websocket_peers.mjs URL`.
import { createRequire } from "node:module";
import { once } from "node:events";

const require = createRequire(process.env.JUSTHTTP_BROWSER + "/");
const { WebSocket, WebSocketServer } = require("ws");
const url = process.argv[2];
const sizes = [0, 1, 125, 126, 1000, 65535, 65536, 200000];
let failures = 0;

function check(what, isTrue, found) {
  if (!isTrue) failures++;
  console.log(`${isTrue ? "ok" : "FAILED"}: ${what}${isTrue ? "" : ` (${JSON.stringify(found)})`}`);
}

async function echo(path, options) {
  const socket = new WebSocket(url.replace("http", "ws") + path, options);
  const queue = [], waiting = [];
  socket.on("message", (data, isBinary) => {
    const item = { data, isBinary };
    if (waiting.length) waiting.shift()(item); else queue.push(item);
  });
  const next = () => new Promise(resolve => (queue.length ? resolve(queue.shift()) : waiting.push(resolve)));
  await once(socket, "open");
  let wrong = 0;
  for (const size of sizes) {
    const text = "abc€ ".repeat(size / 5);
    socket.send(text);
    let got = await next();
    if (got.isBinary || got.data.toString() !== text) wrong++;
    const bytes = Buffer.alloc(size, "0123456789");
    for (let at = 0; at < size; at += 10000) {
      socket.send(bytes.subarray(at, at + 10000), { fin: at + 10000 >= size, binary: true });
    }
    if (size === 0) socket.send(bytes);
    got = await next();
    if (!got.isBinary || !got.data.equals(bytes)) wrong++;
    socket.ping("x");
    await once(socket, "pong");
  }
  socket.close(3999, "bye");
  const [code] = await once(socket, "close");
  return { wrong, code, extensions: socket.extensions };
}

async function asClient() {
  for (const [path, options] of [
    ["/echo", { perMessageDeflate: false }],
    ["/compressed", { perMessageDeflate: { threshold: 0 } }],
    ["/takeover", { perMessageDeflate: { threshold: 0 } }],
    ["/takeover", { perMessageDeflate: { threshold: 0, serverNoContextTakeover: true } }],
    ["/takeover", { perMessageDeflate: { threshold: 0, serverMaxWindowBits: 10 } }],
    ["/takeover", { perMessageDeflate: { threshold: 0, clientMaxWindowBits: 9 } }],
  ]) {
    const got = await echo(path, options);
    check(`ws as client: ${path} ${JSON.stringify(options)}`, got.wrong === 0 && got.code === 3999, got);
  }
}

async function asServer(options) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", ...options });
  await once(server, "listening");
  server.on("connection", socket => socket.on("message", (data, isBinary) => {
    if (data.toString() === "close") return socket.close(4002, "asked");
    if (!isBinary || data.length < 3000) return socket.send(data, { binary: isBinary });
    socket.send(data.subarray(0, 1000), { fin: false });
    socket.ping("between");
    socket.send(data.subarray(1000), { fin: true });
  }));
  const asked = `${url}/ask?port=${server.address().port}&compress=${options.perMessageDeflate ? 1 : ""}`;
  const text = await (await fetch(asked)).text();
  check(`ws as server: ${JSON.stringify(options)}`, text === "all right, closed 4002 asked", text);
  server.close();
}

await asClient();
await asServer({ perMessageDeflate: false });
await asServer({ perMessageDeflate: { threshold: 0 } });
await asServer({ perMessageDeflate: { threshold: 0, serverMaxWindowBits: 10 } });
await asServer({ perMessageDeflate: { threshold: 0, clientNoContextTakeover: true } });
process.exit(failures > 0 ? 1 : 0);
