// A room in the browser: a log that shows every message once, in order, over a connection that the library's client keeps.
// The server's frames are described in rooms/frames.py.

const RESEND = 10_000; // an unanswered message is sent again
const TYPING_EVERY = 3_000;
const TYPING_SHOWN = 5_000;
const SAME_BREATH = 5 * 60_000; // messages of one user within this time stand under one name

const start = JSON.parse(document.getElementById("start").textContent);
const $ = (id) => document.getElementById(id);
const { Client } = await loaded(start.client); // a static file of channels_stack, under its hashed name
const log = $("log"), list = $("messages"), input = $("text");

async function loaded(module, tries = 5) {
  // A request that got lost must not leave a page that does nothing. A browser remembers that a module did not load, by its address.
  for (let n = 1; ; n++) {
    try {
      return await import(n === 1 ? module : `${module}?${n}`);
    } catch (error) {
      if (n === tries) {
        $("connection-text").textContent = "Not connected: reload this page";
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, n * 500));
    }
  }
}

// --- The log ---------------------------------------------------------------------------------------------

let last = start.last; // the sequence of the newest message shown
let more = start.more; // whether there are messages before the oldest shown
let loading = false;
const reports = new Map(); // newest frame of each report, by the sequence of its message

const times = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

function messageElement(user, text, at, sequence) {
  const item = $("message-template").content.firstElementChild.cloneNode(true);
  item.dataset.user = user;
  item.dataset.sequence = sequence ?? "";
  item.querySelector(".user").textContent = user;
  item.querySelector(".text").textContent = text;
  item.querySelector("time").dateTime = at;
  return item;
}

function dress(item) {
  // What depends on the neighbour above: the day, and whether the name is repeated.
  const above = item.previousElementSibling;
  const time = item.querySelector("time"), at = new Date(time.dateTime);
  const before = above && new Date(above.querySelector("time").dateTime);
  const user = item.dataset.user;
  time.textContent = times.format(at);
  time.title = at.toLocaleString();
  const newDay = !before || before.toDateString() !== at.toDateString();
  if (newDay) item.dataset.day = days.format(at); else delete item.dataset.day;
  const follows = !newDay && above.dataset.user === user && !above.querySelector(".report") && at - before < SAME_BREATH;
  item.classList.toggle("follows", follows);
  item.classList.toggle("own", user === start.user);
  const avatar = item.querySelector(".avatar");
  avatar.textContent = [...user][0].toUpperCase();
  avatar.dataset.hue = [...user].reduce((sum, char) => (sum * 31 + char.codePointAt(0)) % 9973, 7) % 6;
}

function showReport(frame) {
  const known = reports.get(frame.sequence);
  if (known && frame.state !== "failed" && frame.progress < known.progress) return; // overtaken by what the database says
  reports.set(frame.sequence, frame);
  const item = list.querySelector(`[data-sequence="${frame.sequence}"]`);
  if (!item) return; // drawn together with its message, when that comes
  keepingPlace(() => {
    let box = item.querySelector(".report");
    if (!box) {
      box = $("report-template").content.firstElementChild.cloneNode(true);
      item.append(box);
    }
    box.dataset.state = frame.state;
    box.querySelector(".report-state").textContent = frame.state === "running" ? `${frame.progress} %` : frame.state;
    box.querySelector("progress").value = frame.progress;
    box.querySelector("dl").replaceChildren(...(frame.result ?? "").split("\n").filter(Boolean).map(reportLine));
  });
}

function reportLine(line) {
  const colon = line.indexOf(": ");
  const row = document.createElement("div"), term = document.createElement("dt"), text = document.createElement("dd");
  term.textContent = colon < 0 ? "" : line.slice(0, colon);
  text.textContent = colon < 0 ? line : line.slice(colon + 2);
  row.append(term, text);
  return row;
}

const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;
const toEnd = () => { log.scrollTop = log.scrollHeight; $("newer").hidden = true; };

function keepingPlace(change) {
  // Scroll along with new messages only at the end of the log.
  const follow = atEnd();
  change();
  if (follow) toEnd();
  return follow;
}

