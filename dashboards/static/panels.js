// The charts of a host: one request, one shared cursor; dragging over a chart zooms by the address.
import { lanes, ribbons, tint } from "./bands.js";
import { extended } from "./points.js";
import uPlot from "./vendor/uplot.js";

const HEIGHT = 200;
const ROWS = 60;
const COLOURS = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `--line${number}`);
const DASHES = [undefined, [6, 3], [2, 3]];
// Where the ticks of bytes may stand apart: powers of two.
const BINARY = Array.from({ length: 50 }, (_, power) => 2 ** power);
// Distance of the ticks in seconds, their text, what is added when the year, day or minute changes.
const TICKS = [
  [365 * 86400, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * 86400, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [1, ":{ss}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{MM}-{DD} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
];
const BYTES = ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"];

function words(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit !== "B/s") return `${value.toFixed(unit ? 1 : 2)} ${unit}`.trim();
  let at = 0;
  for (; value >= 1000 && at + 1 < BYTES.length; at += 1) value /= 1024;
  return `${value.toFixed(at ? 1 : 0)} ${BYTES[at]}`;
}

// The same for an axis: no more digits than it takes.
function label(tick, unit) {
  if (unit !== "B/s") return `${Number(tick.toFixed(3))} ${unit}`.trim();
  const at = tick > 0 ? Math.min(BYTES.length - 1, Math.floor(Math.log2(tick) / 10)) : 0;
  return `${Number((tick / 1024 ** at).toFixed(1))} ${BYTES[at]}`;
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

function frame(owner, { id, title, unit }) {
  const figure = element("figure", "", { class: "chart", "data-panel": id });
  const caption = element("figcaption", "");
  const url = new URL(owner.url, location.href);
  url.searchParams.set("panel", id);
  caption.append(element("span", unit ? `${title}, ${unit}` : title), " ", element("a", "as JSON", { href: url.href }));
  const table = element("details", "");
  table.append(element("summary", "as a table"));
  figure.append(caption, element("div", "", { class: "plot", role: "img" }), element("p", "", { class: "note" }), table);
  owner.place.append(figure);
  return figure;
}

class Panel {
  // The server has rendered the frame of what it knew then.
  constructor(owner, panel) {
    this.owner = owner;
    this.figure = owner.place.querySelector(`[data-panel="${panel.id}"]`) ?? frame(owner, panel);
    this.place = this.figure.querySelector(".plot");
    this.table = this.figure.querySelector("details");
    this.notes = this.figure.querySelector(".note");
    this.table.addEventListener("toggle", () => this.fill());
  }

  width() {
    return Math.max(200, Math.floor(this.place.clientWidth));
  }

  show(panel) {
    const before = this.panel;
    this.panel = panel;
    const names = panel.lines.map((line) => line.name).join(", ");
    const alerts = [...new Set(this.owner.alerts.map((alert) => alert.name))].sort().join(", ");
    this.place.setAttribute("aria-label", `${panel.title}${panel.unit && ` in ${panel.unit}`}: ${names}${alerts && `; alerts: ${alerts}`}`);
    this.notes.textContent = (panel.notes ?? []).join("; ");
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
    const thin = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--faint"), grid: thin, ticks: thin };
    const line = ({ name, is_limit }, at) => ({
      label: name,
      stroke: colour(is_limit ? "--bad" : COLOURS[at % COLOURS.length]),
      width: 1.5,
      dash: is_limit ? [4, 4] : DASHES[Math.floor(at / COLOURS.length)],
      value: (_, value) => words(value, unit),
    });
    const series = lines.map(line);
    const severity = (name) => colour({ critical: "--bad", warning: "--warn" }[name] ?? "--line8");
    const back = colour("--back");
    const fired = () => lanes(this.owner.alerts, this.owner.range[1]);
    const bands = [];
    if (lines.length === 1 && lines[0].min) {
      for (const label of ["max", "min"]) series.push({ label, stroke: colour("--band"), width: 1, points: { show: false }, value: (_, value) => words(value, unit) });
      bands.push({ series: [2, 3], fill: colour("--band") });
    }
    const top = (_, low, high) => [Math.min(0, low ?? 0), unit === "%" ? Math.max(100, high ?? 0) : (high || 1) * 1.1];
    this.place.replaceChildren();
    this.plot = new uPlot(
      {
        width: this.width(),
        height: HEIGHT,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
        scales: { x: { range: () => this.owner.range }, y: { range: top } },
        axes: [
          { ...axis, values: TICKS },
          { ...axis, size: 80, incrs: unit === "B/s" ? BINARY : undefined, values: (_, ticks) => ticks.map((tick) => label(tick, unit)) },
        ],
        series: [{ value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" }, ...series],
        bands,
        cursor: { sync: { key: "host" }, drag: { x: true, y: false, setScale: false } },
        hooks: {
          setSelect: [(plot) => zoom(plot)],
          drawClear: [(plot) => tint(plot, fired(), severity)],
          draw: [(plot) => ribbons(plot, fired(), severity, back)],
        },
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
    const { alerts } = this.owner;
    for (const name of ["Time (UTC)", ...lines.map((line) => line.name), ...(alerts.length ? ["Alerts"] : [])]) head.append(element("th", name, { scope: "col" }));
    const body = table.createTBody();
    for (let at = times.length - 1; at >= Math.max(0, times.length - ROWS); at -= 1) {
      if (lines.every((line) => line.avg[at] === null)) continue;
      const row = body.insertRow();
      row.insertCell().textContent = new Date(times[at] * 1000).toISOString().slice(0, 19).replace("T", " ");
      for (const line of lines) row.insertCell().textContent = words(line.avg[at], unit);
      if (!alerts.length) continue;
      const firing = alerts.filter(({ from, to }) => from <= times[at] && (to === null || times[at] < to));
      row.insertCell().textContent = [...new Set(firing.map((alert) => alert.name))].sort().join(", ");
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
    this.alerts = [];
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
    const { from, to, step, panels, alerts } = await response.json();
    this.alerts = alerts;
    this.range = [from, to];
    this.step = step;
    for (const panel of panels) this.show(panel);
  }

  // Takes what came since; in the same steps.
  extend({ from, to, since, panels, alerts }) {
    this.range = [from, to];
    this.alerts = alerts;
    const news = new Map(panels.map((panel) => [panel.id, panel]));
    for (const [id, shown] of this.panels) {
      shown.show(extended(shown.panel, news.get(id), from, since));
      news.delete(id);
    }
    for (const panel of news.values()) this.show(panel);
  }

  show(panel) {
    if (!this.panels.has(panel.id)) this.panels.set(panel.id, new Panel(this, panel));
    this.panels.get(panel.id).show(panel);
  }
}
