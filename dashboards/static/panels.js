// All charts of a host: one request, one shared cursor; dragging over a chart zooms by the address.
import { TICKS } from "./chart.js";
import uPlot from "./vendor/uplot.js";

const HEIGHT = 200;
const ROWS = 60;
const COLOURS = ["--cpu", "--memory", "--good", "--bad", "--warn", "--link"];
const BYTES = ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"];

function words(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit !== "B/s") return `${value.toFixed(unit ? 1 : 2)} ${unit}`.trim();
  let at = 0;
  for (; value >= 1000 && at + 1 < BYTES.length; at += 1) value /= 1024;
  return `${value.toFixed(at ? 1 : 0)} ${BYTES[at]}`;
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const shape = (panel) => JSON.stringify(panel.lines.map((line) => [line.name, Boolean(line.min)]));

// The lines as uPlot's columns; of a single line the extremes are there as well.
function columns(panel) {
  const lines = panel.lines.map((line) => line.avg);
  if (panel.lines.length === 1 && panel.lines[0].min) lines.push(panel.lines[0].max, panel.lines[0].min);
  return [panel.times, ...lines];
}

class Panel {
  constructor(owner, panel) {
    this.owner = owner;
    this.figure = element("figure", "", { class: "chart", "data-panel": panel.id });
    const caption = element("figcaption", "");
    caption.append(element("span", panel.title));
    caption.append(element("a", "as JSON", { href: `${owner.url}&panel=${panel.id}` }));
    this.place = element("div", "", { class: "plot", role: "img" });
    this.table = element("details", "");
    this.table.append(element("summary", "as a table"));
    this.table.addEventListener("toggle", () => this.fill());
    this.figure.append(caption, this.place, this.table);
    owner.place.append(this.figure);
  }

  width() {
    return Math.max(200, Math.floor(this.place.clientWidth));
  }

  show(panel) {
    const before = this.panel;
    this.panel = panel;
    const names = panel.lines.map((line) => line.name).join(", ");
    this.place.setAttribute("aria-label", `${panel.title} in ${panel.unit || "processes"}: ${names}`);
    if (this.plot && shape(before) === shape(panel)) this.plot.setData(columns(panel));
    else this.draw();
    if (!this.table.contains(document.activeElement)) this.fill();
  }

  draw() {
    if (!this.panel) return;
    this.plot?.destroy();
    const { lines, unit } = this.panel;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") } };
    const line = ({ name, is_limit }, at) => ({
      label: name,
      stroke: colour(is_limit ? "--bad" : COLOURS[at % COLOURS.length]),
      width: 1.5,
      dash: is_limit || at >= COLOURS.length ? [4, 4] : undefined,
      value: (_, value) => words(value, unit),
    });
    const series = lines.map(line);
    const bands = [];
    if (lines.length === 1 && lines[0].min) {
      for (const label of ["max", "min"]) series.push({ label, stroke: colour("--line"), width: 1, points: { show: false }, value: (_, value) => words(value, unit) });
      bands.push({ series: [2, 3], fill: colour("--line") });
    }
    const top = (_, low, high) => [Math.min(0, low ?? 0), unit === "%" ? Math.max(100, high ?? 0) : (high || 1) * 1.1];
    this.place.replaceChildren();
    this.plot = new uPlot(
      {
        width: this.width(),
        height: HEIGHT,
        scales: { x: { range: () => this.owner.range }, y: { range: top } },
        axes: [{ ...axis, values: TICKS }, { ...axis, size: 80, values: (_, ticks) => ticks.map((tick) => words(tick, unit)) }],
        series: [{ value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" }, ...series],
        bands,
        cursor: { sync: { key: "host" }, drag: { x: true, y: false, setScale: false } },
        hooks: { setSelect: [(plot) => zoom(plot)] },
      },
      columns(this.panel),
      this.place,
    );
  }

  resize() {
    if (this.plot && this.plot.width !== this.width()) this.plot.setSize({ width: this.width(), height: HEIGHT });
  }

  // The newest numbers; the JSON has them all.
  fill() {
    if (!this.table.open || !this.panel) return;
    const { lines, times, title, unit } = this.panel;
    const table = element("table", "");
    table.append(element("caption", `${title}, newest first`, { class: "hidden" }));
    const head = table.createTHead().insertRow();
    for (const name of ["Time (UTC)", ...lines.map((line) => line.name)]) head.append(element("th", name, { scope: "col" }));
    const body = table.createTBody();
    for (let at = times.length - 1; at >= Math.max(0, times.length - ROWS); at -= 1) {
      const row = body.insertRow();
      row.insertCell().textContent = new Date(times[at] * 1000).toISOString();
      for (const line of lines) row.insertCell().textContent = words(line.avg[at], unit);
    }
    const scroll = element("div", "", { class: "scroll" });
    scroll.append(table);
    this.table.replaceChildren(this.table.firstElementChild, scroll);
  }
}

function zoom(plot) {
  const { left, width } = plot.select;
  if (width < 5) return;
  const at = (pixel) => Math.floor(plot.posToVal(pixel, "x"));
  const from = at(left);
  location.search = new URLSearchParams({ from, to: Math.max(from + 1, at(left + width)) });
}

export class Panels {
  constructor(place) {
    this.place = place;
    this.url = place.dataset.panels;
    this.isLive = "live" in place.dataset;
    this.panels = new Map();
    new ResizeObserver(() => this.each((panel) => panel.resize())).observe(place);
    addEventListener("theme", () => this.each((panel) => panel.draw()));
  }

  each(work) {
    for (const panel of this.panels.values()) work(panel);
  }

  async refresh() {
    if (this.panels.size && !this.isLive) return;
    const width = Math.max(200, Math.floor(this.place.clientWidth));
    const response = await fetch(`${this.url}&width=${width}`);
    if (!response.ok) return;
    const { from, to, panels } = await response.json();
    this.range = [from, to];
    for (const panel of panels) {
      if (!this.panels.has(panel.id)) this.panels.set(panel.id, new Panel(this, panel));
      this.panels.get(panel.id).show(panel);
    }
  }
}
