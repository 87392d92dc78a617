// chat.mjs: apps/chat as two visitors use it, over TLS and HTTP/2. Called by chat_spec.lua with the
// processes of the workers in JUSTHTTP_WORKERS.
import { check, run } from "./page.mjs";

const workers = process.env.JUSTHTTP_WORKERS.split(" ").map(Number);

const texts = page => page.locator("#messages li:not(.is-waiting)").evaluateAll(
  lines => lines.map(line => line.lastChild.textContent));
const says = async (page, text) => {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
};
const hears = (page, text) => page.locator("#messages li:not(.is-waiting)", { hasText: text }).waitFor();
const sees = (page, names) => page.waitForFunction(
  wanted => [...document.querySelectorAll("#people li")].map(item => item.textContent).join() === wanted,
  names.join());
const isBack = page => page.locator("#state[data-state=open]").waitFor();

const handshakes = []; // 101 over HTTP/1.1, 200 over HTTP/2

async function visit(context, url, name, room) {
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on("pageerror", error => check("no page raises errors", false, String(error)));
  const client = await context.newCDPSession(page);
  await client.send("Network.enable");
  client.on("Network.webSocketHandshakeResponseReceived", event => handshakes.push(event.response.status));
  await page.addInitScript(who => localStorage.setItem("name", who), name);
  await page.goto(`${url}/#${room}`);
  await isBack(page);
  return page;
}

run(async (first, url) => {
  const browser = first.context().browser();
  const settings = { ignoreHTTPSErrors: true };
  const ann = await visit(await browser.newContext(settings), url, "Ann", "lobby");
  const protocol = await ann.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
  check("the page comes over HTTP/2", protocol === "h2", protocol);

  // Another connection for each context; until one is at another worker.
  let ben;
  for (let i = 0; i < 30; i++) {
    const context = await browser.newContext(settings);
    ben = await visit(context, url, "Ben", "lobby");
    if (await ann.evaluate("myWorker") !== await ben.evaluate("myWorker")) break;
    await context.close();
    ben = undefined;
  }
  check("two pages are at two workers", ben !== undefined);

  await Promise.all([sees(ann, ["Ann", "Ben"]), sees(ben, ["Ann", "Ben"])]);
  check("both see who is there", true);
  await says(ann, "hello <b>Ben</b>");
  await says(ben, "hello Ann");
  for (const page of [ann, ben]) {
    await hears(page, "hello Ann");
    await hears(page, "hello <b>Ben</b>");
  }
  check("both hear both", true);

  const cleo = await visit(ann.context(), url, "Cleo", "garden");
  await sees(cleo, ["Cleo"]);
  await says(cleo, "only flowers here");
  await hears(cleo, "only flowers here");
  check("rooms are apart", !(await texts(ann)).includes("only flowers here"));
  await cleo.click("#rooms a:text('lobby')");
  await hears(cleo, "hello Ann");
  await sees(ben, ["Ann", "Ben", "Cleo"]);
  check("who comes later sees what was said", (await texts(cleo)).length === 2, await texts(cleo));
  await cleo.close();
  await sees(ann, ["Ann", "Ben"]);
  check("who leaves is gone", true);

  await ben.evaluate("socket.onclose = null; socket.close()");
  for (let i = 1; i <= 5; i++) await says(ann, `missed ${i}`);
  await hears(ann, "missed 5");
  await says(ben, "written meanwhile");
  check("what is not sent is shown as such", await ben.locator("#messages .is-waiting").count() === 1);
  await ben.evaluate("connect()");
  await Promise.all([hears(ann, "written meanwhile"), hears(ben, "written meanwhile")]);
  const wanted = "hello <b>Ben</b>,hello Ann,missed 1,missed 2,missed 3,missed 4,missed 5,written meanwhile";
  for (const page of [ann, ben]) {
    check("who comes back has missed nothing", (await texts(page)).join() === wanted, await texts(page));
  }

  // (Without a connection of HTTP/2 Chromium opens one of HTTP/1.1 for a WebSocket: so not behind the crash.)
  check("WebSockets come over HTTP/2", handshakes.length >= 5 && handshakes.every(status => status === 200),
    handshakes);

  // Every worker dies; pages come back by themselves.
  for (const page of [ann, ben]) {
    await page.evaluate(() => {
      window.wasLost = false;
      new MutationObserver(() => { window.wasLost ||= document.getElementById("state").dataset.state !== "open"; })
        .observe(document.getElementById("state"), { attributes: true });
    });
  }
  for (const pid of workers) process.kill(pid, "SIGKILL");
  for (const page of [ann, ben]) {
    await page.waitForFunction(() => window.wasLost);
    await isBack(page);
  }
  await says(ben, "after the crash");
  await Promise.all([hears(ann, "after the crash"), hears(ben, "after the crash")]);
  await Promise.all([sees(ann, ["Ann", "Ben"]), sees(ben, ["Ann", "Ben"])]);
  for (const page of [ann, ben]) {
    check("a crash loses nothing", (await texts(page)).join() === wanted + ",after the crash", await texts(page));
  }
});
