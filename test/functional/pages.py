"""What tests of the page share: a real Chromium, and an `up` that serves the page."""

import os
import re
import shutil

import pytest

# Texts of the page whose contrast with what is behind them is under 4.5:1 (WCAG 2.1, AA).
FAINT_TEXTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255);
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const c = rgba(getComputedStyle(at).backgroundColor);
      layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((under, c) => under.map((v, i) => c[i] * c[3] + v * (1 - c[3])), [1, 1, 1]);
  };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const box = node.parentElement;
    if (!node.data.trim() || !box.checkVisibility() || box.closest("#say, .skip, dialog")) continue;
    const a = light(rgba(getComputedStyle(box).color)), b = light(behind(box));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${node.data.trim()}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""


@pytest.fixture(scope="module")
def chromium():
    """A real browser; tests are skipped, with the reason, where there is none."""
    program = shutil.which("chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: scripts/setup --test")
    if program is None:
        pytest.skip("no chromium: scripts/setup --test")
    with playwright.sync_playwright() as driver:
        flags = ["--disable-gpu", "--disable-background-networking"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
        browser = driver.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


class Watched:
    """A page of the browser, with all that went wrong or went elsewhere in it."""

    def __init__(self, chromium, url, **context):
        self.context = chromium.new_context(viewport={"width": 1440, "height": 900}, **context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30000)
        self.wrong = []
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("request", lambda request: request.url.startswith(url) or self.wrong.append(f"asks {request.url}"))
        self.page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        self.page.goto(url)

    def close(self):
        self.context.close()


@pytest.fixture
def open_page(chromium):
    """open_page(url) -> Watched; closed with the test."""
    opened = []

    def make(url, **context):
        opened.append(Watched(chromium, url, **context))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def start_up(anomctl, manage, up="", env=None):
    """An `up` with a manager and the page; returns the process and the page's URL once it judges."""
    (anomctl.folder / "plant.toml").write_text(f"[up]\npage_port = 0\n{up}\n[manage]\n{manage}\n")
    process = anomctl.start("up", "--config", "plant.toml", env=env)
    url = None
    for line in process.stdout:
        if found := re.match(r"page: (http://\S+/)", line):
            url = found.group(1)
        if "ready as" in line:
            return process, url
    raise AssertionError(process.stderr.read())
