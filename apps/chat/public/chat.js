// chat.js: one room at a time over a WebSocket that comes back by itself. What was said meanwhile is
// asked for by the last message that was seen; what was written meanwhile is sent when it is back.
"use strict";

const ROOMS = ["lobby", "kitchen", "garden"];
const FIRST_WAIT_MS = 250, LONGEST_WAIT_MS = 15000, FORGOTTEN_MS = 25000, ASK_WITHIN_MS = 200;

const $ = id => document.getElementById(id);
const remembered = localStorage.getItem("name");

let socket, room, failures = 0, retry;
let last, known, unsent;              // of this room: id of the last message, all ids, by nonce
let me = remembered || "", myWorker;
const present = new Map();            // names and when they were told, by worker
let asking;

// ---- what is shown ----

function showState(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
}

// A colour of its own for each name.
function colourOf(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  return `light-dark(hsl(${hash} 65% 35%), hsl(${hash} 60% 70%))`;
}

function lineOf(message) {
  const line = document.createElement("li");
  const name = line.appendChild(document.createElement("b"));
  name.textContent = message.name;
  name.style.color = colourOf(message.name);
  line.append(message.text);
  if (message.at) {
    const time = document.createElement("time");
    time.textContent = new Date(message.at * 1000).toLocaleTimeString([], { timeStyle: "short" });
    line.prepend(time);
  }
  return line;
}

function append(line) {
  const list = $("messages");
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  list.append(line);
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

function showMessage(message) {
  if (known.has(message.id)) return;
  known.add(message.id);
  last = message.id;
  const waiting = message.nonce && unsent.get(message.nonce);
  if (waiting) {
    waiting.line.remove();
    unsent.delete(message.nonce);
  }
  append(lineOf(message));
}

function showPresent() {
  const names = new Set();
  for (const [worker, told] of present) {
    if (Date.now() - told.at > FORGOTTEN_MS) present.delete(worker);
    else told.names.forEach(name => names.add(name));
  }
  const list = [...names].sort((a, b) => a.localeCompare(b));
  $("people").replaceChildren(...list.map(name => {
    const item = document.createElement("li");
    item.textContent = name;
    item.classList.toggle("is-me", name === me);
    return item;
  }));
  $("count").textContent = list.length === 0 ? "Nobody here"
    : list.length === 1 ? "1 person" : `${list.length} people`;
}

function showRooms() {
  const names = ROOMS.includes(room) ? ROOMS : [...ROOMS, room];
  $("rooms").replaceChildren(...names.map(name => {
    const link = document.createElement("a");
    link.href = "#" + name;
    link.textContent = name;
    if (name === room) link.setAttribute("aria-current", "page");
    return link;
  }));
  document.title = room + " · chat";
}

// ---- what comes ----

const handlers = {
  welcome(message) {
    myWorker = message.worker;
    me = message.name;
    $("name").value = me;
  },
  history(message) { message.messages.forEach(showMessage); },
  ready() {
    failures = 0;
    showState("open", "connected");
    for (const [nonce, { text }] of unsent) send({ type: "say", text, nonce });
  },
  message: showMessage,
  present(message) {
    present.set(message.worker, { names: Object.values(message.names), at: Date.now() });
    showPresent();
    if (message.worker === myWorker) {
      clearTimeout(asking);
    } else if (message.asks) {
      // Somebody came to another worker and does not know who is at ours.
      clearTimeout(asking);
      asking = setTimeout(() => send({ type: "sync" }), Math.random() * ASK_WITHIN_MS);
    }
  },
  refused(message) {
    const waiting = unsent.get(message.nonce);
    if (waiting) {
      waiting.line.remove();
      unsent.delete(message.nonce);
      if (!$("text").value) $("text").value = waiting.text;
    }
    $("notice").textContent = message.reason;
  },
};

// ---- the connection ----

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function connect() {
  clearTimeout(retry);
  const query = new URLSearchParams({ name: me });
  if (last) query.set("since", last);
  const opened = new WebSocket(`${location.origin.replace("http", "ws")}/rooms/${room}?${query}`);
  socket?.close();
  socket = opened;
  present.clear();
  opened.onmessage = event => {
    const message = JSON.parse(event.data);
    if (opened === socket) handlers[message.type]?.(message);
  };
  opened.onclose = event => { if (opened === socket) reconnect(event); };
}

// Twice as long each time, and never all pages at once.
function reconnect(event) {
  if (event.code === 4004) return showState("closed", "no such room");
  const wait = Math.min(FIRST_WAIT_MS * 2 ** failures++, LONGEST_WAIT_MS) * (0.5 + Math.random() / 2);
  showState("waiting", "reconnecting");
  retry = setTimeout(connect, wait);
}

function enter() {
  room = decodeURIComponent(location.hash.slice(1)) || ROOMS[0];
  last = undefined;
  known = new Set();
  unsent = new Map();
  failures = 0;
  $("messages").replaceChildren();
  $("notice").textContent = "";
  showState("connecting", "connecting");
  showRooms();
  connect();
  showPresent();
}

$("form").addEventListener("submit", event => {
  event.preventDefault();
  const text = $("text").value.trim(), nonce = crypto.randomUUID?.() ?? String(Math.random());
  if (!text) return;
  const line = lineOf({ name: me, text });
  line.classList.add("is-waiting");
  unsent.set(nonce, { text, line });
  append(line);
  $("text").value = "";
  $("notice").textContent = "";
  send({ type: "say", text, nonce });
});

$("name").addEventListener("change", () => {
  me = $("name").value.trim();
  localStorage.setItem("name", me);
  connect();
});

addEventListener("hashchange", enter);
addEventListener("online", connect);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && socket.readyState === WebSocket.CLOSED) connect();
});
setInterval(showPresent, 5000);
enter();
