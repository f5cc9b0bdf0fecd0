// The status page: reads what the stack's processes say of themselves and draws the last five minutes of it.

const EVERY = 2_000; // milliseconds between two readings
const KEPT = 150; // readings: five minutes
const SPAN = 7; // seconds over which a rate is taken: processes report every two seconds, not when they are asked
const WIDTH = 300, HEIGHT = 84;

const $ = (id) => document.getElementById(id);
const source = $("status").dataset.source;
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const fine = { format: (number) => (number < 100 ? tenths : whole).format(number) };
const when = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

const plots = [
  { title: "Open sockets", unit: "", format: whole, read: ({ processes }) => sum(processes.filter(heard).map((p) => p.sockets ?? 0)) },
  { title: "Messages per second", unit: "", format: fine, read: messageRate },
  { title: "Layer latency", unit: " ms", format: fine, read: ({ processes }) => largest(processes.map((p) => p.layer_latency_ms)) },
  { title: "Worker backlog", unit: "", format: whole, read: ({ processes }) => backlog(processes) },
].map((plot) => ({ ...plot, values: [] }));

const earlier = []; // the readings of the last SPAN seconds

function messageRate(reading) {
  // Totals are those of a process: one that is new, or started again, counts from its next reading on.
  const [before] = earlier;
  if (!before || reading.at <= before.at) return null;
  const known = new Map(before.processes.map((process) => [identity(process), total(process)]));
  const grown = reading.processes.map((p) => (known.has(identity(p)) ? Math.max(0, total(p) - known.get(identity(p))) : 0));
  return sum(grown) / (reading.at - before.at);
}

const heard = (process) => process.state !== "silent"; // its sockets are gone, or soon counted elsewhere
const identity = (process) => `${process.service} ${process.host} ${process.pid} ${process.started}`;
const total = (process) => (process.messages_in ?? 0) + (process.messages_out ?? 0);

function largest(numbers) {
  const known = numbers.filter((number) => typeof number === "number");
  return known.length ? Math.max(...known) : null;
}

function backlog(processes) {
  // All workers of a channel see the same queue: it counts once.
  const waiting = new Map();
  for (const process of processes)
    for (const [channel, number] of Object.entries(process.backlog ?? {}))
      waiting.set(channel, Math.max(number ?? 0, waiting.get(channel) ?? 0));
  return waiting.size ? sum([...waiting.values()]) : null;
}

// --- Drawing ---------------------------------------------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "title"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function makePlot(plot) {
  plot.now = element("output", {}, "–");
  plot.area = element("path", { class: "area" });
  plot.line = element("path", { class: "line" });
  plot.title_ = element("title");
  plot.top = element("span", {}, "");
  const grid = [0, HEIGHT].map((y) => element("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
  const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" };
  return element("figure", { class: "plot" },
    element("figcaption", {}, plot.title, plot.now),
    element("svg", box, plot.title_, ...grid, plot.area, plot.line),
    element("p", { class: "ends" }, element("span", {}, "5 min ago"), plot.top, element("span", {}, "now")));
}

function drawPlot(plot) {
  const known = plot.values.filter((value) => value !== null);
  const ceiling = niceCeiling(Math.max(0, ...known));
  const x = (index) => WIDTH - ((plot.values.length - 1 - index) * WIDTH) / (KEPT - 1);
  const y = (value) => HEIGHT - (value / ceiling) * HEIGHT;
  let lines = "", areas = "", run = [];
  const finish = () => {
    if (run.length) {
      const points = run.map(([index, value]) => `${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join(" L");
      lines += `M${points}`;
      areas += `M${x(run[0][0]).toFixed(1)} ${HEIGHT} L${points} L${x(run.at(-1)[0]).toFixed(1)} ${HEIGHT}Z`;
    }
    run = [];
  };
  plot.values.forEach((value, index) => (value === null ? finish() : run.push([index, value])));
  finish();
  plot.line.setAttribute("d", lines);
  plot.area.setAttribute("d", areas);
  const current = plot.values.at(-1);
  const text = current === null || current === undefined ? "–" : plot.format.format(current) + plot.unit;
  plot.now.textContent = text;
  plot.top.textContent = `full height ${plot.format.format(ceiling)}${plot.unit}`;
  plot.title_.textContent = `${plot.title}: now ${text}`;
}

function niceCeiling(value) {
  // The next of 1, 2, 5, 10, 20, 50 … so that the scale does not tremble.
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function row(process) {
  const state = element("span", { class: "state", "data-state": process.state },
    process.state === "silent" ? `silent ${whole.format(process.silent_seconds)} s` : process.state);
  const number = (text) => element("td", { class: "number" }, text);
  return element("tr", {},
    element("th", { scope: "row" }, process.service),
    element("td", {}, process.server ?? "–"),
    element("td", {}, `${process.host} ${process.pid}`),
    element("td", {}, when.format(new Date(process.started * 1000))),
    element("td", {}, state),
    number(whole.format(process.sockets ?? 0)),
    number(whole.format(process.requests ?? 0)),
    number(milliseconds(process.loop_lag_ms)),
    number(milliseconds(process.layer_latency_ms)),
    number(`${whole.format((process.rss_bytes ?? 0) / 2 ** 20)} MiB`));
}

const milliseconds = (value) => (typeof value === "number" ? `${fine.format(value)} ms` : "–");

// --- Reading ---------------------------------------------------------------------------------------------

function show(state, text) {
  $("freshness").dataset.state = state;
  if ($("freshness").textContent !== text) $("freshness").textContent = text;
}

async function read() {
  let reading = null;
  try {
    const reply = await fetch(source, { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(5_000) });
    if (reply.type === "opaqueredirect" || reply.status === 403) return show("stopped", "Signed out: reload the page");
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    reading = await reply.json();
    show("connected", "Live");
    draw(reading);
  } catch {
    show("waiting", "No answer, trying again");
  }
  for (const plot of plots) {
    plot.values.push(reading && plot.read(reading));
    if (plot.values.length > KEPT) plot.values.shift();
    drawPlot(plot);
  }
  if (reading) earlier.push(reading);
  while (earlier.length > 1 && earlier.at(-1).at - earlier[0].at > SPAN) earlier.shift();
  setTimeout(read, EVERY);
}

function draw({ processes }) {
  $("replicas").replaceChildren(...processes.map(row));
  $("replica-count").textContent = processes.length;
  $("no-replicas").hidden = processes.length > 0;
}

$("plots").append(...plots.map(makePlot));
read();
