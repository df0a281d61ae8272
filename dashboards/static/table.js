// The rows of the overview's table, brought up to date cell by cell, so that what is focused or
// selected stays.
function parsed(html) {
  // It comes from the same template as the page, escaped by the server.
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector("tr");
}

// A cell as it is now. Whoever has the focus keeps it, on the link that says the same as before.
function replaceContent(cell, fresh) {
  const focused = cell.contains(document.activeElement) ? document.activeElement : null;
  cell.replaceChildren(...fresh.childNodes);
  const same = focused && [...cell.querySelectorAll("a")].find((link) => link.isEqualNode(focused));
  same?.focus({ preventScroll: true });
}

export function updateRows(body, { order, rows = {} }) {
  const known = new Map([...body.rows].map((row) => [row.dataset.host, row]));
  for (const [name, html] of Object.entries(rows)) {
    const fresh = parsed(html);
    const row = known.get(name);
    if (!row) {
      known.set(name, fresh);
      continue;
    }
    [...fresh.cells].forEach((cell, at) => {
      if (row.cells[at].innerHTML !== cell.innerHTML) replaceContent(row.cells[at], cell);
    });
  }
  const wanted = (order ?? []).map((name) => known.get(name)).filter(Boolean);
  if (!order || wanted.every((row, at) => row === body.rows[at]) && wanted.length === body.rows.length) return;
  const focused = document.activeElement;
  body.replaceChildren(...wanted);
  if (body.contains(focused)) focused.focus({ preventScroll: true });
}
