// How the pipeline itself does.
import { byId, el, figure, setText } from "./dom";
import type { Health } from "./types";

interface Tile {
  box: HTMLElement;
  value: HTMLElement;
  note: HTMLElement;
}

export class HealthStrip {
  private readonly tiles = new Map<string, Tile>();

  show(health: Health): void {
    this.tile("Broker", health.connected ? "connected" : "away", health.client_id, !health.connected);
    this.tile("Readings", `${figure(health.readings_a_second, 3)} /s`,
      health.unreadable ? `${health.unreadable} unreadable` : "all understood", health.unreadable > 0);
    this.tile("Verdicts", `${figure(health.verdicts_a_second, 3)} /s`,
      health.late ? `${health.late} readings came too late` : "none too late");
    this.tile("Delay", `${figure(health.delay_ms, 2)} ms`, `99 of 100 within ${figure(health.delay_p99_ms, 2)} ms`,
      health.delay_p99_ms > 1000);
    this.tile("Queue", String(health.waiting), `${health.unacknowledged} verdicts on their way`, health.waiting > 2000);
    this.tile("Dropped", String(health.dropped), health.missing ? `${health.missing} rows missing` : "none missing",
      health.dropped + health.missing > 0);
    const kept = health.store_trouble || (health.not_stored ? `${health.not_stored} rows not kept` : `${health.store_waiting} rows wait`);
    this.tile("History", `${health.stored} rows`, kept, health.store_trouble !== "" || health.not_stored > 0);
    if (health.trouble || this.tiles.has("Trouble"))
      this.tile("Trouble", health.trouble ? "not storing" : "over", health.trouble, health.trouble !== "");
  }

  private tile(name: string, value: string, note: string, bad = false): void {
    let tile = this.tiles.get(name);
    if (!tile) {
      const made = { box: el("div", "tile"), value: el("b"), note: el("span", "soft") };
      made.box.append(el("span", "soft", name), made.value, made.note);
      byId("health").append(made.box);
      this.tiles.set(name, (tile = made));
    }
    setText(tile.value, bad ? `! ${value}` : value);
    setText(tile.note, note);
    tile.box.classList.toggle("bad", bad);
  }
}
