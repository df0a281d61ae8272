// What the pages do beyond what the server rendered: charts, fresh numbers, keys.
import { Live, refetch } from "./live.js";
import { keep, kept } from "./memory.js";
import { Panels } from "./panels.js";
import { updateRows } from "./table.js";

const body = () => document.querySelector("[data-rows]");
const report = document.querySelector("[data-report]");
const place = document.querySelector("[data-panels]");
const panels = place && new Panels(place);
const filter = document.getElementById("filter");
const isEmpty = document.querySelector("[data-await]") !== null;

const live = new Live({
  query() {
    const table = body() || isEmpty ? ["table=1", body()?.dataset.rows.slice(1)] : [];
    const charts = panels?.isLive ? [place.dataset.live, `step=${panels.step}`] : [];
    const reports = report ? [`part=${report.dataset.part}`, location.search.slice(1)] : [];
    return [...table, ...charts, ...reports].filter(Boolean).join("&");
  },
  async refresh() {
    const [page] = await Promise.all([refetch(), panels?.refresh()]);
    if (isEmpty && page?.querySelector("[data-rows]")) location.reload();
  },
  take({ parts, order, rows, charts }) {
    // The first host turns the page without hosts into the page with one.
    if (isEmpty && order) location.reload();
    for (const [name, html] of Object.entries(parts ?? {})) live.replace(name, html);
    if (body()) updateRows(body(), { order, rows });
    if (charts) panels?.extend(charts);
  },
});

// Filtering while one types; the address always says what is shown.
let typed = 0;
filter?.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    const query = new URLSearchParams(new FormData(filter.form));
    if (!query.get("q")) query.delete("q");
    history.replaceState(null, "", query.size ? `${location.pathname}?${query}` : location.pathname);
    live.start();
  }, 200);
});

// Whoever has said a name need not say it again.
addEventListener("focusin", ({ target }) => {
  if (target.name === "by" && !target.value) target.value = kept("name") ?? "";
});
addEventListener("submit", ({ target }) => {
  if (target.elements.by) keep("name", target.elements.by.value);
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

await Promise.allSettled([panels?.refresh()]);
// A stretch with an end does not change.
if (body() || isEmpty || report || panels?.isLive) live.begin();
