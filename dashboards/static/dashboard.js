// Keeps the page fresh: the server renders everything, this module only fetches it again.
import { Chart } from "./chart.js";

const INTERVAL = 5000;

const rows = document.querySelector("[data-refresh]");
const empty = document.querySelector("[data-await]");
const charts = [...document.querySelectorAll("[data-series]")].map((figure) => new Chart(figure));

async function refreshRows() {
  const response = await fetch(rows.dataset.refresh);
  if (!response.ok) return;
  // The fragment comes from the same template as the page, escaped by the server.
  const parsed = document.createElement("template");
  parsed.innerHTML = await response.text();
  if (!rows.contains(document.activeElement)) rows.replaceChildren(parsed.content);
}

// The first host turns the page without hosts into the page with one.
async function awaitFirst() {
  const response = await fetch(empty.dataset.await);
  if (response.ok && (await response.text()).includes("<tr")) location.reload();
}

async function refresh() {
  const jobs = charts.map((chart) => chart.refresh());
  if (rows) jobs.push(refreshRows());
  if (empty) jobs.push(awaitFirst());
  // A server that is away for a moment is asked again with the next turn.
  await Promise.allSettled(jobs);
}

async function run() {
  for (;;) {
    await new Promise((wake) => setTimeout(wake, INTERVAL));
    if (!document.hidden) await refresh();
  }
}

await Promise.allSettled(charts.map((chart) => chart.refresh()));
run();
