// All assets by state: a list of which only what can be seen is in the page, so that thousands stay light.
import { byId, el, figure, setText } from "./dom";
import { kStates, look, shown } from "./states";
import type { FleetItem } from "./types";

const kRow = 44; // pixels, as in the style sheet

export class Fleet {
  private readonly assets = new Map<string, FleetItem>();
  private order: string[] = [];
  private state = ""; // only this one
  private active = ""; // where the keyboard is
  chosen = "";
  private waiting = false;
  private stale = true; // the order
  private readonly list = byId("list");
  private readonly sheet = el("div", "sheet");
  private readonly filter = byId<HTMLInputElement>("filter");
  private readonly chips = new Map<string, HTMLButtonElement>();
  private readonly rows: HTMLElement[] = [];

  constructor(private readonly onChoose: (asset: string) => void) {
    this.list.append(this.sheet);
    this.list.addEventListener("scroll", () => this.draw());
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("focus", () => this.draw());
    this.list.addEventListener("blur", () => this.draw());
    this.filter.addEventListener("input", () => this.changed(true));
    this.filter.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        this.list.focus();
        this.move(0);
        if (event.key === "Enter") this.choose(this.active);
      }
    });
    document.addEventListener("keydown", (event) => {
      const inText = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
      if (event.key !== "/" || inText) return;
      event.preventDefault();
      this.filter.focus();
    });
    for (const state of ["", ...kStates]) {
      const chip = el("button");
      chip.type = "button";
      chip.dataset.state = state;
      chip.addEventListener("click", () => {
        this.state = state;
        this.changed(true);
      });
      this.chips.set(state, chip);
      byId("states").append(chip);
    }
    new ResizeObserver(() => this.draw()).observe(this.list);
    this.changed(true);
  }

  whole(items: FleetItem[]): void {
    this.assets.clear();
    this.take(items);
  }

  take(items: FleetItem[]): void {
    let moved = this.assets.size === 0;
    for (const item of items) {
      const before = this.assets.get(item[0]);
      moved ||= !before || shown(before[1]) !== shown(item[1]);
      this.assets.set(item[0], item);
    }
    this.changed(moved);
  }

  get(asset: string): FleetItem | undefined {
    return this.assets.get(asset);
  }

  first(): string | undefined {
    if (this.stale) this.sort();
    return this.order[0];
  }

  open(): number {
    let n = 0;
    for (const item of this.assets.values()) if (item[1] === "open") ++n;
    return n;
  }

  private changed(order: boolean): void {
    this.stale ||= order;
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.stale) this.sort();
      this.draw();
    });
  }

  private sort(): void {
    this.stale = false;
    const wanted = this.filter.value.trim().toLowerCase();
    const counts = new Map<string, number>();
    const found: FleetItem[] = [];
    for (const item of this.assets.values()) {
      const state = shown(item[1]);
      counts.set(state, (counts.get(state) ?? 0) + 1);
      if (this.state && state !== this.state) continue;
      if (wanted && !item[0].toLowerCase().includes(wanted)) continue;
      found.push(item);
    }
    const names = new Intl.Collator("en", { numeric: true });
    found.sort((a, b) => look(a[1]).rank - look(b[1]).rank || names.compare(a[0], b[0]));
    this.order = found.map((item) => item[0]);
    setText(byId("fleet-count"), found.length === this.assets.size ? `${found.length}` : `${found.length} of ${this.assets.size}`);
    for (const [state, chip] of this.chips) {
      const n = state ? counts.get(state) ?? 0 : this.assets.size;
      setText(chip, state ? `${look(state).mark} ${look(state).name} ${n}` : `all ${n}`);
      chip.hidden = state !== "" && n === 0 && this.state !== state;
      chip.setAttribute("aria-pressed", String(this.state === state));
    }
  }

  private draw(): void {
    this.sheet.style.height = `${this.order.length * kRow}px`;
    const first = Math.max(0, Math.floor(this.list.scrollTop / kRow) - 2);
    const n = Math.min(this.order.length - first, Math.ceil(this.list.clientHeight / kRow) + 5);
    while (this.rows.length < n) this.rows.push(this.makeRow());
    const focused = document.activeElement === this.list;
    let activeId = "";
    this.rows.forEach((row, i) => {
      const name = i < n ? this.order[first + i] : undefined;
      const item = name === undefined ? undefined : this.assets.get(name);
      row.hidden = !item;
      if (!item) return;
      row.style.transform = `translateY(${(first + i) * kRow}px)`;
      row.setAttribute("aria-posinset", String(first + i + 1));
      row.setAttribute("aria-setsize", String(this.order.length));
      row.classList.toggle("active", focused && item[0] === this.active);
      if (item[0] === this.active) activeId = row.id;
      this.fill(row, item);
    });
    if (activeId) this.list.setAttribute("aria-activedescendant", activeId);
    else this.list.removeAttribute("aria-activedescendant");
  }

  private makeRow(): HTMLElement {
    const row = el("div", "asset", "", el("i", "mark"), el("b"), el("span", "state"), el("span", "sensor"),
      el("span", "meter", "", el("i")), el("span", "score"));
    row.setAttribute("role", "option");
    row.id = `asset-${this.rows.length}`;
    row.addEventListener("click", () => {
      const name = row.dataset.name;
      if (name !== undefined) this.choose(name);
    });
    this.sheet.append(row);
    return row;
  }

  private fill(row: HTMLElement, item: FleetItem): void {
    const [name, state, score, limit, , sensor] = item;
    const seen = look(state);
    row.dataset.name = name;
    row.dataset.state = shown(state);
    row.title = name;
    row.setAttribute("aria-selected", String(name === this.chosen));
    const [mark, title, what, cause, meter, value] = row.children as unknown as HTMLElement[];
    setText(mark!, seen.mark);
    setText(title!, name);
    setText(what!, seen.name);
    setText(cause!, state === "open" ? sensor : "");
    const share = score !== null && limit !== null && limit > 0 ? Math.min(1.5, Math.max(0, score / limit)) : 0;
    (meter!.firstElementChild as HTMLElement).style.width = `${(share / 1.5) * 100}%`;
    setText(value!, score === null ? "" : `${figure(score, 3)} / ${figure(limit, 3)}`);
  }

  private key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.list.clientHeight / kRow) - 1);
    const steps: Record<string, number> = {
      ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.order.length, End: this.order.length,
    };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      this.move(step);
    } else if ((event.key === "Enter" || event.key === " ") && this.active) {
      event.preventDefault();
      this.choose(this.active);
    }
  }

  private move(step: number): void {
    if (this.stale) this.sort();
    if (this.order.length === 0) return;
    const at = this.order.indexOf(this.active);
    const next = at < 0 ? 0 : Math.min(this.order.length - 1, Math.max(0, at + step));
    this.active = this.order[next]!;
    const top = next * kRow;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    if (top + kRow > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = top + kRow - this.list.clientHeight;
    this.draw();
  }

  choose(asset: string): void {
    this.active = this.chosen = asset;
    this.draw();
    this.onChoose(asset);
  }
}
