"""The page that `up` serves, in a real Chromium: what it shows, what it keeps, whom it lets in."""

import json
import re
import sqlite3
import time

import paho.mqtt.client as mqtt
import pytest
import requests

from bundles import make_bundle
from conftest import Broker
from pages import FAINT_TEXTS, chromium, open_page, start_up  # noqa: F401 (fixtures)
from streams import Listener, end, make_plant, start_manage


@pytest.fixture(scope="module")
def plant(anomctl_in, tmp_path_factory):
    return make_plant(anomctl_in(tmp_path_factory.mktemp("page")))


@pytest.fixture
def broker(tmp_path):
    it = Broker(tmp_path / "broker")
    yield it
    it.stop()


def manage_of(broker, folder, **more):
    settings = {"bundle": "pump.bundle", "mqtt_url": broker.url, "topic_sensor": "pump", "no_data_after": 0,
                "store": str(folder / "store.db"), **more}
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())


def publish(broker, messages):
    """Topics and payloads, all acknowledged."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    sent = [client.publish(f"windmill/{topic}", json.dumps(payload), 1) for topic, payload in messages]
    for one in sent:
        one.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


def expect(page, script, argument=None):
    page.wait_for_function(script, arg=argument, timeout=30000)


def test_a_fault_becomes_an_alert_and_what_people_say_of_it_outlives_a_restart(plant, broker, open_page, tmp_path):
    process, url = start_up(plant, manage_of(broker, tmp_path))
    watched = open_page(url, color_scheme="light")
    page = watched.page
    page.get_by_text("● live").wait_for()
    plant("generate", "--dataset", "pump", "--mqtt-url", broker.url, "--topic-sensor", "pump", "--rate", "0", code=0)
    told = time.monotonic()
    card = page.locator("article.alert").first
    card.wait_for()
    assert time.monotonic() - told < 10
    assert re.search(r"power at .* was expected", card.locator(".reason").inner_text())
    assert "power" in card.locator(".causeline").first.inner_text()
    # Each sensor with what was expected of it, the score with its limit.
    expect(page, "() => document.querySelectorAll('#sensors canvas').length === 2")
    assert re.search(r"exp. -?\d", page.locator("#sensors figcaption").first.inner_text())
    assert " of " in page.locator("#score-now").inner_text()
    expect(page, "() => /connected/.test(document.querySelector('#health').innerText)")

    card.get_by_role("button", name="Acknowledge").click()
    card.get_by_role("button", name="True").click()
    card.get_by_role("button", name="Comment").click()
    card.get_by_label("Comment").fill("the <b>filter</b> was blocked")
    card.get_by_role("button", name="Save").click()
    card.get_by_text("“the <b>filter</b> was blocked”").wait_for()
    assert card.get_by_role("button", name="True").get_attribute("aria-pressed") == "true"
    for dark in (False, True):
        if dark:
            page.get_by_role("button", name="Dark").click()
        assert page.evaluate(FAINT_TEXTS) == []
    assert watched.wrong == []
    end(process)

    listed = plant("label", "--store", tmp_path / "store.db", "--json", code=0).json["episodes"]
    said = [episode for episode in listed if episode["judgement"] == "true"]
    assert len(said) == 1 and [label["kind"] for label in said[0]["labels"]] == ["acknowledged", "true", "comment"]
    plant("label", "--store", tmp_path / "store.db", "--episode", said[0]["alert"]["id"], "--as", "false", code=0)
    span = ("--start", "1999-01-01", "--end", "1999-01-02", "--as", "true")
    name = said[0]["alert"]["asset"]
    mistyped = plant("label", "--store", tmp_path / "store.db", "--asset", name + "e", *span, code=2)
    assert f"no asset '{name}e': did you mean '{name}'?" in mistyped.err
    elsewhere = plant("label", "--store", tmp_path / "store.db", "--asset", name, *span, code=0)
    assert f"holds no row of {name}" in elsewhere.err
    process, url = start_up(plant, manage_of(broker, tmp_path))
    card = open_page(url).page.locator("article.alert", has_text="filter")
    card.wait_for()
    assert card.get_by_role("button", name="Acknowledged").get_attribute("aria-pressed") == "true"
    assert card.get_by_role("button", name="False").get_attribute("aria-pressed") == "true"
    assert card.get_by_role("button", name="True").get_attribute("aria-pressed") == "false"
    # What the store knows is shown before anything is heard of it.
    page = open_page(url).page
    page.locator("#list .asset:not([hidden])").wait_for()
    expect(page, "() => document.querySelectorAll('#sensors canvas').length === 2")
    end(process)


def test_what_comes_over_mqtt_is_text(plant, broker, open_page, tmp_path):
    evil = '<img src=x onerror="window.hit=1">'
    make_bundle(plant, tmp_path / "evil.bundle", sensors=2, window=8, threshold=1e-6, columns=[evil, "<b>x</b>"])
    process, url = start_up(plant, manage_of(broker, tmp_path, bundle=str(tmp_path / "evil.bundle")))
    asset = f"pump-{evil}"
    publish(broker, [(f"maintenance/{asset}", {"start": "2026-01-01T00:00:11Z", "end": "2026-01-02T00:00:00Z",
                                               "reason": "<script>window.hit=1</script>"})])
    publish(broker, [(f"sensor/{asset}", {"time": f"2026-01-01T00:00:{second:02}Z", evil: second % 3, "<b>x</b>": 1})
                     for second in range(30)])
    watched = open_page(url)
    page = watched.page
    page.locator("article.alert").first.wait_for()
    expect(page, "() => document.querySelectorAll('#sensors canvas').length === 2")
    assert page.locator("#asset-name").inner_text() == asset
    assert evil in page.locator("article.alert").first.inner_text()
    assert page.locator("#sensors .name").first.inner_text() == evil
    assert page.locator("img").count() == 0 and page.locator("#sensors figcaption b b").count() == 0
    assert page.evaluate("window.hit") is None
    assert watched.wrong == []
    end(process)


def test_a_thousand_assets_by_keyboard(plant, broker, open_page, tmp_path):
    process, url = start_up(plant, manage_of(broker, tmp_path))
    names = [f"pump-{i}" for i in range(1000)]
    publish(broker, [(f"sensor/{name}", {"time": f"2026-01-01T00:00:0{row}Z", "flow": 0.1, "power": 0.2})
                     for row in range(2) for name in names])
    watched = open_page(url)
    page = watched.page
    expect(page, "() => document.querySelector('#fleet-count').textContent === '1000'")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted < 5000
    assert page.locator("#list .asset").count() < 60  # only what can be seen
    # The whole way by keyboard: filter, list, asset.
    page.keyboard.press("/")
    began = time.monotonic()
    page.keyboard.type("pump-77")
    expect(page, "() => document.querySelector('#fleet-count').textContent === '11 of 1000'")
    assert time.monotonic() - began < 5
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("#asset-name").inner_text() == "pump-770"
    assert page.locator("#list").get_attribute("aria-activedescendant")
    page.keyboard.press("End")
    page.keyboard.press(" ")
    assert page.locator("#asset-name").inner_text() == "pump-779"
    expect(page, "() => document.querySelectorAll('#sensors canvas').length === 2")
    # Scrolled far, the list still shows assets.
    page.get_by_label("Filter").fill("")
    page.locator("#list").evaluate("list => { list.scrollTop = 1e6; }")
    page.locator("#list").get_by_text("pump-999", exact=True).wait_for()
    assert watched.wrong == []
    end(process)


def test_an_alert_is_judged_by_keyboard(plant, broker, open_page, tmp_path):
    process, url = start_up(plant, manage_of(broker, tmp_path))
    plant("generate", "--dataset", "pump", "--mqtt-url", broker.url, "--topic-sensor", "pump", "--rate", "0", code=0)
    page = open_page(url).page
    page.locator("article.alert").first.wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "False":
            break
    page.keyboard.press("Enter")
    expect(page, "() => document.activeElement.getAttribute('aria-pressed') === 'true'")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("sensor was moved")
    page.keyboard.press("Control+Enter")
    page.get_by_text("“sensor was moved”").wait_for()
    end(process)


def test_who_has_no_token_sees_nothing(plant, broker, open_page, tmp_path):
    tokens = tmp_path / "tokens"
    look, judge = (plant("api-token", name, "--scopes", scopes, "--token-file", tokens, code=0).out.strip()
                   for name, scopes in (("eye", "read"), ("ann", "read,label")))
    process, url = start_up(plant, manage_of(broker, tmp_path), f'page_token_file = "{tokens}"')
    for path in ("api/events", "api/history?asset=pump", "api/episodes"):
        assert requests.get(url + path, timeout=10).status_code == 401
        assert requests.get(url + path, timeout=10, headers={"authorization": "Bearer eye.wrong"}).status_code == 401
    label = {"episode": "none", "kind": "true"}
    for token, status in ((look, 403), (judge, 404)):
        answer = requests.post(url + "api/labels", json=label, timeout=10, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status, answer.text
    page = open_page(url).page
    page.locator("#token").fill("eye.wrong")
    page.keyboard.press("Enter")
    page.get_by_text("This token is not known here.").wait_for()
    page.locator("#token").fill(look)
    page.keyboard.press("Enter")
    page.get_by_text("● live").wait_for()
    assert look not in page.content() and look not in page.url
    end(process)


def test_many_open_pages_leave_room_for_what_they_ask(plant, broker, tmp_path):
    process, url = start_up(plant, manage_of(broker, tmp_path))
    streams = [requests.get(url + "api/events", timeout=20, stream=True) for _ in range(200)]
    assert [answer.status_code for answer in streams] == [200] * 192 + [503] * 8
    assert requests.get(url + "api/episodes", timeout=20).status_code == 200
    streams.pop(0).close()
    for attempt in range(600):  # the server sees that it is gone when it tells it something
        with requests.get(url + "api/events", timeout=20, stream=True) as answer:
            if answer.status_code == 200:
                break
        time.sleep(0.05)
    assert answer.status_code == 200
    for answer in streams:
        answer.close()
    end(process)


def test_another_origin_may_do_nothing(plant, broker, tmp_path):
    process, url = start_up(plant, manage_of(broker, tmp_path))
    label = {"episode": "none", "kind": "true"}
    assert requests.post(url + "api/labels", json=label, timeout=10).status_code == 404
    assert requests.post(url + "api/labels", data=json.dumps(label), timeout=10).status_code == 415
    for headers in ({"origin": "http://evil.example.org"}, {"origin": "null"}, {"host": "evil.example.org"}):
        assert requests.post(url + "api/labels", json=label, headers=headers, timeout=10).status_code == 403
    assert requests.get(url + "api/episodes", headers={"host": "evil.example.org"}, timeout=10).status_code == 403
    for wrong in ({"kind": "maybe"}, {"kind": "comment", "comment": ""}, {"kind": "comment", "comment": "x" * 3000}):
        assert requests.post(url + "api/labels", json=wrong, timeout=10).status_code == 400
    assert requests.get(url + "api/history?asset=x&rows=many", timeout=10).status_code == 400
    assert requests.get(url + "api/history?asset=%ff%fe", timeout=10).status_code == 400
    assert requests.get(url + "api/history", params={"asset": "a b+c"}, timeout=10).json()["asset"] == "a b+c"
    policy = requests.get(url, timeout=10).headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    end(process)


def test_a_page_beyond_this_machine_needs_a_token(plant):
    (plant.folder / "open.toml").write_text('[manage]\nbundle = "pump.bundle"\n')
    outcome = plant("up", "--config", "open.toml", "--page-host", "0.0.0.0", code=2)
    assert "--page-token-file" in outcome.err


def test_a_store_that_cannot_be_written_stops_nothing(plant, broker, tmp_path):
    store = tmp_path / "store.db"
    listener = Listener(broker.port)
    process = start_manage(plant, broker.url, listener, "--bundle", "pump.bundle", "--topic-sensor", "pump", "--store", store,
                           "--no-data-after", 0, "--json")
    listener.close()
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    plant("generate", "--dataset", "pump", "--mqtt-url", broker.url, "--topic-sensor", "pump", "--rate", "0", code=0)
    for line in process.stderr:
        if "the history is not written, judging goes on" in line:
            break
    other.execute("ROLLBACK")
    counts = json.loads(end(process))
    assert counts["verdicts"] == counts["rows"] == 700 and counts["not_stored"] == 0
    assert counts["stored"] == counts["verdicts"] == other.execute("SELECT count(*) FROM rows").fetchone()[0]


def test_labels_and_states_of_the_store_make_a_data_set(plant, broker, tmp_path):
    store = tmp_path / "store.db"
    muted = "all@2026-01-01T00:10:00Z/2026-01-01T00:11:39Z"
    process = start_up(plant, manage_of(broker, tmp_path, maintenance=[muted]), "page = false")[0]
    for split in ("train", "eval"):
        plant("generate", "--dataset", "pump", "--split", split, "--mqtt-url", broker.url, "--topic-sensor", "pump",
              "--rate", "0", code=0)
    end(process)
    alerts = plant("label", "--store", store, "--json", code=0).json["episodes"]
    real = [a["alert"] for a in alerts if a["alert"]["start"] > "2026-01-01T00:41:00Z"]
    assert real, alerts
    for alert in real:
        plant("label", "--store", store, "--episode", alert["id"], "--as", "true", "--comment", "seal broke", code=0)
    for alert in alerts:
        if alert["alert"] not in real:
            plant("label", "--store", store, "--episode", alert["alert"]["id"], "--as", "false", code=0)
    made = plant("create-datasets", "--source", "store", "--store", store, "--name", "again", "--json", code=0).json
    assert made["anomaly_segments"] == len(real)
    assert any("100 rows of the store are left out: in maintenance" in line for line in made["notes"]), made
    assert made["n_train"] + made["n_eval"] == 2900
    meta = json.loads((plant.folder / "datasets/again/meta.json").read_text())
    assert meta["anomaly_segments"][0]["root_cause"] == "seal broke"
    plant("train", "--kind", "panel", "--dataset", "again", "--relation-epochs", "0", code=0)
    report = plant("evaluate", "--output", tmp_path / "out", code=0)
    assert "seal broke" in (tmp_path / "out/report.html").read_text(), report
