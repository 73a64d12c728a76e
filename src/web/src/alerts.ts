// Alerts with their causes and reason, and what people say of them.
import { get, post } from "./api";
import { button, byId, clock, el, figure, lasting, setText, stamp, tell } from "./dom";
import type { Alert, Episode, Label } from "./types";

const kKinds: Record<string, string> = { anomaly: "▲ anomaly", sensor_fault: "◆ sensor fault", no_data: "○ no data" };
const kMost = 400;

interface Card {
  root: HTMLElement;
  head: HTMLElement;
  when: HTMLElement;
  reason: HTMLElement;
  causes: HTMLElement;
  said: HTMLElement;
  acknowledge: HTMLButtonElement;
  right: HTMLButtonElement;
  wrong: HTMLButtonElement;
}

function judgement(labels: Label[]): string {
  return labels.filter((label) => label.kind === "true" || label.kind === "false" || label.kind === "none").at(-1)?.kind ?? "none";
}

export interface AlertParts {
  onChoose: (asset: string) => void;
  asset: () => string;
  onNews: () => void;
}

export class Alerts {
  private readonly episodes = new Map<string, Episode>();
  private readonly cards = new Map<string, Card>();
  private onlyOne = false;
  private onlyUnjudged = false;
  private waiting = false;
  private readonly list = byId("alert-list");

  constructor(private readonly parts: AlertParts) {
    const all = byId("alerts-all"), one = byId("alerts-one"), unjudged = byId("alerts-unjudged");
    const press = (): void => {
      all.setAttribute("aria-pressed", String(!this.onlyOne));
      one.setAttribute("aria-pressed", String(this.onlyOne));
      unjudged.setAttribute("aria-pressed", String(this.onlyUnjudged));
      this.draw();
    };
    all.addEventListener("click", () => { this.onlyOne = false; press(); });
    one.addEventListener("click", () => { this.onlyOne = true; press(); });
    unjudged.addEventListener("click", () => { this.onlyUnjudged = !this.onlyUnjudged; press(); });
    byId("older").addEventListener("click", () => void this.load(true));
  }

  async load(older = false): Promise<void> {
    const last = older ? this.sorted().at(-1)?.alert.start : undefined;
    const before = last ? `&before=${encodeURIComponent(last)}` : "";
    try {
      const { episodes } = await get<{ episodes: Episode[] }>(`/api/episodes?limit=100${before}`);
      for (const episode of episodes) this.episodes.set(episode.alert.id, episode);
      byId("older").hidden = episodes.length < 100 || this.episodes.size >= kMost;
      this.draw();
    } catch (error) {
      tell(`Alerts could not be read: ${(error as Error).message}`);
    }
  }

  take(alert: Alert): void {
    const known = this.episodes.get(alert.id);
    this.episodes.set(alert.id, { alert, labels: known?.labels ?? [] });
    if (this.episodes.size > kMost) {
      const oldest = this.sorted().at(-1);
      if (oldest) this.episodes.delete(oldest.alert.id);
    }
    if (!known && alert.state === "open") setText(byId("heard"), `Alert of ${alert.asset}: ${alert.reason}`);
    this.soon();
  }

  label(label: Label): void {
    const known = this.episodes.get(label.episode);
    if (!known || known.labels.some((l) => l.time === label.time && l.kind === label.kind)) return;
    known.labels.push(label);
    this.soon();
  }

  // The newest of an asset.
  newest(asset: string): Alert | undefined {
    return this.sorted().find((episode) => episode.alert.asset === asset && episode.alert.kind !== "no_data")?.alert;
  }

  redraw(): void {
    this.soon();
  }

  private sorted(): Episode[] {
    return [...this.episodes.values()].sort((a, b) => (a.alert.start < b.alert.start ? 1 : a.alert.start > b.alert.start ? -1 : 0));
  }

