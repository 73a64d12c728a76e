"""generate as a test tool: plants, faults, phases, disturbances, qualities of service; nothing missing at a subscriber."""

import json
from collections import Counter

import pytest


def generate(anomctl, broker, *more, code=0):
    outcome = anomctl("generate", "--mqtt-url", broker.url, "--rate", "0", *more, "--json", code=code)
    return outcome.json if code == 0 else outcome


def received(listener, n):
    listener.wait_for(lambda: len(listener.messages) >= n)
    return list(listener.messages)


def table(folder, rows):
    lines = ["time,flow,power"] + [f"2026-01-01T00:{r // 60:02}:{r % 60:02}Z,{r},{2 * r}" for r in range(rows)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")


def test_ten_thousand_messages_none_missing(anomctl, broker, listener):
    sent = generate(anomctl, broker, "--plant", "pump-loop", "--assets", "100", "--rows", "100")
    assert sent["published"] == sent["acknowledged"] == 10_000
    messages = received(listener, 10_000)
    assert len(messages) == len(set(messages)) == 10_000
    assert set(Counter(topic for topic, _ in messages).values()) == {100}


@pytest.mark.long
def test_ten_thousand_messages_a_second(anomctl, broker, listener):
    sent = generate(anomctl, broker, "--plant", "pump-loop", "--assets", "1000", "--rows", "100")
    assert len(set(received(listener, 100_000))) == 100_000
    print(f"{sent['published'] / sent['seconds']:.0f} messages a second")
    assert sent["published"] / sent["seconds"] > 10_000


@pytest.mark.parametrize("qos", [0, 2])
def test_other_qualities_of_service(anomctl, broker, listener, qos):
    sent = generate(anomctl, broker, "--plant", "pump-loop", "--rows", "500", "--qos", qos)
    assert sent["acknowledged"] == 500
    assert len(set(received(listener, 500))) == 500


def test_a_plant_is_the_same_for_a_seed_and_another_for_each_asset(anomctl, broker, listener):
    start = ("--plant", "pump-loop", "--rows", "50", "--start-time", "2026-01-01T00:00:00Z")
    generate(anomctl, broker, *start, "--assets", "2")
    first = received(listener, 100)
    generate(anomctl, broker, *start, "--assets", "2")
    assert received(listener, 200)[100:] == first
    by_asset = [[p for t, p in first if t.endswith(end)] for end in ("-0", "-1")]
    assert len(by_asset[0]) == len(by_asset[1]) == 50 and not set(by_asset[0]) & set(by_asset[1])
    listener.messages.clear()
    generate(anomctl, broker, *start, "--seed", "2")  # the seed of asset 1
    assert [p for _, p in received(listener, 50)] == by_asset[1]


def test_assets_begin_elsewhere_in_a_table(anomctl, broker, listener):
    table(anomctl.folder, 60)
    generate(anomctl, broker, "--input", "rows.csv", "--assets", "3")
    messages = received(listener, 180)
    flows = [[json.loads(p)["flow"] for t, p in messages if t.endswith(f"-{asset}")] for asset in range(3)]
    assert flows == [[(20 * asset + row) % 60 for row in range(60)] for asset in range(3)]
    for asset in range(3):
        stamps = [json.loads(p)["time"] for t, p in messages if t.endswith(f"-{asset}")]
        assert stamps == sorted(stamps)


def test_faults_go_into_any_source_and_are_told(anomctl, broker, listener):
    table(anomctl.folder, 60)
    sent = generate(anomctl, broker, "--input", "rows.csv", "--fault", "stuck:flow@20s+10s", "--loop", "--rows", "120")
    flows = [json.loads(p)["flow"] for _, p in received(listener, 120)]
    assert flows == [19 if 20 <= r < 30 else r % 60 for r in range(120)]  # once, not in each round
    assert sent["faults"] == [{"asset": "blade", "kind": "stuck", "sensor": "flow", "affected": ["flow"],
                               "start": "2026-01-01T00:00:20Z", "end": "2026-01-01T00:00:29.999999999Z"}]
    listener.messages.clear()
    sent = generate(anomctl, broker, "--plant", "pump-loop", "--rows", "200", "--assets", "2", "--fault",
                    "leak:flow@100s+50s", "--fault", "offset:vibration@20s+20s*9")
    assert sorted((f["asset"], f["kind"]) for f in sent["faults"]) == [
        ("blade-0", "leak"), ("blade-0", "offset"), ("blade-1", "leak"), ("blade-1", "offset")]
    assert len(next(f for f in sent["faults"] if f["kind"] == "leak")["affected"]) > 1
    assert "'x'" in generate(anomctl, broker, "--plant", "pump-loop", "--fault", "stuck:x@1s+1s", code=2).err
    assert "'x'" in generate(anomctl, broker, "--input", "rows.csv", "--fault", "stuck:x@1s+1s", code=2).err
    generate(anomctl, broker, "--plant", "pump-loop", "--fault", "melted:flow@1s+1s", code=2)
    generate(anomctl, broker, "--plant", "windmill", code=2)
    generate(anomctl, broker, "--plant", "pump-loop", "--input", "rows.csv", code=2)


def test_disturbances_are_counted_and_repeat_with_the_seed(anomctl, broker, listener):
    table(anomctl.folder, 1000)
    way = ("--input", "rows.csv", "--drop", "0.1", "--duplicate", "0.1", "--late", "0.05", "--late-rows", "7",
           "--disorder", "0.1", "--seed", "4")
    sent = generate(anomctl, broker, *way)
    n = 1000 - sent["dropped"] + sent["duplicated"]
    assert sent["published"] == n and all(sent[kind] > 20 for kind in ("dropped", "duplicated", "late", "disordered"))
    flows = [json.loads(p)["flow"] for _, p in received(listener, n)]
    times = Counter(flows)
    assert len(times) == 1000 - sent["dropped"]
    assert sum(count == 2 for count in times.values()) == sent["duplicated"]
    assert max(earlier - flow for earlier, flow in zip(flows, flows[1:])) >= 5
    generate(anomctl, broker, *way)
    assert [json.loads(p)["flow"] for _, p in received(listener, 2 * n)[n:]] == flows


@pytest.mark.parametrize("pace", [("--rate", "-5"), ("--speed", "-3"), ("--speed", "0"), ("--rate", "nan")])
def test_a_pace_that_is_none_is_refused(anomctl, pace):
    refused = anomctl("generate", "--plant", "pump-loop", "--rows", 1, *pace, code=2)
    assert pace[0].strip("-") in refused.err
