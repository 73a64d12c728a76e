"use strict";
const D = JSON.parse(document.getElementById("data").textContent), $ = id => document.getElementById(id);
const add = (parent, tag, text, cls) => {
  const e = parent.appendChild(document.createElement(tag));
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
};
const draw = (parent, tag, attributes, text) => {
  const e = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", tag));
  for (const k in attributes) e.setAttribute(k, attributes[k]);
  if (text !== undefined) e.textContent = text;
  return e;
};
const number = v => {
  if (v === null || v === undefined) return "–";
  if (v === 0 || Number.isInteger(v)) return String(v);
  const size = Math.abs(v);
  return size >= 1e6 || size < 1e-4 ? v.toExponential(2) : size >= 1000 ? v.toFixed(1) : String(Number(v.toPrecision(3)));
};
// Both with as many decimals as their difference needs.
const pair = (a, b) => {
  const gap = Math.abs(a - b), digits = gap > 0 ? Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(gap)))) : 3;
  return [a, b].map(v => Math.abs(v) >= 1e9 ? v.toExponential(2) : (Number(v.toFixed(digits)) || 0).toFixed(digits));
};
const unit = u => (u || "").replace(/^deg([CF])$/, "°$1").replace(/m3/g, "m³").replace(/m2/g, "m²");
const pad = n => String(n).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// Rows to instants and back: within a run rows follow one another evenly. D.runs: [first row, last row, first ms, last ms].
const runs = D.runs;
const timed = runs.length > 0 && runs.every((r, i) => r[2] !== null && (i === 0 || r[2] > runs[i - 1][3]));
function time(row) {
  let run = runs[0];
  for (const r of runs) if (r[0] <= row) run = r;
  return run[2] + (run[3] - run[2]) * (row - run[0]) / Math.max(1, run[1] - run[0]);
}
const day = t => { const d = new Date(t); return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()}` };
const clock = (t, seconds) => {
  const d = new Date(t);
  return pad(d.getUTCHours()) + ":" + pad(d.getUTCMinutes()) + (seconds ? ":" + pad(d.getUTCSeconds()) : "");
};
const stamp = row => {
  if (!timed) return `row ${row}`;
  const t = Math.round(time(row) / 1000) * 1000;
  return day(t) + " " + clock(t, true);
};
const spoken = s => s < 120 ? `${Number(s.toPrecision(3))} s` : s < 7200 ? `${Math.round(s / 60)} minutes`
  : s < 172800 ? `${(s / 3600).toFixed(1)} hours` : `${(s / 86400).toFixed(1)} days`;

const nice = rough => {
  const ten = 10 ** Math.floor(Math.log10(rough));
  return ten * [1, 2, 5, 10].find(m => m * ten >= rough * 0.999);
};
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 7 * 86400,
  14 * 86400, 30 * 86400, 91 * 86400, 182 * 86400, 365 * 86400, 1825 * 86400].map(s => s * 1000);
// [row, text] of the marks below a chart with room for `most` of them, and what they count.
function rowTicks(most) {
  const marks = [];
  if (!timed || D.rows < 2) {
    const step = Math.max(1, nice(D.rows / most));
    for (let r = 0; r < D.rows; r += step) marks.push([r, String(r)]);
    return {marks, axis: "row"};
  }
  const begin = time(0), end = time(D.rows - 1), covered = runs.reduce((sum, r) => sum + r[3] - r[2], 0) || 1;
  const step = STEPS.find(s => covered / s <= most) || STEPS[STEPS.length - 1];
  for (const r of runs) {
    if (r[3] === r[2]) continue;
    for (let t = Math.ceil(r[2] / step) * step; t <= r[3]; t += step)
      marks.push([r[0] + (r[1] - r[0]) * (t - r[2]) / (r[3] - r[2]), step >= 864e5 ? day(t) : clock(t, step < 6e4)]);
  }
  return {marks, axis: step >= 864e5 ? "time in UTC" : `time in UTC, ${day(begin) === day(end) ? "" : "from "}${day(begin)}`};
}

const W = Math.max(340, $("score").clientWidth - 26), L = 58, R = 10;
// chart: {height, series: [{lo, hi, color, width}], limit, log, told(row index) -> text, label}
function chart(box, c) {
  const root = draw(box, "svg", {viewBox: `0 0 ${W} ${c.height}`, role: "img", "aria-label": c.label});
  const top = 8, bottom = c.height - 43;
  let lo = Infinity, hi = -Infinity;
  for (const s of c.series) for (let i = 0; i < s.lo.length; i++) if (s.lo[i] !== null) {
    lo = Math.min(lo, s.lo[i]);
    hi = Math.max(hi, s.hi[i]);
  }
  if (c.limit !== undefined) lo = Math.min(lo, c.limit), hi = Math.max(hi, c.limit);
  if (!isFinite(lo)) lo = 0, hi = 1;
  const least = c.limit / 100;  // of a logarithmic axis
  const log = Boolean(c.log);
  const scale = log ? v => Math.log10(Math.max(v, least)) : v => v;
  if (log) lo = Math.max(lo, least);
  let from = scale(lo), to = scale(hi);
  if (to === from) from -= 1, to += 1;
  const margin = (to - from) * 0.06;
  from -= margin;
  to += margin;
  const x = row => L + (W - L - R) * row / Math.max(1, D.rows - 1);
  const y = v => bottom - (bottom - top) * (scale(v) - from) / (to - from);

  for (const e of D.events) {
    draw(root, "rect", {x: x(e.first), y: top, width: Math.max(1.5, x(e.last) - x(e.first)), height: bottom - top,
      fill: "var(--label)", opacity: .33});
  }
  const values = [];
  if (log) {
    for (let p = Math.ceil(from); p <= to; p++) values.push([10 ** p, String(Number((10 ** p).toPrecision(3)))]);
  } else {
    const step = nice((to - from) / (c.height > 180 ? 5 : 3)), digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
    for (let v = Math.ceil(from / step) * step; v <= to; v += step) {
      const even = Math.abs(v) < step / 1e6 ? 0 : v;
      values.push([even, Math.abs(even) >= 1e6 ? even.toExponential(1) : even.toFixed(Math.min(digits, 6))]);
    }
  }
  for (const [v, text] of values) {
    draw(root, "line", {x1: L, x2: W - R, y1: y(v), y2: y(v), stroke: "var(--line)", "stroke-width": .8});
    draw(root, "text", {x: L - 7, y: y(v) + 4, "text-anchor": "end"}, text);
  }
  if (runs.length > 1 && runs.length < 80) {
    for (const r of runs.slice(1)) {
      draw(root, "line", {x1: x(r[0]), x2: x(r[0]), y1: top, y2: bottom, stroke: "var(--soft)", "stroke-width": .7,
        "stroke-dasharray": "2 3"});
    }
  }
  for (const s of c.series) {
    let d = "", open = false;
    for (let i = 0; i < s.lo.length; i++) {
      if (s.lo[i] === null) { open = false; continue }
      const px = x((i + .5) * D.rows / s.lo.length - .5).toFixed(1), a = y(s.lo[i]).toFixed(1), b = y(s.hi[i]).toFixed(1);
      d += (open ? "L" : "M") + px + " " + a + (a === b ? "" : "L" + px + " " + b);
      open = true;
    }
    draw(root, "path", {d, fill: "none", stroke: s.color, "stroke-width": s.width, "stroke-linejoin": "round",
      "stroke-linecap": "round"});
  }
  if (c.limit !== undefined) {
    draw(root, "line", {x1: L, x2: W - R, y1: y(c.limit), y2: y(c.limit), stroke: "var(--limit)", "stroke-width": 1.4,
      "stroke-dasharray": "6 4"});
  }
  for (const e of D.episodes) {
    draw(root, "rect", {x: x(e.first), y: bottom + 3, width: Math.max(2, x(e.last) - x(e.first)), height: 5, rx: 1,
      fill: e.false_alarm ? "var(--limit)" : "var(--found)"});
  }
  const ticks = rowTicks(Math.max(2, Math.floor(W / 130)));
  draw(root, "text", {x: W - R, y: c.height - 4, "text-anchor": "end"}, ticks.axis);
  let free = L;
  for (const [row, text] of ticks.marks) {
    const half = text.length * 3.4, at = x(row);
    if (at - half < free || at + half > W) continue;
    free = at + half + 14;
    draw(root, "line", {x1: at, x2: at, y1: bottom + 9, y2: bottom + 12, stroke: "var(--soft)"});
    draw(root, "text", {x: at, y: bottom + 22, "text-anchor": "middle"}, text);
  }
  // What the pointer is on.
  const line = draw(root, "line", {y1: top, y2: bottom, stroke: "var(--soft)", visibility: "hidden"});
  const told = draw(root, "text", {x: L, y: c.height - 4, class: "told"}, "");
  root.addEventListener("pointermove", event => {
    const frame = root.getBoundingClientRect(), at = (event.clientX - frame.left) * W / frame.width;
    const row = Math.round((at - L) / (W - L - R) * (D.rows - 1));
    const inside = row >= 0 && row < D.rows;
    line.setAttribute("visibility", inside ? "visible" : "hidden");
    if (inside) line.setAttribute("x1", x(row)), line.setAttribute("x2", x(row));
    told.textContent = inside ? `${stamp(row)}: ${c.told(row)}` : "";
  });
  root.addEventListener("pointerleave", () => { line.setAttribute("visibility", "hidden"); told.textContent = "" });
}
const at = (series, row) => {
  const i = Math.min(series.lo.length - 1, Math.floor(row * series.lo.length / D.rows));
  const a = number(series.lo[i]), b = number(series.hi[i]);
  return a === b ? a : `${a} to ${b}`;
};

$("where").textContent = D.where;
$("headline").textContent = D.headline;
$("limit").textContent = `limit ${number(D.limit)}`;
for (const s of D.sentences) add($("words"), "li", s);
for (const c of D.cards) {
  const card = add($("cards"), "div", undefined, "card");
  add(card, "b", c[0]);
  add(card, "span", c[1]);
}
{
  const caption = add($("score"), "figcaption");
  add(caption, "b", "anomaly score");
  add(caption, "i", "no unit; over the limit a row is flagged" + (D.long_tail ? "; logarithmic scale" : ""));
}
chart($("score"), {height: 280, series: [{...D.score, color: "var(--actual)", width: 1.1}], limit: D.limit, log: D.long_tail,
  told: row => `score ${at(D.score, row)}`, label: "score over time with its limit, labelled events and found episodes"});

const length = e => spoken((e.last - e.first + 1) * D.period_s);
for (const e of D.events) {
  const row = add($("events"), "tr");
  add(row, "td", stamp(e.first), "keep");
  add(row, "td", length(e), "keep");
  const words = e.found ? "found" : e.judged ? "missed" : "not scored";
  add(add(row, "td"), "span", words, "tag " + (e.found ? "ok" : "no"));
  const open = D.episodes.some(x => x.first < e.first && x.last >= e.first);
  const delay = open ? "an episode was open already" : e.delay === 0 ? "at its first row"
    : `${spoken(e.delay * D.period_s)} (${e.delay} ${e.delay === 1 ? "row" : "rows"})`;
  add(row, "td", e.found ? delay : "–", "keep");
  add(row, "td", e.cause || "", "wide");
}
if (!D.events.length) $("labelled").remove();
for (const e of D.episodes) {
  const row = add($("episodes"), "tr");
  add(row, "td", stamp(e.first), "keep");
  add(row, "td", length(e), "keep");
  const words = !D.events.length ? "found" : e.false_alarm ? "false alarm" : "labelled";
  add(add(row, "td"), "span", words, "tag " + (e.false_alarm && D.events.length ? "no" : "ok"));
  add(row, "td", number(e.peak), "n");
  const causes = add(row, "td", undefined, "wide");
  for (const c of e.causes) {
    const line = add(causes, "div", undefined, "cause");
    add(line, "b", c.sensor);
    add(line, "i").style.setProperty("--share", Math.round(100 * c.share) + "%");
    add(line, "span", Math.round(100 * c.share) + " %", "n");
    const [actual, expected] = pair(c.actual, c.expected);
    add(line, "span", `${actual}${c.unit ? " " + unit(c.unit) : ""}, expected ${expected}`);
  }
}
if (!D.episodes.length) add(add($("episodes"), "tr"), "td", "No episode was found.").colSpan = 5;
if (D.more_episodes) add(add($("episodes"), "tr"), "td", `and ${D.more_episodes} more`).colSpan = 5;

for (const s of D.sensors) {
  const figure = add($("sensors"), "figure"), caption = add(figure, "figcaption"), u = unit(s.unit);
  add(caption, "b", s.name + (u ? ` in ${u}` : ""));
  add(caption, "i", s.description || "");
  chart(figure, {height: 146, series: [{...s.expected, color: "var(--expected)", width: 4},
    {...s.actual, color: "var(--actual)", width: 1.1}],
    told: row => `actual ${at(s.actual, row)}, expected ${at(s.expected, row)} ${u}`, label: `${s.name}: actual and expected`});
}

const WORDS = {
  rows: "rows judged", scored_rows: "rows with a score: the first ones fill the window",
  anomalous_share: "share of the scored rows that are labelled anomalous", flagged_share: "share of the scored rows over the limit",
  threshold: "the limit", precision: "of the flagged rows, the share that is labelled anomalous",
  recall: "of the labelled rows, the share that is flagged", f1: "precision and recall in one figure (harmonic mean)",
  everything_anomalous_f1: "F1 of calling every row anomalous: what F1 has to beat",
  pr_auc: "area under precision over recall, for all limits; by chance: the anomalous share",
  roc_auc: "how often an anomalous row scores above a normal one; by chance: 0.5",
  best_f1_oracle: "F1 of the limit that these labels would choose: an oracle, not a result",
  best_f1_oracle_threshold: "that limit", events: "labelled events with a score", events_found: "of them, with a flagged row",
  event_recall: "share of the events that were found", delay_rows_mean: "rows from an event's start to its first flagged row, mean",
  delay_rows_median: "the same, median", delay_seconds_mean: "the same in seconds, mean", delay_seconds_median: "in seconds, median",
  episodes: "episodes that were found", false_episodes: "episodes that touch no labelled row",
  false_episodes_per_day: "false episodes for each day of normal operation", normal_days: "days of normal operation judged",
};
if (D.comparison.length === 0) $("compared").remove();
else for (const d of D.comparison) {
  const row = add($("comparison"), "tr", undefined, d.group === "bundle" ? "own" : undefined);
  add(row, "td", d.name);
  for (const k of ["pr_auc", "roc_auc", "vus_pr", "f1", "affiliation_f1", "false_episodes_per_day"]) {
    const half = d[k + "_interval"];
    add(row, "td", number(d[k]) + (half ? " ± " + number(half) : ""), "n");
  }
  add(row, "td", d.delay_seconds_median === null ? "–" : spoken(d.delay_seconds_median), "n");
}
for (const k in D.figures) {
  const row = add($("figures"), "tr");
  add(row, "th", k.replaceAll("_", " "));
  add(row, "td", number(D.figures[k]), "n");
  add(row, "td", WORDS[k] || "", "wide");
}
$("foot").textContent = D.foot;
