// A chart's points, continued: no drawing, no page.
const GAP = 3;
const COLUMNS = ["avg", "min", "max"];

// The usual distance between the last points; a gap's nulls have no say.
function distance(times) {
  const distances = times.slice(-20).map((time, at, all) => time - all[at - 1]).slice(1);
  distances.sort((a, b) => a - b);
  return distances[Math.floor(distances.length / 2)] ?? Infinity;
}

// The points of `panel` from `from` on, those from `since` on replaced by those of `news`.
export function extended(panel, news, from, since) {
  const begin = panel.times.findIndex((time) => time >= from);
  const first = begin < 0 ? panel.times.length : begin;
  const kept = panel.times.findIndex((time) => time >= since);
  const end = Math.max(first, kept < 0 || !news ? panel.times.length : kept);
  const before = panel.times.slice(first, end);
  const times = news?.times ?? [];
  // A silence that was long is not bridged by a line.
  const isGap = before.length > 1 && times.length > 0 && times[0] - before.at(-1) > GAP * distance(before);
  const joint = isGap ? [before.at(-1) + GAP * distance(before)] : [];
  const names = [...new Set([...panel.lines, ...(news?.lines ?? [])].map((line) => line.name))];
  const lines = names.map((name) => {
    const old = panel.lines.find((line) => line.name === name);
    const fresh = news?.lines.find((line) => line.name === name);
    const line = { name, is_limit: (old ?? fresh).is_limit };
    for (const column of COLUMNS) {
      if (!old?.[column] && !fresh?.[column]) continue;
      const part = (of, length) => of?.[column] ?? of?.avg ?? Array(length).fill(null);
      line[column] = [...part(old, panel.times.length).slice(first, end), ...joint.map(() => null), ...part(fresh, times.length)];
    }
    return line;
  });
  return { ...panel, times: [...before, ...joint, ...times], lines };
}