function showMessage(frame) {
  const settled = outbox.settle(frame.nonce);
  if (frame.sequence <= last) return settled?.remove(); // seen already
  last = frame.sequence;
  const item = messageElement(frame.user, frame.text, frame.at, frame.sequence);
  const follow = keepingPlace(() => {
    $("empty").hidden = true;
    settled?.remove();
    list.insertBefore(item, list.querySelector(".pending"));
    dress(item);
    const below = item.nextElementSibling;
    if (below) dress(below);
    if (frame.report) showReport(frame.report);
  });
  if (!follow && frame.user !== start.user) $("newer").hidden = false;
  notTyping(frame.user);
}

function showHistory(frame) {
  loading = false;
  more = frame.more;
  const oldest = list.firstElementChild, height = log.scrollHeight, top = log.scrollTop;
  log.setAttribute("aria-busy", "true"); // old messages are not news: do not read them out
  for (const { user, text, at, sequence, report } of frame.messages) {
    const item = messageElement(user, text, at, sequence);
    list.insertBefore(item, oldest);
    dress(item);
    if (report) showReport(report);
  }
  if (oldest) dress(oldest);
  $("older").hidden = !more;
  log.scrollTop = top + log.scrollHeight - height;
  log.removeAttribute("aria-busy");
}

function startAgain(after) {
  // What is shown does not join what comes now: too much was missed, or the room was restored from a backup.
  list.querySelectorAll(".message:not(.pending)").forEach((item) => item.remove());
  last = after;
  more = after > 0;
  loading = false;
  $("older").hidden = !more;
}

function loadOlder() {
  const before = Number(list.querySelector(".message:not(.pending)")?.dataset.sequence ?? last + 1);
  if (!more || loading || before <= 1) return;
  loading = tell({ type: "history", before });
}

// --- Messages on their way -------------------------------------------------------------------------------

// Kept until the server answers, over reconnects and reloads; the nonce lets the server know a message it has.
const outbox = {
  key: `outbox:${start.user}:${start.room}`,
  waiting: [], // {nonce, text}
  elements: new Map(),
  flying: null, // the nonce that was sent last and is not answered yet
  timer: 0,

  restore() {
    try {
      this.waiting = JSON.parse(sessionStorage.getItem(this.key)) ?? [];
    } catch { /* no storage: the messages live as long as the page */ }
    this.waiting.forEach((entry) => this.draw(entry));
  },
  save() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.waiting));
    } catch { /* as above */ }
  },
  add(text) {
    const entry = { nonce: crypto.randomUUID(), text };
    this.waiting.push(entry);
    this.save();
    this.draw(entry);
    this.flush();
  },
  draw({ nonce, text }) {
    const item = messageElement(start.user, text, new Date().toISOString());
    item.classList.add("pending");
    this.elements.set(nonce, item);
    list.append(item);
    $("empty").hidden = true;
    dress(item);
    toEnd();
  },
  flush() {
    // One at a time, so that a long outbox neither overtakes itself nor breaks the speed limit.
    const [next] = this.waiting;
    if (!next || this.flying || !tell({ type: "message", text: next.text, nonce: next.nonce })) return;
    this.flying = next.nonce;
    this.retryIn(RESEND);
  },
  retryIn(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.flying = null; this.flush(); }, delay);
  },
  settle(nonce) {
    // Answered: forget the message and return its element.
    const element = this.elements.get(nonce);
    if (!element) return null;
    this.elements.delete(nonce);
    this.waiting = this.waiting.filter((entry) => entry.nonce !== nonce);
    this.save();
    if (this.flying === nonce) {
      this.flying = null;
      clearTimeout(this.timer);
    }
    queueMicrotask(() => this.flush());
    return element;
  },
  interrupted() {
    this.flying = null;
    clearTimeout(this.timer);
  },
};

function refused(frame) {
  if (frame.code === "slow_down" || frame.code === "unavailable") return outbox.retryIn(3_000);
  const text = outbox.waiting.find((entry) => entry.nonce === frame.nonce)?.text;
  outbox.settle(frame.nonce)?.remove();
  if (text && !input.value) input.value = text;
  $("wrong").textContent = `Not sent: ${frame.detail}.`;
  $("wrong").hidden = false;
}

// --- Who is here, who writes -----------------------------------------------------------------------------

const writers = new Map(); // timer by user

function showPresent(users) {
  $("here-count").textContent = users.length;
  $("present").replaceChildren(...users.map((user) => {
    const item = document.createElement("li");
    item.textContent = user === start.user ? `${user} (you)` : user;
    return item;
  }));
}

