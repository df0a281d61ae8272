// When alerts fired, on a chart: a tint behind the lines, and a ribbon with the name at the top.
const LANES = 3;
const RIBBON = 14;

// Every name has a lane of its own as long as there are some; what goes on ends with the chart.
export function lanes(alerts, end) {
  const names = [...new Set(alerts.map((alert) => alert.name))];
  return alerts.map((alert) => ({ ...alert, to: alert.to ?? end, lane: names.indexOf(alert.name) }));
}

// In pixels of the canvas, within the chart; at least two wide.
function stretch(plot, { from, to }) {
  const { left, width } = plot.bbox;
  const at = (time) => Math.min(left + width, Math.max(left, plot.valToPos(time, "x", true)));
  const begin = Math.min(at(from), left + width - 2);
  return [begin, Math.max(2, at(to) - begin)];
}

export function tint(plot, alerts, colour) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.globalAlpha = 0.12;
  for (const alert of alerts) {
    ctx.fillStyle = colour(alert.severity);
    const [left, width] = stretch(plot, alert);
    ctx.fillRect(left, bbox.top, width, bbox.height);
  }
  ctx.restore();
}

export function ribbons(plot, alerts, colour, back) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.textBaseline = "middle";
  for (const alert of alerts.filter((one) => one.lane < LANES)) {
    const [left, width] = stretch(plot, alert);
    const height = (RIBBON - 1) * scale;
    const top = bbox.top + alert.lane * RIBBON * scale;
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.fillStyle = colour(alert.severity);
    ctx.fill();
    if (width < 30 * scale) continue;
    ctx.save();
    ctx.clip();
    ctx.fillStyle = back;
    ctx.textAlign = "left";
    ctx.fillText(alert.name, left + 4 * scale, top + height / 2);
    ctx.restore();
  }
  ctx.restore();
}
