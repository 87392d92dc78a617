// Asks for the status every second and shows it. Text goes into the page as text, never as HTML.
"use strict";
const $ = id => document.getElementById(id);
let last = null;

function duration(seconds) {
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h";
  return Math.floor(seconds / 86400) + " d";
}

function make(name, text, className) {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function upstreamItem(upstream) {
  const item = make("li", "", upstream.is_up ? "" : "down");
  item.append(make("code", upstream.url));
  item.append(make("small", `${upstream.total} answered, ${upstream.failures} failed, ` +
    `${upstream.pending} pending`));
  if (upstream.last_error) item.append(make("small", upstream.last_error, "why"));
  return item;
}

function serviceCard(service) {
  const card = $("service").content.cloneNode(true);
  const link = card.querySelector("a"), badge = card.querySelector(".badge");
  link.textContent = service.title;
  link.href = `/${service.name}/`;
  badge.textContent = `${service.up} of ${service.upstreams.length} up`;
  badge.classList.add(service.up > 0 ? "good" : "bad");
  card.querySelector(".about").textContent = service.about;
  card.querySelector("ul").append(...service.upstreams.map(upstreamItem));
  const classes = ["2xx", "3xx", "4xx", "5xx"].filter(name => service.counts[name])
    .map(name => `${name} ${service.counts[name]}`);
  card.querySelector(".classes").textContent =
    classes.length ? classes.join(" · ") : "no requests yet";
  return card;
}

function row(request) {
  const line = document.createElement("tr");
  line.append(make("td", request.time), make("td", request.service),
    make("td", `${request.method} ${request.url}`, "request"),
    make("td", request.status, "s" + Math.floor(request.status / 100)));
  return line;
}

function show(status) {
  const now = performance.now();
  // Another worker may answer, whose counts are lower.
  if (last && status.requests >= last.requests) {
    $("rate").textContent =
      ((status.requests - last.requests) / (now - last.at) * 1000).toFixed(1);
  }
  last = { requests: status.requests, at: now };
  $("requests").textContent = status.requests.toLocaleString();
  $("failures").textContent = status.failures.toLocaleString();
  $("uptime").textContent = duration(status.uptime);
  $("services").replaceChildren(...status.services.map(serviceCard));
  $("recent").replaceChildren(...status.recent.map(row));
  $("none").hidden = status.recent.length > 0;
}

async function poll() {
  try {
    const answer = await fetch("/status.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    show(await answer.json());
    $("state").textContent = "live";
  } catch {
    $("state").textContent = "the gateway does not answer";
  }
  setTimeout(poll, 1000);
}
poll();
