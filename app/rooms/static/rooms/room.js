// A room in the browser: one socket that comes back by itself, and a log that shows every message once, in order.
// The server's frames are described in rooms/frames.py.

const FIRST_DELAY = 250; // milliseconds before the first attempt to reconnect; doubled with each one
const LONGEST_DELAY = 15_000;
const HEALTHY = 10_000; // a socket open for so long was good: the next delay starts from the first one again
const QUIET = 12_000; // after so long without a frame the server is asked whether it is there
const ANSWER = 10_000; // and has so long to answer
const SIGNED_OUT = 4401; // close code
const RESEND = 10_000; // an unanswered message is sent again
const TYPING_EVERY = 3_000;
const TYPING_SHOWN = 5_000;
const SAME_BREATH = 5 * 60_000; // messages of one user within this time stand under one name

const start = JSON.parse(document.getElementById("start").textContent);
const $ = (id) => document.getElementById(id);
const log = $("log"), list = $("messages"), input = $("text");

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
  // What depends on the neighbour above: the day, and whether the name is said again.
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
  if (known && known.state === "done") return;
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
  // Whoever reads the end stays there; whoever reads further up is not moved.
  const follow = atEnd();
  change();
  if (follow) toEnd();
  return follow;
}

function showMessage(frame) {
  if (frame.sequence <= last) return; // seen already
  last = frame.sequence;
  const settled = outbox.settle(frame.nonce);
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
  if (!loading) return; // the answer to "are you there?"
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

function startAnew(after) {
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
  loading = line.send({ type: "history", before });
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
    const entry = { nonce: nonce(), text };
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
    if (!next || this.flying || !line.send({ type: "message", text: next.text, nonce: next.nonce })) return;
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

function nonce() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

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

const line = {
  socket: null,
  attempt: 0,
  stopped: false,
  timers: [],

  url() {
    const url = new URL(`/ws/rooms/${encodeURIComponent(start.room)}/`, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("last", last);
    return url;
  },
  open() {
    this.forget();
    show("waiting", this.attempt ? "Reconnecting" : "Connecting");
    const socket = (this.socket = new WebSocket(this.url()));
    let greeted = false;
    // A handshake that hangs is a failure too.
    this.later(() => { if (!greeted) this.lost(socket, 1006, ""); }, ANSWER + 5_000);
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      const frame = JSON.parse(data);
      if (frame.type === "welcome") {
        greeted = true;
        this.greeted(frame);
      }
      this.listen();
      handlers[frame.type]?.(frame);
    };
    socket.onclose = ({ code, reason }) => this.lost(socket, code, reason, greeted);
  },
  greeted(frame) {
    show("connected", "Connected");
    if (frame.after !== last) startAnew(frame.after);
    this.healthy = setTimeout(() => { this.attempt = 0; }, HEALTHY);
    loading = false;
    outbox.flush();
  },
  send(frame) {
    if (this.socket?.readyState !== WebSocket.OPEN || $("connection").dataset.state !== "connected") return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  },
  listen() {
    // A browser shows no ping: a line on which nothing comes, not even an answer, is dead, though it looks open.
    this.timers.forEach(clearTimeout);
    this.timers = [];
    this.later(() => this.ask(), QUIET);
  },
  ask() {
    const socket = this.socket;
    if (!this.send({ type: "history", before: 1 })) return;
    this.later(() => this.lost(socket, 1006, ""), ANSWER);
  },
  later(action, delay) {
    this.timers.push(setTimeout(action, delay));
  },
  forget() {
    this.timers.forEach(clearTimeout);
    this.timers = [];
    clearTimeout(this.healthy);
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close();
    outbox.interrupted();
    loading = false;
  },
  async lost(socket, code, reason, greeted = false) {
    if (socket !== this.socket) return;
    this.forget();
    showPresent([]);
    this.attempt += 1;
    if (code === 1008 && reason) show("waiting", `Disconnected: ${reason}`);
    const perhapsRefused = code === SIGNED_OUT || (!greeted && this.attempt > 1);
    if (perhapsRefused && (await this.refusedFor())) return;
    const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.attempt - 1));
    this.wait(ceiling * (0.5 + Math.random() / 2)); // jitter: after a restart not everybody comes at once
  },
  wait(delay) {
    const due = Date.now() + delay;
    const tick = () => {
      if (this.socket || this.stopped) return;
      const left = due - Date.now();
      if (left <= 0) return this.open();
      const seconds = Math.ceil(left / 1000);
      show("waiting", navigator.onLine ? `Reconnecting in ${seconds} s` : "Offline", delay > 2_000);
      this.later(tick, Math.min(left, 1_000));
    };
    tick();
  },
  now() {
    if (this.stopped || (this.socket && this.socket.readyState < WebSocket.CLOSING)) return;
    this.open();
  },
  async refusedFor() {
    // The browser does not say why a handshake failed; the page of the room does.
    try {
      const page = await fetch(location.href, { method: "HEAD", redirect: "manual", cache: "no-store" });
      if (page.type === "opaqueredirect") return this.stop("Signed out", "Sign in");
      if (page.status === 404) return this.stop("This room was removed", "Back");
    } catch { /* no network: go on trying */ }
    return false;
  },
  stop(text, action) {
    this.stopped = true;
    show("stopped", text);
    const link = document.createElement("a");
    link.href = action === "Back" ? "/" : location.href;
    link.textContent = action;
    $("connection").append(link);
    return true;
  },
};

const handlers = {
  message: showMessage,
  history: showHistory,
  report: showReport,
  error: refused,
  presence: ({ users }) => showPresent(users),
  typing: ({ user }) => showTyping(user),
};

function show(state, text, impatient = false) {
  $("connection").dataset.state = state;
  if ($("connection-text").textContent !== text) $("connection-text").textContent = text;
  $("connection-now").hidden = !impatient;
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
  if (input.value.trim() && now - typingSent > TYPING_EVERY && line.send({ type: "typing" })) typingSent = now;
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
$("connection-now").addEventListener("click", () => line.now());
addEventListener("online", () => line.now());
addEventListener("offline", () => { if (line.socket) line.lost(line.socket, 1006, "", true); });
document.addEventListener("visibilitychange", () => {
  // A laptop that slept finds its socket dead, and its timers late.
  if (document.visibilityState === "visible") { line.now(); line.ask(); }
});
new ResizeObserver(() => { if (pinned) toEnd(); }).observe(log);
let pinned = true;
log.addEventListener("scroll", () => { pinned = atEnd(); }, { passive: true });

for (const item of list.children) dress(item);
outbox.restore();
toEnd();
line.open();
