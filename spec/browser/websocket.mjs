// websocket.mjs: WebSockets of a page in Chromium: messages of every kind, sub-protocols, closing,
// compression, and topics that two pages share. Called by websocket_spec.lua.
import { check, run } from "./page.mjs";

const echo = async ([path, protocols, sizes]) => {
  const socket = new WebSocket(location.origin.replace("http", "ws") + path, protocols);
  socket.binaryType = "arraybuffer";
  const queue = [], waiting = [];
  socket.onmessage = event => (waiting.length ? waiting.shift()(event.data) : queue.push(event.data));
  const next = () => new Promise(resolve => (queue.length ? resolve(queue.shift()) : waiting.push(resolve)));
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
  let wrong = 0;
  for (const size of sizes) {
    const text = "ä€𝄞".repeat(size);
    socket.send(text);
    if (await next() !== text) wrong++;
    const bytes = new Uint8Array(size).map((_, i) => i * 7);
    socket.send(bytes);
    const back = new Uint8Array(await next());
    if (back.length !== size || back.some((byte, i) => byte !== bytes[i])) wrong++;
  }
  const closed = new Promise(resolve => { socket.onclose = resolve; });
  socket.close(4321, "done");
  const { code, reason, wasClean } = await closed;
  return { wrong, code, reason, wasClean, protocol: socket.protocol, extensions: socket.extensions };
};

const outcome = async path => {
  const socket = new WebSocket(location.origin.replace("http", "ws") + path);
  const { code, reason, wasClean } = await new Promise(resolve => { socket.onclose = resolve; });
  return `${code} ${reason} ${wasClean}`;
};

run(async (page, url) => {
  await page.goto(url);
  const sizes = [0, 1, 30, 125, 126, 5000, 70000];
  let got = await page.evaluate(echo, ["/echo", ["x", "chat"], sizes]);
  check("messages come back", got.wrong === 0, got);
  check("the close is clean", got.code === 4321 && got.reason === "done" && got.wasClean, got);
  check("the protocol is agreed on", got.protocol === "chat" && got.extensions === "", got);
  got = await page.evaluate(echo, ["/compressed", [], sizes]);
  check("compressed ones as well", got.wrong === 0 && /permessage-deflate/.test(got.extensions), got);
  got = await page.evaluate(echo, ["/takeover", [], sizes]);
  check("with windows that live on", got.wrong === 0 && got.extensions === "permessage-deflate", got);
  check("the server closes", await page.evaluate(outcome, "/closes") === "4001 enough true");
  const other = await page.context().newPage();
  await other.goto(url);
  for (const one of [page, other]) {
    await one.evaluate(() => new Promise(resolve => {
      window.heard = [];
      window.room = new WebSocket(location.origin.replace("http", "ws") + "/room");
      room.onmessage = event => heard.push(event.data);
      room.onopen = resolve;
    }));
  }
  await page.evaluate(() => room.send("to all"));
  for (const one of [page, other]) {
    await one.waitForFunction(() => heard.length === 1 && heard[0] === "to all");
  }
  check("both pages hear what one publishes", true);
});
