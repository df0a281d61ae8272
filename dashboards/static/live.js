// Keeps a page fresh by a stream of server-sent events; where the server refuses one, by asking for
// the page again and again.
const POLL = 5000;
const RETRY = 60000;

// The parts of the page that the server names, as it renders them now; what comes is escaped there.
export async function refetch() {
  const response = await fetch(location.href);
  if (!response.ok) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = page.querySelector(`[data-part=${part.dataset.part}]`);
    if (fresh && !part.contains(document.activeElement)) part.replaceChildren(...fresh.childNodes);
  }
  return page;
}

export class Live {
  // `query` says what is shown, `refresh` fetches all of it, `take` is given what changed.
  constructor({ query, refresh, take }) {
    Object.assign(this, { query, refresh, take, turn: 0 });
  }

  // Goes on from what is there; a page that nobody sees costs nothing.
  begin() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.start()));
    if (!document.hidden) this.follow();
  }

  stop() {
    this.turn += 1;
    this.source?.close();
    clearInterval(this.polling);
    clearTimeout(this.retrying);
  }

  // A part of the page as the server renders it now; one in which somebody types or selects
  // waits.
  replace(name, html) {
    const part = document.querySelector(`[data-part=${name}]`);
    if (!part) return;
    const selection = getSelection();
    const isRead = !selection.isCollapsed && part.contains(selection.anchorNode);
    if (part.contains(document.activeElement)) part.addEventListener("focusout", () => this.start(), { once: true });
    else if (!isRead) this.put(part, html);
  }

  // What is unfolded stays so.
  put(part, html) {
    const open = [...part.querySelectorAll("details[open]")].map((details) => details.dataset.keep);
    part.innerHTML = html;
    for (const details of part.querySelectorAll("details")) details.open = open.includes(details.dataset.keep);
  }

  // Fetches everything and goes on from there.
  async start() {
    this.stop();
    const { turn } = this;
    await Promise.allSettled([this.refresh()]);
    if (turn === this.turn && !document.hidden) this.follow();
  }

  follow() {
    const source = new EventSource(`/dashboard/events?${this.query()}`);
    this.source = source;
    let wasOpen = false;
    source.addEventListener("open", () => {
      // What happened while the connection was away is not in the stream.
      if (wasOpen) this.start();
      wasOpen = true;
      document.documentElement.dataset.live = "stream";
    });
    source.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      document.documentElement.dataset.live = "poll";
      this.polling = setInterval(() => Promise.allSettled([this.refresh()]), POLL);
      this.retrying = setTimeout(() => this.start(), RETRY);
    });
  }
}
