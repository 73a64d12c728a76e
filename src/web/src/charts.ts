// Lines over time, drawn by uPlot with the colours of the style sheet.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Span {
  from: number; // index of the first row
  to: number; // and of the last
  kind: string; // colour: --span-KIND
}

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function shade(spans: () => Span[]): (u: uPlot) => void {
  return (u) => {
    const times = u.data[0];
    u.ctx.save();
    for (const span of spans()) {
      u.ctx.fillStyle = colour(`span-${span.kind}`);
      const from = u.valToPos(times[span.from]!, "x", true);
      const to = u.valToPos(times[span.to]!, "x", true);
      u.ctx.fillRect(from, u.bbox.top, Math.max(to - from, 2), u.bbox.height);
    }
    u.ctx.restore();
  };
}

export interface ChartParts {
  into: HTMLElement;
  height: number;
  series: uPlot.Series[];
  bands?: uPlot.Band[];
  spans: () => Span[];
  fromZero?: boolean;
}

export function makeChart(parts: ChartParts): uPlot {
  const soft = colour("soft"), line = colour("line");
  const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
  return new uPlot(
    {
      width: Math.max(120, parts.into.clientWidth),
      height: parts.height,
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC"),
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "asset" }, drag: { x: false, y: false }, points: { size: 5 } },
      axes: [
        { ...axis, space: 70, size: 24, values: (_, splits, __, ___, step) => splits.map((s) => new Date(s * 1000).toISOString().slice(11, step < 60 ? 19 : 16)) },
        { ...axis, size: 52, space: 26, values: (_, splits) => splits.map((v) => String(Number(v.toPrecision(4)))) },
      ],
      scales: {
        x: { time: true },
        y: {
          range: (_, low, high) => {
            if (low === null || high === null) return [0, 1];
            const room = (high - low || Math.abs(high) || 1) * 0.08;
            return [parts.fromZero ? 0 : low - room, high + room];
          },
        },
      },
      series: [{}, ...parts.series],
      ...(parts.bands ? { bands: parts.bands } : {}),
      hooks: { drawClear: [shade(parts.spans)] },
    },
    [[], ...parts.series.map(() => [])] as unknown as uPlot.AlignedData,
    parts.into,
  );
}

// The spread of what normal rows were off: the median of the distances from their median, as of a bell curve.
export function spreadOf(actual: (number | null)[], expected: (number | null)[], state: string[]): { centre: number; spread: number } | null {
  const errors: number[] = [];
  for (let i = 0; i < actual.length; ++i) {
    const a = actual[i], e = expected[i];
    if (state[i] === "normal" && typeof a === "number" && typeof e === "number") errors.push(a - e);
  }
  if (errors.length < 20) return null;
  const middle = (list: number[]): number => list.sort((x, y) => x - y)[list.length >> 1]!;
  const centre = middle(errors);
  return { centre, spread: 1.4826 * middle(errors.map((error) => Math.abs(error - centre))) };
}
