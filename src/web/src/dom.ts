// Elements from code. Text is only ever set as text: what came over MQTT is never read as HTML.

export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found as T;
}

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K, className = "", text = "", ...children: Node[]): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

export function button(text: string, onClick: () => void, className = ""): HTMLButtonElement {
  const node = el("button", className, text);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

// Touches the page only where something changed.
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

let silent = 0;

// A line for everybody, read out and shown for a while.
export function tell(text: string): void {
  const line = byId("say");
  setText(line, text);
  line.classList.add("shown");
  clearTimeout(silent);
  silent = setTimeout(() => line.classList.remove("shown"), 6000) as unknown as number;
}

export function figure(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3)) return value.toExponential(2);
  return String(Number(value.toPrecision(digits)));
}

export function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

export function stamp(text: string): string {
  return text.replace("T", " ").replace(/(\.\d+)?Z$/, "");
}

export function lasting(fromMs: number, toMs: number): string {
  const s = Math.max(0, Math.round((toMs - fromMs) / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return `${(s / 3600).toFixed(1)} h`;
}
