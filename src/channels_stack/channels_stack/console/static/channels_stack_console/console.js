// The live part of a page: its websocket has the address of the page, and sends that part again whenever it has changed.

const live = document.getElementById("live"), state = document.getElementById("state"), pause = document.getElementById("pause");
const address = new URL(location.href.split("#")[0]);
address.protocol = address.protocol.replace("http", "ws");

const FINAL = { 4401: "Signed out: reload the page", 4403: "No longer permitted", 1008: "Closed by an operator" };
const FIRST = 1_000, LONGEST = 15_000; // milliseconds between two attempts

let socket = null, attempt = 0, waiting = 0, latest = null;

function show(name, text) {
  state.hidden = false;
  state.dataset.state = name;
  if (state.textContent !== text) state.textContent = text;
}

function open() {
  show("waiting", "Connecting");
  const mine = (socket = new WebSocket(address));
  mine.onmessage = ({ data }) => {
    if (mine !== socket) return;
    attempt = 0;
    latest = data;
    show("connected", "Live");
    draw();
  };
  mine.onclose = ({ code }) => {
    if (mine !== socket) return;
    if (FINAL[code]) return show("stopped", FINAL[code]);
    show("waiting", "Not connected, trying again");
    waiting = setTimeout(open, Math.min(LONGEST, FIRST * 2 ** attempt++) * (0.5 + Math.random() / 2));
  };
}

// Only what differs is replaced: who selects text or stands on a link in another part keeps it.
function draw() {
  if (latest === null || !getSelection().isCollapsed) return;
  const fresh = document.createElement("template");
  fresh.innerHTML = latest;
  latest = null;
  const link = live.contains(document.activeElement) && document.activeElement.getAttribute("href");
  const old = [...live.children], parts = [...fresh.content.children];
  if (old.length === parts.length && old.every((each, index) => each.id === parts[index].id))
    old.forEach((each, index) => { if (each.outerHTML !== parts[index].outerHTML) each.replaceWith(parts[index]); });
  else live.replaceChildren(...parts);
  if (link) [...live.querySelectorAll("a")].find((each) => each.getAttribute("href") === link)?.focus({ preventScroll: true });
}

pause.hidden = false;
pause.onclick = () => {
  const paused = pause.getAttribute("aria-pressed") === "false";
  pause.setAttribute("aria-pressed", paused);
  if (!paused) return open();
  clearTimeout(waiting);
  const ending = socket;
  socket = null;
  ending.close();
  show("stopped", "Paused");
};
document.addEventListener("selectionchange", draw);

open();
