// The states of an asset, the most urgent first: what they are called and how they are marked (never by colour alone).

export interface StateLook {
  name: string; // on the page
  mark: string;
  rank: number;
}

const kLooks: Record<string, StateLook> = {
  open: { name: "alert", mark: "▲", rank: 0 },
  sensor_fault: { name: "sensor fault", mark: "◆", rank: 1 },
  no_data: { name: "no data", mark: "○", rank: 2 },
  muted: { name: "maintenance", mark: "‖", rank: 3 },
  warmup: { name: "warm-up", mark: "…", rank: 4 },
  idle: { name: "idle", mark: "–", rank: 5 },
  normal: { name: "normal", mark: "●", rank: 6 },
};

// An alert that has just ended is normal again.
export function shown(state: string): string {
  return state === "closed" ? "normal" : state;
}

export function look(state: string): StateLook {
  return kLooks[shown(state)] ?? { name: state, mark: "?", rank: 7 };
}

export const kStates = Object.keys(kLooks);
