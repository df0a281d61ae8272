// One chart: the columns of a series endpoint, drawn by uPlot.
import uPlot from "./vendor/uplot.js";

const HEIGHT = 260;

const percent = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(1)} %`);

export class Chart {
  constructor(figure) {
    this.url = figure.dataset.series;
    this.place = figure.querySelector(".plot");
    this.plot = null;
    this.columns = null;
    new ResizeObserver(() => this.resize()).observe(this.place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
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
      axes: [axis, { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => `${tick} %`) }],
      series: [{}, line("CPU", "--cpu"), line("Memory", "--memory")],
      cursor: { drag: { x: false, y: false } },
    };
    this.place.replaceChildren();
    this.plot = new uPlot(options, this.columns, this.place);
  }
}
