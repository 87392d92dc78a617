// page.mjs: a page of headless Chromium for the scripts beside it.
//
//   import { check, run } from "./page.mjs";
//   run(async (page, url, directory) => { await page.goto(url); check("it loads", true); });
//
// Called as `node script.mjs URL DIRECTORY`. Prints a line per check; exits 1 when one failed, when
// the script raised, or when the page logged an error of its own.
import { createRequire } from "node:module";

const require = createRequire(process.env.JUSTHTTP_BROWSER + "/");
const { chromium } = require("playwright-core");

let failures = 0;

export function check(what, isTrue, found) {
  if (!isTrue) failures++;
  console.log(`${isTrue ? "ok" : "FAILED"}: ${what}${isTrue ? "" : ` (${JSON.stringify(found)})`}`);
}

export async function run(script) {
  const [url, directory] = process.argv.slice(2);
  const browser = await chromium.launch({
    executablePath: process.env.JUSTHTTP_CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(20000);
    page.on("pageerror", error => check("the page raises no errors", false, String(error)));
    page.on("console", message => {
      if (message.type() === "error") check("the page logs no errors", false, message.text());
    });
    await script(page, url, directory);
  } catch (error) {
    check("the script ends", false, String(error));
  } finally {
    await browser.close();
  }
  process.exit(failures > 0 ? 1 : 0);
}
