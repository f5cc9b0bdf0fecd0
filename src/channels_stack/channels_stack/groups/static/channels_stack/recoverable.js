// A client of channels_stack's RecoverableConsumer: it reconnects after every failure, and presents what it has seen.
// The protocol is in docs/reference/groups.md; what each option means, in recoverable.d.ts. Times here are in milliseconds.

const PROTOCOL = "recoverable.v1";
const PING = '{"recoverable":"ping"}';
const RESTART = 1012; // the server restarts: at once, spread
const BUSY = 1013; // it has no room: not before BUSY_PAUSE
const FINAL = [1002, 1008, 4401]; // another attempt would end the same way
const PAUSE = 500, PAUSE_LIMIT = 30000; // between attempts; each is random, up to a limit that doubles
const SPREAD = 1000, BUSY_PAUSE = 5000;
const STEADY = 5000; // a connection that held for so long makes the next attempt a first one
const GROUPS = 350; // as many positions fit into a first frame whatever the groups are called

export class Client {
  #options; #url; #socket; #timer; #watch;
  #queue = [];
  #positions; #present = new Map();
  #failures = 0; #notBefore = 0;
  #begun = 0; #opened = 0; #heard = 0; #pinged = 0;
  #listening = new AbortController();

  constructor(url, options = {}) {
    this.#options = { queue: 100, buffer: 1 << 20, ping: 15000, timeout: 10000, ...options };
    this.#url = url;
    this.#positions = new Map(Object.entries(options.positions ?? {}));
    const { signal } = this.#listening;
    for (const name of ["online", "offline", "pageshow"]) {
      globalThis.addEventListener?.(name, () => this.#look(name !== "offline"), { signal });
    }
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden || this.#look(true), { signal });
    this.#connect();
  }

  state = "connecting";

  get positions() {
    return Object.fromEntries(this.#positions);
  }

  send(data) {
    if (this.state === "stopped") return false;
    if (this.state === "connected" && this.#socket.readyState === 1) {
      if (this.#socket.bufferedAmount > this.#options.buffer) return false;
      this.#socket.send(data);
      return true;
    }
    return this.#queue.length < this.#options.queue && !!this.#queue.push(data);
  }

  close() {
    this.#stop({ code: 1000, reason: "" });
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#set("connecting");
    if (this.state !== "connecting") return; // onState has closed it
    const url = new URL(typeof this.#url === "function" ? this.#url() : this.#url, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.#socket = new WebSocket(url, [PROTOCOL]));
    const ours = (step) => (event) => socket === this.#socket && step(event);
    this.#begun = performance.now();
    this.#opened = this.#pinged = 0;
    this.#watch = setInterval(() => this.#check(), Math.min(1000, this.#options.timeout / 4));
    socket.onopen = ours(() => this.#greet(socket));
    socket.onmessage = ours((event) => this.#receive(event.data));
    socket.onclose = ours((event) => this.#ended(event));
  }

  #greet(socket) {
    this.#opened = this.#heard = performance.now();
    socket.send(JSON.stringify({ positions: Object.fromEntries([...this.#positions].slice(-GROUPS)) }));
    for (const data of this.#queue.splice(0)) socket.send(data);
    this.#set("connected");
  }

  #ended({ code, reason }) {
    if (this.state === "stopped") return;
    const now = performance.now();
    this.#drop();
    if (FINAL.includes(code)) return this.#stop({ code, reason });
    if (this.#opened && now - this.#opened > STEADY) this.#failures = 0;
    let pause = Math.random() * Math.min(PAUSE_LIMIT, PAUSE * 2 ** this.#failures++);
    if (code === RESTART) pause = Math.random() * SPREAD;
    if (code === BUSY) pause = Math.max(pause, BUSY_PAUSE * (1 + Math.random()));
    this.#notBefore = code === BUSY ? now + pause : 0;
    this.#timer = setTimeout(() => this.#connect(), pause);
    this.#set("waiting", { code, reason, pause });
  }

  #stop(detail) {
    if (this.state === "stopped") return;
    clearTimeout(this.#timer);
    this.#listening.abort();
    this.#drop();
    this.#set("stopped", detail);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = undefined;
    clearInterval(this.#watch);
    socket?.close();
  }

  // The page is shown again, or the network has changed: see at once whether the line lives.
  #look(promising) {
    if (this.state === "connected") this.#ping();
    else if (promising && this.state === "waiting" && performance.now() >= this.#notBefore) this.#connect();
  }

  #ping() {
    if (this.#pinged || this.#socket.readyState !== 1) return;
    this.#pinged = performance.now();
    this.#socket.send(PING);
  }

  #check() {
    const now = performance.now();
    const since = this.#opened ? this.#pinged : this.#begun;
    if (since && now - since > this.#options.timeout) this.#ended({ code: 1006, reason: "no answer" });
    else if (this.#opened && now - this.#heard > this.#options.ping) this.#ping();
  }

  #receive(text) {
    this.#heard = performance.now();
    this.#pinged = 0;
    const envelope = JSON.parse(text);
    const { g, s, l, p, r, w } = envelope;
    if (w !== undefined) return this.#presence(w, envelope);
    const group = s ?? l ?? g ?? "";
    const known = this.#positions.has(group);
    if ("e" in envelope) this.#call("onMessage", envelope.e, group);
    else if ("b" in envelope) {
      this.#call("onMessage", Uint8Array.from(atob(envelope.b), (each) => each.charCodeAt(0)), group);
    }
    if (p && r !== true) {
      if (s !== undefined) this.#positions.delete(group); // to the end, as the newest
      this.#positions.set(group, p);
    }
    if (r === true) this.#call("onRecovered", group);
    // Not recovered; or the group was known, and there was no room for it in the first frame.
    if (l !== undefined || r === false || (s !== undefined && p && r === null && known)) this.#call("onLost", group);
  }

  #presence(group, { i, j, x, n }) {
    const before = this.#present.get(group) ?? {};
    const entries = { ...(i ?? before), ...j };
    for (const identity of x ?? []) delete entries[identity];
    this.#present.set(group, entries);
    const joined = Object.keys(entries).filter((each) => !Object.hasOwn(before, each));
    const left = Object.keys(before).filter((each) => !Object.hasOwn(entries, each));
    this.#call("onPresence", group, { entries: { ...entries }, count: n, joined, left });
  }

  #set(state, detail = {}) {
    this.state = state;
    this.#call("onState", state, detail);
  }

  // What the page's own code raises is reported, and ends nothing here.
  #call(name, ...values) {
    try {
      this.#options[name]?.(...values);
    } catch (error) {
      (globalThis.reportError ?? console.error)(error);
    }
  }
}
