"""report.html of an evaluation, as a browser shows it."""

import math
import random
import re
import shutil
import subprocess

import pytest


@pytest.fixture(scope="module")
def page(anomctl_in, tmp_path_factory):
    """The report's document after its script has run: two columns with hostile names, one labelled event."""
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("no chromium: scripts/setup --test")
    program = anomctl_in(tmp_path_factory.mktemp("report"))
    noise = random.Random(2)
    lines = ["time,</script>flow,<b>heat&,y"]
    for row in range(1600):
        odd = 1200 <= row < 1230
        values = [math.sin(row / 9) + 0.05 * noise.gauss(0, 1) + 3 * odd, math.cos(row / 9) + 0.05 * noise.gauss(0, 1)]
        lines.append(f"2026-03-01T{row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}Z,{values[0]:.4f},{values[1]:.4f},{int(odd)}")
    (program.folder / "pump.csv").write_text("\n".join(lines) + "\n")
    program("create-datasets", "--source", "table", "--data", "pump.csv", code=0)
    program("train", "--kind", "panel", code=0)
    report = program.folder / program("evaluate", "--json", code=0).json["report"]
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                           f"--user-data-dir={program.folder / 'browser'}", "--dump-dom", report.as_uri()],
                          capture_output=True, text=True, timeout=60)
    assert "CONSOLE" not in done.stderr, done.stderr
    return re.sub(r"<script.*?</script>", "", done.stdout, flags=re.S)


def test_the_report_draws_score_events_episodes_and_sensors(page):
    assert "Found 1 of 1 labelled event" in page
    assert page.count("<svg") == 3  # the score and two sensors
    events = re.search(r'<tbody id="events">(.*?)</tbody>', page, re.S).group(1)
    assert events.count("<tr>") == 1 and "1 Mar 2026 00:20:00" in events and "30 s" in events and ">found<" in events
    episodes = re.search(r'<tbody id="episodes">(.*?)</tbody>', page, re.S).group(1)
    assert "&lt;/script&gt;flow" in episodes and "expected" in episodes and ">labelled<" in episodes
    assert "time in UTC, 1 Mar 2026" in page


def test_the_report_explains_its_figures_and_is_whole(page):
    assert "harmonic mean" in page and "of the labelled rows, the share that is flagged" in page
    assert "&lt;b&gt;heat&amp;" in page and "<b>heat" not in page
    for broken in ("undefined", "NaN", "Infinity"):
        assert broken not in page
    assert not re.search(r"(src|href)=\"?http", page)
