// Keeps the page fresh: the server renders everything, this module only fetches it again.
import { Chart } from "./chart.js";
import { Panels } from "./panels.js";

const INTERVAL = 5000;

const rows = document.querySelector("[data-refresh]");
const empty = document.querySelector("[data-await]");
const charts = [...document.querySelectorAll("[data-series]")].map((figure) => new Chart(figure));
const panels = [...document.querySelectorAll("[data-panels]")].map((section) => new Panels(section));
const filter = document.getElementById("filter");

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

// Filtering while one types; the address always says what is shown.
let typed = 0;
filter?.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(async () => {
    const query = new URLSearchParams(new FormData(filter.form));
    if (!query.get("q")) query.delete("q");
    const search = query.size ? `?${query}` : "";
    history.replaceState(null, "", `${location.pathname}${search}`);
    if (!rows) return;
    rows.dataset.refresh = `/dashboard/rows${search}`;
    await Promise.allSettled([refreshRows()]);
  }, 200);
});

addEventListener("keydown", (event) => {
  const isJump = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
  const isTyping = event.target.matches("input, textarea, select");
  if (!isJump && (event.key !== "/" || isTyping || event.ctrlKey || event.altKey || event.metaKey)) return;
  event.preventDefault();
  if (filter) filter.select();
  else location.assign("/dashboard#filter");
});
if (location.hash === "#filter") filter?.focus();

async function refresh() {
  const jobs = [...charts, ...panels].map((chart) => chart.refresh());
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

await Promise.allSettled([...charts, ...panels].map((chart) => chart.refresh()));
run();
