"""What `generate --fault` breaks, `manage` tells as the fault it is: each class of broken sensor from the command line."""

import datetime
import json

import pytest
from streams import end, start_manage

KINDS = ("dead", "stuck", "out_of_range", "clock_skew")
ROWS, BROKEN, LENGTH = 200, 100, 60


def judged_with(plant, broker, listener, fault, *more):
    """The verdicts and alerts of a run whose rows from BROKEN on are broken, and what generate and manage say of it."""
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--off-rows", "3", "--json", *more)
    sent = plant("generate", "--mqtt-url", broker.url, "--input", "pump.csv", "--columns", "flow,power", "--rate", "0",
                 "--rows", ROWS, "--fault", fault, "--json", code=0).json
    assert sent["published"] == sent["acknowledged"] == ROWS
    listener.wait_for(lambda: len(listener.below("anomaly")) >= ROWS)
    return listener.below("anomaly"), listener.below("alert"), sent["faults"], json.loads(end(process))


def fault_alerts(alerts):
    return [(a["fault"], a.get("top1"), a["state"]) for a in alerts if a["kind"] == "sensor_fault"]


@pytest.mark.parametrize("sensor", ["flow", "power"])
@pytest.mark.parametrize("kind", ["dead", "out_of_range"])
def test_a_broken_sensor_is_told_as_such_and_masked(plant, broker, listener, kind, sensor):
    verdicts, alerts, faults, counts = judged_with(plant, broker, listener, f"{kind}:{sensor}@{BROKEN}s+{LENGTH}s")
    assert [(f["kind"], f["sensor"]) for f in faults] == [(kind, sensor)]
    assert fault_alerts(alerts) == [(kind, sensor, "open"), (kind, sensor, "closed")]
    # The model says nothing, neither of the sensor nor of the one that went with it.
    assert not any(v["is_anomaly"] for v in verdicts[BROKEN:BROKEN + LENGTH + 20])
    assert not any(a["kind"] == "anomaly" and a["start"] >= verdicts[BROKEN]["time"] for a in alerts)
    shows = LENGTH - (10 if kind == "dead" else 0)  # ten rows without a value are no death
    assert counts["faulty"] == shows == sum(v["state"] == "sensor_fault" for v in verdicts)


def test_a_stuck_sensor_is_told_and_masked_from_then_on(plant, broker, listener):
    verdicts, alerts, faults, _ = judged_with(plant, broker, listener, f"stuck:flow@{BROKEN}s+{LENGTH}s")
    assert faults[0]["kind"] == "stuck"
    assert fault_alerts(alerts) == [("stuck", "flow", "open"), ("stuck", "flow", "closed")]
    # Until it is known the model sees it; what that began ends, for what is masked is not odd.
    known = next(i for i, v in enumerate(verdicts) if v["time"] == fault_start(alerts))
    assert BROKEN + 8 < known < BROKEN + LENGTH / 2
    assert not any(v["is_anomaly"] for v in verdicts[known + 10:BROKEN + LENGTH + 20])
    assert {v["state"] for v in verdicts[known + 10:BROKEN + LENGTH - 1]} == {"sensor_fault"}


def fault_start(alerts):
    return next(a["start"] for a in alerts if a["kind"] == "sensor_fault")


def test_a_clock_that_is_off_is_told(plant, broker, listener):
    # Rows from a hundred seconds ago up to now, then those of a clock that is a day off.
    begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=BROKEN)
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--max-skew", "2h", "--json")
    sent = plant("generate", "--mqtt-url", broker.url, "--input", "pump.csv", "--columns", "flow,power", "--rate", "0",
                 "--start-time", begin.isoformat(), "--rows", BROKEN + 20, "--fault",
                 f"clock_skew@{BROKEN}s+1h*-86400", "--json", code=0).json
    assert [(f["kind"], f["sensor"], f["affected"]) for f in sent["faults"]] == [("clock_skew", "", [])]
    listener.wait_for(lambda: len(listener.below("anomaly")) >= BROKEN + 20)
    verdicts, alerts = listener.below("anomaly"), listener.below("alert")
    counts = json.loads(end(process))
    assert counts["skewed"] == 20 and fault_alerts(alerts)[0] == ("clock_skew", "clock", "open")
    assert "clock" in next(a["reason"] for a in alerts if a["kind"] == "sensor_fault")
    stamps = [v["time"] for v in verdicts]
    assert stamps == sorted(stamps) and not any(v["is_anomaly"] for v in verdicts[BROKEN:])


@pytest.mark.parametrize("fault", ["clock_skew:flow@1s+1s", "dead@1s+1s"])
def test_a_clock_is_the_assets_and_the_rest_is_a_sensors(plant, broker, fault):
    refused = plant("generate", "--mqtt-url", broker.url, "--input", "pump.csv", "--fault", fault, code=2)
    assert fault in refused.err


def test_a_fault_that_never_began_is_told(plant, broker):
    sent = plant("generate", "--mqtt-url", broker.url, "--input", "pump.csv", "--columns", "flow,power", "--rate", "0",
                 "--rows", "20", "--fault", "dead:flow@1000s+5s", "--json", code=0)
    assert sent.json["faults"] == [] and "1 of 1 faults never began" in sent.err