function showTyping(user) {
  if (user === start.user) return;
  clearTimeout(writers.get(user));
  writers.set(user, setTimeout(notTyping, TYPING_SHOWN, user));
  drawTyping();
}

function notTyping(user) {
  clearTimeout(writers.get(user));
  if (writers.delete(user)) drawTyping();
}

function drawTyping() {
  const [first, ...others] = writers.keys();
  $("typing").textContent = !first ? "" : others.length ? "Several people are typing…" : `${first} is typing…`;
}

// --- The line to the server ------------------------------------------------------------------------------

const handlers = {
  welcome: ({ after }) => { if (after !== last) startAgain(after); },
  message: showMessage,
  history: showHistory,
  report: showReport,
  error: refused,
  typing: ({ user }) => showTyping(user),
};
let failures = 0; // in a row

// It connects, reconnects, presents what it has seen, and is sent what it has missed: from the history of the group, or, as
// `last` says what the page shows, from the database.
const client = new Client(() => `/ws/rooms/${encodeURIComponent(start.room)}/?last=${last}`, {
  onMessage(text) {
    const frame = JSON.parse(text);
    handlers[frame.type]?.(frame);
  },
  onPresence: (group, { entries }) => showPresent(Object.keys(entries).sort()),
  onState(state, { code, reason }) {
    loading = false;
    if (state === "connected") {
      failures = 0;
      show(state, "Connected");
      return outbox.flush();
    }
    outbox.interrupted();
    if (state !== "stopped") show("waiting", navigator.onLine ? "Connecting" : "Offline");
    if (state === "waiting" && (failures += 1) > 1) askWhy();
    if (state !== "connecting") showPresent([]);
    if (code === 4401) stop("Signed out", "Sign in");
    if (state === "stopped" && code !== 4401 && code !== 1000) stop(`Disconnected: ${reason || code}`, "Reconnect");
  },
});

function tell(frame) {
  return client.state === "connected" && client.send(JSON.stringify(frame));
}

async function askWhy() {
  // The browser does not say why a handshake failed; the page of the room does.
  try {
    const page = await fetch(location.href, { method: "HEAD", redirect: "manual", cache: "no-store" });
    if (page.type === "opaqueredirect") stop("Signed out", "Sign in");
    if (page.status === 404) stop("This room was removed", "Back");
  } catch { /* no network: the client goes on trying */ }
}

function stop(text, action) {
  if ($("connection").dataset.state === "stopped") return;
  client.close();
  show("stopped", text);
  const link = document.createElement("a");
  link.href = action === "Back" ? "/" : location.href;
  link.textContent = action;
  $("connection").append(link);
}

function show(state, text) {
  $("connection").dataset.state = state;
  if ($("connection-text").textContent !== text) $("connection-text").textContent = text;
}

// --- The user --------------------------------------------------------------------------------------------

let typingSent = 0;

function submit(event) {
  event?.preventDefault();
  const text = input.value.trim();
  if (!text) return;
  input.value = "";
  typingSent = 0; // the message ends "is typing" for the others
  grow();
  outbox.add(text);
  input.focus();
}

function grow() {
  // Only for browsers without field-sizing.
  if (CSS.supports("field-sizing", "content")) return;
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + 2}px`;
}

$("composer").addEventListener("submit", submit);
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
});
input.addEventListener("input", () => {
  grow();
  $("wrong").hidden = true;
  const now = Date.now();
  if (input.value.trim() && now - typingSent > TYPING_EVERY && tell({ type: "typing" })) typingSent = now;
});
log.addEventListener("scroll", () => {
  if (log.scrollTop < 80 && log.scrollHeight > log.clientHeight) loadOlder();
  if (atEnd()) $("newer").hidden = true;
}, { passive: true });
$("older").addEventListener("click", (event) => {
  if ($("connection").dataset.state !== "connected") return; // then the link leads to a page
  event.preventDefault();
  loadOlder();
});
$("newer").addEventListener("click", toEnd);
new ResizeObserver(() => { if (pinned) toEnd(); }).observe(log);
let pinned = true;
log.addEventListener("scroll", () => { pinned = atEnd(); }, { passive: true });

for (const item of list.children) dress(item);
outbox.restore();
toEnd();
