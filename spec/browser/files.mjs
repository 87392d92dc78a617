// files.mjs: apps/files as a visitor uses it.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { check, run } from "./page.mjs";

const digest = bytes => createHash("sha256").update(bytes).digest("hex");

run(async (page, url, directory) => {
  const names = () => page.locator("#entries tr td:first-child").allTextContents();
  const shows = name => page.locator("#entries a", { hasText: name }).first().waitFor();

  await page.goto(url);
  await shows("hello.txt");
  check("directories come first", (await names())[0] === "sub/", await names());

  await page.click('[data-sort="size"]');
  await page.click('[data-sort="size"]');
  check("sorting turns round", (await names()).join() === "sub/,large.bin,hello.txt", await names());
  check("and says so", await page.locator("th[aria-sort=descending]").count() === 1);

  await page.click("text=sub/");
  await shows("inner.txt");
  check("a directory has its address", page.url().endsWith("#/sub/"), page.url());
  await page.goBack();
  await shows("hello.txt");

  // A slow line, so that there is progress to see.
  const big = Buffer.alloc(6 * 1024 * 1024, "upload ");
  const source = directory + "/outside";
  mkdirSync(source);
  writeFileSync(source + "/ü big.bin", big);
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  await client.send("Network.emulateNetworkConditions",
    { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 4 * 1024 * 1024 });
  await page.evaluate(() => {
    window.seen = [];
    new MutationObserver(() => {
      const bar = document.querySelector("#uploads progress");
      if (bar) window.seen.push(bar.value);
    }).observe(document.getElementById("uploads"), { subtree: true, childList: true, attributes: true });
  });
  await page.setInputFiles("#chosen", source + "/ü big.bin");
  await shows("ü big.bin");
  const seen = await page.evaluate(() => window.seen);
  check("the bar moves", new Set(seen).size >= 3 && seen.at(-1) === 1, seen);
  check("and goes", await page.locator("#uploads li").count() === 0);
  await client.send("Network.emulateNetworkConditions",
    { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  check("what arrived is what was sent",
    digest(readFileSync(directory + "/store/ü big.bin")) === digest(big));

  const [download] = await Promise.all([
    page.waitForEvent("download"), page.click('[title="Download ü big.bin"]'),
  ]);
  check("a download has its name", download.suggestedFilename() === "ü big.bin",
    download.suggestedFilename());
  check("and its bytes", digest(readFileSync(await download.path())) === digest(big));

  const range = await page.evaluate(async () => {
    const answer = await fetch("/files/large.bin", { headers: { Range: "bytes=1000000-1000003" } });
    return [answer.status, answer.headers.get("content-range"), await answer.text()];
  });
  check("a range is a range", range[0] === 206 && range[2] === "0123", range);

  // What was uploaded may not act in the site's name.
  writeFileSync(source + "/evil.html", "<script>document.title = 'ran ' + origin</script><p>evil</p>");
  await page.setInputFiles("#chosen", source + "/evil.html");
  await shows("evil.html");
  const other = await page.context().newPage();
  await other.goto(url + "/files/evil.html");
  check("an uploaded page runs no scripts", !(await other.title()).startsWith("ran"),
    await other.title());
  await other.close();

  await page.goto(url + "/files/?sort=name&order=desc");
  check("there is a page without scripts", (await page.title()) === "Index of /files/",
    await page.title());
  await page.click("text=Size");
  check("it sorts by links", page.url().includes("sort=size"), page.url());
});
