// The page: who talks to whom.
import { News } from "./api";
import { Alerts } from "./alerts";
import { AssetView } from "./asset";
import { byId, setText } from "./dom";
import { Fleet } from "./fleet";
import { HealthStrip } from "./health";
import "./style.css";
import type { Alert, FleetItem, Health, Label, Layout, Rows } from "./types";

const kTheme = "anomctl-theme";
const link = byId("link");
const health = new HealthStrip();
const asset = new AssetView();

const alerts = new Alerts({
  onChoose: (name) => fleet.choose(name),
  asset: () => asset.name,
  onNews: () => asset.mark(alerts.newest(asset.name)),
});

const fleet: Fleet = new Fleet((name) => {
  if (name === asset.name) return;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  asset.choose(name);
  asset.state(fleet.get(name));
  alerts.redraw();
  news.restart();
});

function wanted(): string {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function afterFleet(): void {
  const first = fleet.first();
  if (!asset.name && first) fleet.choose(wanted() || first);
  asset.state(fleet.get(asset.name));
  const open = fleet.open();
  document.title = open ? `(${open}) anomctl` : "anomctl";
}

const takers: Record<string, (data: never) => void> = {
  layout: (data: Layout | null) => setText(byId("model"), data ? `judged by ${data.model}` : "no readings yet"),
  whole_fleet: (data: FleetItem[]) => {
    fleet.whole(data);
    afterFleet();
  },
  fleet: (data: FleetItem[]) => {
    fleet.take(data);
    afterFleet();
  },
  rows: (data: { asset: string; rows: Rows }) => asset.take(data.asset, data.rows),
  alert: (data: Alert) => alerts.take(data),
  label: (data: Label) => alerts.label(data),
  health: (data: Health | null) => {
    if (data) health.show(data);
  },
};

const news = new News({
  path: () => `/api/events${asset.name ? `?asset=${encodeURIComponent(asset.name)}` : ""}`,
  onOpen: () => {
    setText(link, "● live");
    link.dataset.state = "live";
    // From here on nothing is missed: what was before is asked for now.
    void asset.load();
    void alerts.load();
  },
  onEvent: (name, data) => takers[name]?.(data as never),
  onLost: (why) => {
    setText(link, "○ connection lost, trying again");
    link.dataset.state = "lost";
    link.title = why;
  },
});

function theme(dark: boolean): void {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  setText(byId("theme"), dark ? "Light" : "Dark");
  asset.redraw();
}
const chosen = localStorage.getItem(kTheme);
theme(chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
byId("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme !== "dark";
  localStorage.setItem(kTheme, dark ? "dark" : "light");
  theme(dark);
});
addEventListener("hashchange", () => {
  if (wanted() && wanted() !== asset.name) fleet.choose(wanted());
});
