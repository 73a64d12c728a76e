// One asset: its score against the limit, and every sensor with what was expected of it.
import type uPlot from "uplot";
import { get } from "./api";
import { colour, makeChart, spreadOf, type Span } from "./charts";
import { byId, clock, el, figure, setText } from "./dom";
import { look, shown } from "./states";
import type { Alert, FleetItem, Layout, Rows } from "./types";

const kSpans: [number, string][] = [[120, "2 minutes"], [600, "10 minutes"], [1800, "30 minutes"], [7200, "2 hours"]];
const kMostRows = 7200;

interface SensorView {
  figure: HTMLElement;
  now: HTMLElement;
  tag: HTMLElement;
  chart: uPlot;
  band: { centre: number; spread: number } | null;
}

function emptyRows(columns: number): Rows {
  const lists = (): (number | null)[][] => Array.from({ length: columns }, () => []);
  return { times: [], score: [], limit: [], state: [], values: lists(), expected: lists() };
}

// Rows that are newer than those there are; at most `most` stay.
export function append(rows: Rows, more: Rows, most: number): void {
  const last = rows.times[rows.times.length - 1] ?? -Infinity;
  const from = more.times.findIndex((time) => time > last);
  if (from < 0) return;
  const add = <T>(list: T[], items: T[]): void => {
    list.push(...items.slice(from));
    if (list.length > most) list.splice(0, list.length - most);
  };
  add(rows.score, more.score);
  add(rows.limit, more.limit);
  add(rows.state, more.state);
  rows.values.forEach((list, i) => add(list, more.values[i] ?? []));
  rows.expected.forEach((list, i) => add(list, more.expected[i] ?? []));
  add(rows.times, more.times);
}

export function spansOf(state: string[]): Span[] {
  const kinds: Record<string, string> = { open: "alert", closed: "alert", sensor_fault: "fault", muted: "quiet", idle: "quiet", no_data: "quiet", warmup: "quiet" };
  const spans: Span[] = [];
  state.forEach((name, i) => {
    const kind = kinds[name];
    const last = spans[spans.length - 1];
    if (!kind) return;
    if (last && last.kind === kind && last.to === i - 1) last.to = i;
    else spans.push({ from: i, to: i, kind });
  });
  return spans;
}

function named(name: string): HTMLElement {
  const node = el("span", "name", name);
  node.title = name;
  return node;
}

export class AssetView {
  name = "";
  private layout: Layout | null = null;
  private rows = emptyRows(0);
  private waiting: Rows[] = []; // came before the history
  private loaded = false;
  private loading = new AbortController();
  private spans: Span[] = [];
  private score: uPlot | null = null;
  private sensors: SensorView[] = [];
  private fitted = 0;
  private causes = new Set<string>();
  private readonly span = byId<HTMLSelectElement>("span");

  constructor() {
    for (const [s, text] of kSpans) {
      const option = el("option", "", text);
      option.value = String(s);
      this.span.append(option);
    }
    this.span.value = "600";
    this.span.addEventListener("change", () => void this.load());
    let width = 0;
    new ResizeObserver(() => {
      const now = byId("asset").clientWidth;
      if (now === width) return;
      width = now;
      this.resize();
    }).observe(byId("asset"));
  }

  // Its history is loaded when its news come.
  choose(name: string): void {
    this.name = name;
    this.loaded = false;
    this.waiting = [];
    setText(byId("asset-name"), name);
  }

  // Colours have changed.
  redraw(): void {
    this.build();
  }

  // Also after a connection that was lost.
  async load(): Promise<void> {
    this.loading.abort();
    this.loading = new AbortController();
    this.loaded = false;
    if (!this.name) return;
    const seconds = Number(this.span.value);
    const rows = Math.min(kMostRows, Math.ceil(seconds / (this.layout?.period_s || 1)));
    try {
      const answer = await get<{ layout: Layout; rows: Rows }>(
        `/api/history?asset=${encodeURIComponent(this.name)}&rows=${rows}`, this.loading.signal);
      this.layout = answer.layout;
      this.rows = answer.rows;
      for (const more of this.waiting) append(this.rows, more, kMostRows);
      this.waiting = [];
      this.loaded = true;
      setText(byId("asset-words"), this.rows.times.length ? "" : "No rows of this asset yet.");
      this.build();
    } catch (error) {
      if (!(error instanceof DOMException)) setText(byId("asset-words"), `History: ${(error as Error).message}`);
    }
  }

