// What the server says.

export interface Layout {
  columns: { name: string; unit: string }[];
  model: string;
  period_s: number;
}

export interface Rows {
  times: number[]; // ms
  score: (number | null)[];
  limit: (number | null)[];
  state: string[];
  values: (number | null)[][]; // a list a column
  expected: (number | null)[][];
}

// name, state, score, limit, ms, the first sensor
export type FleetItem = [string, string, number | null, number | null, number, string];

export interface Alert {
  id: string;
  kind: string;
  fault?: string;
  asset: string;
  state: string;
  start: string;
  end: string;
  peak?: number;
  threshold?: number;
  rows: number;
  reason: string;
  model: string;
  [key: `top${number}${string}`]: string | number | undefined;
}

export interface Label {
  episode: string;
  asset: string;
  kind: "true" | "false" | "none" | "acknowledged" | "comment";
  comment: string;
  author: string;
  time: number;
}

export interface Episode {
  alert: Alert;
  labels: Label[];
}

export interface Health {
  connected: boolean;
  client_id: string;
  model: string;
  readings_a_second: number;
  verdicts_a_second: number;
  delay_ms: number;
  delay_p99_ms: number;
  waiting: number;
  unacknowledged: number;
  dropped: number;
  missing: number;
  unreadable: number;
  late: number;
  not_notified: number;
  trouble: string;
  stored: number;
  store_waiting: number;
  not_stored: number;
  store_trouble: string;
}
