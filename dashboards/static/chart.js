// One chart: the columns of a series endpoint, drawn by uPlot.
import uPlot from "./vendor/uplot.js";

const HEIGHT = 260;

// Distance of the ticks in seconds, their text, what is added when the year, day or minute changes.
export const TICKS = [
  [365 * 86400, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * 86400, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [1, ":{ss}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{MM}-{DD} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
];

const percent = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(1)} %`);

export class Chart {
  constructor(figure) {
    this.url = figure.dataset.series;
    this.place = figure.querySelector(".plot");
    this.plot = null;
    this.columns = null;
    new ResizeObserver(() => this.resize()).observe(this.place);
    addEventListener("theme", () => this.draw());
  }

  width() {
    return Math.max(200, Math.floor(this.place.clientWidth));
  }

  async refresh() {
    const response = await fetch(`${this.url}&width=${this.width()}`);
    if (!response.ok) return;
    const { columns, from, to } = await response.json();
    this.columns = columns;
    this.range = [from, to];
    if (this.plot) {
      this.plot.setData(columns);
    } else {
      this.draw();
    }
  }

  resize() {
    if (this.plot && this.plot.width !== this.width()) {
      this.plot.setSize({ width: this.width(), height: HEIGHT });
    }
  }

  draw() {
    if (!this.columns) return;
    this.plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") } };
    const line = (label, name) => ({ label, stroke: colour(name), width: 1.5, value: (_, value) => percent(value) });
    const options = {
      width: this.width(),
      height: HEIGHT,
      scales: { x: { range: () => this.range }, y: { range: [0, 100] } },
      axes: [{ ...axis, values: TICKS }, { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => `${tick} %`) }],
      series: [{ value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" }, line("CPU", "--cpu"), line("Memory", "--memory")],
      cursor: { drag: { x: false, y: false } },
    };
    this.place.replaceChildren();
    this.plot = new uPlot(options, this.columns, this.place);
  }
}
