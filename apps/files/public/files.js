// files.js: shows a directory of the server and uploads into it. The directory is in the address
// behind "#", so going back works and a directory can be linked to.
const entries = document.getElementById("entries");
const path = document.getElementById("path");
const state = document.getElementById("state");
const uploads = document.getElementById("uploads");
let list = [];
let sorting = { by: "name", isDescending: false };

const directory = () => decodeURIComponent(location.hash.slice(1)) || "/";
const encoded = text => text.split("/").map(encodeURIComponent).join("/");

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let unit = -1;
  do { bytes /= 1024; unit++; } while (bytes >= 1023.95 && unit < units.length - 1);
  return `${bytes.toFixed(bytes < 99.95 ? 1 : 0)} ${units[unit]}`;
}

function element(name, properties = {}, ...children) {
  const it = Object.assign(document.createElement(name), properties);
  it.append(...children);
  return it;
}

function showPath() {
  const parts = directory().split("/").filter(Boolean);
  let target = "/";
  path.replaceChildren(element("a", { href: "#/", textContent: "files" }));
  for (const part of parts) {
    target += part + "/";
    path.append(" / ", element("a", { href: "#" + encoded(target), textContent: part }));
  }
}

function row(entry) {
  const isDirectory = entry.type === "directory";
  const target = "/files" + encoded(directory() + entry.name);
  const link = isDirectory
    ? element("a", { href: "#" + encoded(directory() + entry.name + "/"), textContent: entry.name + "/" })
    : element("a", { href: target, textContent: entry.name });
  const when = new Date(entry.modified);
  const download = isDirectory ? "" : element("a", {
    href: target + "?download=1", textContent: "↓", title: `Download ${entry.name}`,
  });
  return element("tr", {},
    element("td", {}, link),
    element("td", { className: "number", textContent: isDirectory ? "" : size(entry.size) }),
    element("td", { className: "date" },
      element("time", { dateTime: entry.modified, textContent: when.toLocaleString() })),
    element("td", {}, download));
}

function compare(a, b) {
  if (a.type !== b.type) return a.type === "directory" ? -1 : 1;
  const [one, other] = [a[sorting.by] ?? 0, b[sorting.by] ?? 0];
  const order = typeof one === "number" ? one - other : one.localeCompare(other);
  return sorting.isDescending ? -order : order;
}

function show() {
  entries.replaceChildren(...[...list].sort(compare).map(row));
  state.textContent = list.length === 0 ? "Nothing here yet: drop files on the page." : "";
  for (const button of document.querySelectorAll("th button")) {
    const isCurrent = button.dataset.sort === sorting.by;
    button.closest("th").ariaSort = !isCurrent ? null
      : sorting.isDescending ? "descending" : "ascending";
  }
}

async function load() {
  showPath();
  const wanted = directory();
  const answer = await fetch("/files" + encoded(wanted), { headers: { Accept: "application/json" } });
  if (wanted !== directory()) return;
  list = answer.ok ? await answer.json() : [];
  show();
  if (!answer.ok) state.textContent = `${wanted}: ${answer.status} ${answer.statusText}`;
}

function upload(file) {
  const into = directory();
  const progress = element("progress", { max: 1, value: 0 });
  const output = element("output", { className: "number", textContent: "0 %" });
  const cancel = element("button", { textContent: "✕", title: "Cancel" });
  const item = element("li", {}, element("span", { textContent: file.name }), progress, output, cancel);
  const form = new FormData();
  form.append("file", file);
  const request = new XMLHttpRequest();
  const fail = text => {
    item.classList.add("failed");
    output.textContent = text;
  };
  request.open("POST", "/upload" + encoded(into));
  request.upload.onprogress = event => {
    if (!event.lengthComputable) return;
    progress.value = event.loaded / event.total;
    output.textContent = `${Math.floor(100 * progress.value)} %`;
  };
  request.onload = () => {
    if (request.status !== 201) return fail(`failed: ${request.status}`);
    item.remove();
    if (into === directory()) load();
  };
  request.onerror = () => fail("broke off");
  cancel.onclick = () => {
    request.abort();
    item.remove();
  };
  uploads.append(item);
  request.send(form);
}

const uploadAll = files => [...files].forEach(upload);

const chosen = document.getElementById("chosen");
chosen.onchange = () => {
  uploadAll(chosen.files);
  chosen.value = "";
};

let depth = 0; // how many elements the dragged files are over
document.ondragenter = () => document.body.classList.toggle("is-target", ++depth > 0);
document.ondragleave = () => document.body.classList.toggle("is-target", --depth > 0);
document.ondragover = event => event.preventDefault();
document.ondrop = event => {
  event.preventDefault();
  depth = 0;
  document.body.classList.remove("is-target");
  uploadAll(event.dataTransfer.files);
};

for (const button of document.querySelectorAll("th button")) {
  button.onclick = () => {
    const by = button.dataset.sort;
    sorting = { by, isDescending: by === sorting.by && !sorting.isDescending };
    show();
  };
}

window.onhashchange = load;
load();