  private soon(): void {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  private draw(): void {
    const asset = this.parts.asset();
    const shown = this.sorted().filter(({ alert, labels }) =>
      (!this.onlyOne || alert.asset === asset) && (!this.onlyUnjudged || judgement(labels) === "none"));
    const open = [...this.episodes.values()].filter(({ alert }) => alert.state === "open").length;
    setText(byId("alerts-title"), `Alerts: ${open} open`);
    for (const [id, card] of this.cards)
      if (!shown.some(({ alert }) => alert.id === id)) {
        card.root.remove();
        this.cards.delete(id);
      }
    let before: Element | null = null;
    for (const episode of shown) {
      let card = this.cards.get(episode.alert.id);
      if (!card) this.cards.set(episode.alert.id, (card = this.makeCard(episode.alert)));
      this.fill(card, episode);
      // Only what is not in its place is moved, so that the keyboard's place stays.
      const place: Element | null = before ? before.nextElementSibling : this.list.firstElementChild;
      if (place !== card.root) this.list.insertBefore(card.root, place);
      before = card.root;
    }
    this.list.querySelector(".none")?.remove();
    if (shown.length === 0) this.list.append(el("p", "none soft", this.episodes.size ? "No alert fits." : "No alerts."));
    this.parts.onNews();
  }

  private makeCard(alert: Alert): Card {
    const id = alert.id;
    const say = (kind: Label["kind"]): void => void this.say(id, kind, "").catch(() => undefined);
    const card: Card = {
      root: el("article", "alert"), head: el("span", "tag"), when: el("span", "soft"), reason: el("p", "reason"),
      causes: el("div", "causes"), said: el("div", "said soft"),
      acknowledge: button("Acknowledge", () => say("acknowledged")),
      right: button("True", () => say(card.right.getAttribute("aria-pressed") === "true" ? "none" : "true"), "true"),
      wrong: button("False", () => say(card.wrong.getAttribute("aria-pressed") === "true" ? "none" : "false"), "false"),
    };
    card.root.dataset.id = id;
    card.root.setAttribute("aria-label", `Alert of ${alert.asset}, ${stamp(alert.start)}`);
    card.right.title = "It was a real anomaly";
    card.wrong.title = "It was a false alarm";
    const asset = button(alert.asset, () => this.parts.onChoose(alert.asset), "link");
    const comment = button("Comment", () => this.openComment(card, id));
    const judge = el("div", "chips", "", card.acknowledge, card.right, card.wrong, comment);
    card.root.append(el("div", "row", "", card.head, asset, card.when), card.reason, card.causes, judge, card.said);
    return card;
  }

  private openComment(card: Card, id: string): void {
    if (card.root.querySelector("form")) return;
    const form = el("form", "comment"), text = el("textarea");
    text.rows = 2;
    text.maxLength = 1900;
    text.setAttribute("aria-label", "Comment");
    const save = el("button", "", "Save");
    form.append(text, el("div", "chips", "", save, button("Cancel", () => form.remove())));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (text.value.trim()) void this.say(id, "comment", text.value.trim()).then(() => form.remove(), () => undefined);
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") form.remove();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    card.root.insertBefore(form, card.said);
    text.focus();
  }

  private async say(episode: string, kind: Label["kind"], comment: string): Promise<void> {
    try {
      this.label(await post<Label>("/api/labels", { episode, kind, comment }));
      tell("Saved.");
    } catch (error) {
      tell(`Not saved: ${(error as Error).message}`);
      throw error;
    }
  }

  private fill(card: Card, { alert, labels }: Episode): void {
    const kind = (kKinds[alert.kind] ?? alert.kind) + (alert.fault ? `: ${alert.fault.replace(/_/g, " ")}` : "");
    const open = alert.state === "open";
    setText(card.head, `${kind}, ${open ? "open" : "over"}`);
    card.root.dataset.state = open ? (alert.kind === "anomaly" ? "open" : alert.kind) : "over";
    const from = Date.parse(alert.start), to = Date.parse(alert.end);
    setText(card.when, open ? `since ${stamp(alert.start)}` : `${stamp(alert.start)}, ${lasting(from, to)}`);
    setText(card.reason, alert.reason);
    this.fillCauses(card.causes, alert);
    const judged = judgement(labels);
    card.right.setAttribute("aria-pressed", String(judged === "true"));
    card.wrong.setAttribute("aria-pressed", String(judged === "false"));
    const seen = labels.some((label) => label.kind === "acknowledged");
    card.acknowledge.setAttribute("aria-pressed", String(seen));
    setText(card.acknowledge, seen ? "Acknowledged" : "Acknowledge");
    const lines = labels.filter((label) => label.kind !== "none").map((label) => {
      const what = label.kind === "comment" ? `“${label.comment}”` : label.kind === "acknowledged" ? "acknowledged" : `said ${label.kind}`;
      return `${label.author}, ${clock(label.time)}: ${what}`;
    });
    if (card.said.dataset.lines !== String(lines.length) || lines.length > 0) {
      card.said.dataset.lines = String(lines.length);
      card.said.replaceChildren(...lines.map((line) => el("p", "", line)));
    }
  }

  private fillCauses(into: HTMLElement, alert: Alert): void {
    const key = JSON.stringify([alert.top1, alert.top1_share, alert.top2_share, alert.top1_actual, alert.peak]);
    if (into.dataset.key === key) return;
    into.dataset.key = key;
    const lines: HTMLElement[] = [];
    for (const i of [1, 2, 3]) {
      const sensor = alert[`top${i}`];
      if (sensor === undefined) continue;
      const share = Number(alert[`top${i}_share`] ?? 0);
      const unit = String(alert[`top${i}_unit`] ?? "");
      const bar = el("i");
      bar.style.setProperty("--share", `${Math.round(100 * share)}%`);
      const actual = alert[`top${i}_actual`], expected = alert[`top${i}_expected`];
      const words = actual === undefined ? "" :
        `${figure(Number(actual))} ${unit}${expected === undefined ? "" : `, expected ${figure(Number(expected))} ${unit}`}`;
      lines.push(el("div", "causeline", "", el("b", "", String(sensor)), bar, el("span", "soft", `${Math.round(100 * share)} %`), el("span", "soft", words)));
    }
    if (alert.peak !== undefined && alert.kind === "anomaly")
      lines.push(el("p", "soft", `peak ${figure(alert.peak)} at a limit of ${figure(alert.threshold)}, ${alert.rows} ${alert.rows === 1 ? "row" : "rows"}`));
    into.replaceChildren(...lines);
  }
}