  take(asset: string, more: Rows): void {
    if (asset !== this.name) return;
    if (!this.loaded) {
      this.waiting.push(more);
      return;
    }
    const last = this.rows.times.at(-1) ?? 0, newest = more.times.at(-1) ?? last;
    const setBack = newest < last - 60_000 * Math.max(1, this.layout?.period_s ?? 1);
    if (setBack || this.sensors.length === 0 || this.rows.values.length !== more.values.length) {
      void this.load();
      return;
    }
    const most = Math.min(kMostRows, Math.ceil(Number(this.span.value) / (this.layout?.period_s || 1)));
    append(this.rows, more, most);
    this.update();
  }

  // Which sensors the newest alert of this asset names, if it is open.
  mark(alert: Alert | undefined): void {
    this.causes = new Set();
    if (alert?.state === "open")
      for (const i of [1, 2, 3]) if (alert[`top${i}`] !== undefined) this.causes.add(String(alert[`top${i}`]));
    this.showCauses();
  }

  state(item: FleetItem | undefined): void {
    const tag = byId("asset-state");
    tag.hidden = !item;
    if (!item) return;
    const seen = look(item[1]);
    tag.dataset.state = shown(item[1]);
    setText(tag, `${seen.mark} ${seen.name}`);
    if (this.loaded && this.rows.times.length) setText(byId("asset-words"), `last row ${clock(item[4])} UTC`);
  }

  private build(): void {
    this.score?.destroy();
    for (const sensor of this.sensors) sensor.chart.destroy();
    byId("sensors").replaceChildren();
    this.score = null;
    this.sensors = [];
    const any = this.rows.times.length > 0;
    byId("key").hidden = byId("score").hidden = !any;
    if (!any || !this.layout) return;
    const spans = (): Span[] => this.spans;
    this.score = makeChart({
      into: byId("score").querySelector("div")!, height: 170, spans, fromZero: true,
      series: [{ stroke: colour("actual"), width: 1.5 }, { stroke: colour("limit"), width: 1.5, dash: [6, 4] }],
    });
    this.layout.columns.forEach((column) => {
      const now = el("b"), tag = el("span", "cause", "▲ cause"), box = el("div");
      tag.hidden = true;
      const unit = column.unit ? ` ${column.unit}` : "";
      const view = el("figure", "", "", el("figcaption", "", "", named(column.name), el("span", "soft", unit), tag, now), box);
      byId("sensors").append(view);
      const chart = makeChart({
        into: box, height: 118, spans,
        series: [
          { stroke: "transparent", width: 0 }, { stroke: "transparent", width: 0 },
          { stroke: colour("expected"), width: 1.2, dash: [3, 3] }, { stroke: colour("actual"), width: 1.4 },
        ],
        bands: [{ series: [1, 2], fill: colour("band") }],
      });
      this.sensors.push({ figure: view, now, tag, chart, band: null });
    });
    this.fitted = 0;
    this.update();
    this.showCauses();
  }

  private update(): void {
    const { times, score, limit, state, values, expected } = this.rows;
    const seconds = times.map((ms) => ms / 1000);
    this.spans = spansOf(state);
    const last = times.length - 1;
    this.score?.setData([seconds, score, limit] as uPlot.AlignedData);
    setText(byId("score-now"), `${figure(score[last])} of ${figure(limit[last])}`);
    const fit = performance.now() - this.fitted > 5000;
    if (fit) this.fitted = performance.now();
    this.sensors.forEach((sensor, i) => {
      const actual = values[i]!, wanted = expected[i]!;
      if (fit) sensor.band = spreadOf(actual, wanted, state);
      const band = sensor.band;
      const edge = (side: number): (number | null)[] =>
        wanted.map((e) => (e === null || !band ? null : e + band.centre + side * 3 * band.spread));
      sensor.chart.setData([seconds, edge(1), edge(-1), wanted, actual] as uPlot.AlignedData);
      const e = wanted[last];
      setText(sensor.now, e === null || e === undefined ? figure(actual[last]) : `${figure(actual[last])}, exp. ${figure(e)}`);
    });
  }

  private showCauses(): void {
    this.layout?.columns.forEach((column, i) => {
      const sensor = this.sensors[i];
      if (!sensor) return;
      sensor.tag.hidden = !this.causes.has(column.name);
      sensor.figure.classList.toggle("named", this.causes.has(column.name));
    });
  }

  private resize(): void {
    const fit = (chart: uPlot): void => {
      const box = chart.root.parentElement;
      if (box && box.clientWidth) chart.setSize({ width: box.clientWidth, height: chart.height });
    };
    if (this.score) fit(this.score);
    for (const sensor of this.sensors) fit(sensor.chart);
  }
}
