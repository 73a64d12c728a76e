"""The command line as a whole: help, suggestions, exit codes, JSON, the sources of settings."""

import json
import pathlib
import re

import pytest

MISSION = ["create-datasets", "train", "evaluate", "serve", "generate", "manage", "build-images", "set-auth", "score",
           "models", "runs", "up", "demo", "label", "doctor", "health", "completion"]


def test_help_lists_every_command_in_groups(anomctl):
    text = anomctl("--help", code=0).out
    for name in MISSION:
        assert re.search(rf"^  {name}\b", text, re.M), f"{name} is missing:\n{text}"
    assert text.index("Data and models:") < text.index("Tools:")
    assert "Examples:" in text


def test_every_command_has_help_with_examples(anomctl):
    for name in anomctl("reference", "--format", "names", code=0).out.split("\n")[:-1]:
        text = anomctl(*name.split(), "--help", code=0).out
        assert text.startswith(f"anomctl {name}: ")
        assert "Examples:\n  " in text, name
        for flag in re.findall(r"^  (--\S+)", text, re.M):
            assert "_" not in flag


def test_no_command_is_wrong_usage(anomctl):
    outcome = anomctl(code=2)
    assert outcome.out == "" and "Usage: anomctl" in outcome.err


@pytest.mark.parametrize("line, hint", [
    (["trian"], "did you mean 'train'?"),
    (["models", "imprt"], "did you mean 'models import'?"),
    (["doctor", "--timout", "3"], "did you mean --timeout?"),
    (["doctor", "--json", "--quite"], "did you mean --quiet?"),
    (["doctor", "--timeout"], "--timeout needs a value"),
    (["doctor", "--timeout", "soon"], "expected a duration"),
    (["doctor", "--timeout", "0"], "0 is outside 0.01 to 600"),
    (["completion", "tcsh"], "'tcsh' is not one of bash, zsh, fish"),
    (["completion"], "--shell is needed"),
])
def test_wrong_usage_is_one_line_with_the_next_step(anomctl, line, hint):
    outcome = anomctl(*line, code=2)
    assert outcome.err.startswith("anomctl: error: ")
    assert outcome.err.count("\n") == 1
    assert hint in outcome.err
    if "--json" in line:
        assert outcome.json["exit_code"] == 2
    else:
        assert outcome.out == ""


def test_version(anomctl):
    assert re.fullmatch(r"anomctl \d+\.\d+\.\d+\n", anomctl("--version", code=0).out)


def test_json_is_exactly_one_document(anomctl):
    assert anomctl("doctor", "--json", code=0).json["findings"]["cpu"]["cores"] >= 1
    assert anomctl("--json", "doctor", code=0).json["findings"]["memory"]["total_bytes"] > 0


def test_json_log_lines(anomctl):
    outcome = anomctl("doctor", "--timeout", "x", "--log-format", "json", code=2)
    line = json.loads(outcome.err)
    assert line["level"] == "error" and "--timeout" in line["message"]


# Each source of a setting, weakest first; the strongest present wins.
SOURCES = ["file", "environment", "flag"]


@pytest.mark.parametrize("present", [[s for i, s in enumerate(SOURCES) if bits >> i & 1] for bits in range(8)],
                         ids=lambda present: "+".join(present) or "default")
def test_precedence_default_file_environment_flag(anomctl, present):
    ports = {"file": 1, "environment": 2, "flag": 3}
    arguments, environment = ["doctor", "--json", "--timeout", "50ms"], {}
    if "file" in present:
        (anomctl.folder / "a.toml").write_text(f'[doctor]\nmqtt_url = "mqtt://127.0.0.1:{ports["file"]}"\n')
        arguments = ["--config", "a.toml", *arguments]
    if "environment" in present:
        environment["ANOMCTL_MQTT_URL"] = f"mqtt://127.0.0.1:{ports['environment']}"
    if "flag" in present:
        arguments.append(f"--mqtt_url=mqtt://127.0.0.1:{ports['flag']}")
    outcome = anomctl(*arguments, env=environment)
    if not present:
        assert outcome.code == 0 and "broker" not in outcome.json["findings"]
    else:
        assert outcome.code == 5
        assert outcome.json["findings"]["broker"]["port"] == ports[present[-1]]


@pytest.mark.parametrize("text, hint", [
    ('[doctor]\ntimeuot = "1s"\n', "a.toml:2: key 'timeuot' is unknown: did you mean 'timeout'?"),
    ('[docter]\ntimeout = "1s"\n', "table [docter] names no command: did you mean [doctor]?"),
    ('[doctor]\ntimeout = "soon"\n', "a.toml:2: timeout: expected a duration"),
    ('[doctor\n', "a.toml:1:"),
    ('jsn = true\n', "a.toml:1: key 'jsn' is unknown: did you mean 'json'?"),
])
def test_a_wrong_settings_file_is_told_with_its_line(anomctl, text, hint):
    (anomctl.folder / "a.toml").write_text(text)
    assert hint in anomctl("--config", "a.toml", "doctor", code=2).err


def test_a_missing_settings_file(anomctl):
    assert "nowhere.toml" in anomctl("--config", "nowhere.toml", "doctor", code=2).err


def test_global_settings_in_the_file(anomctl):
    (anomctl.folder / "a.toml").write_text("json = true\n")
    assert anomctl("--config", "a.toml", "doctor", code=0).json["version"]


def test_an_unwritable_stdout_is_an_error(anomctl, binary):
    full = pathlib.Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    import subprocess
    with full.open("w") as stdout:
        done = subprocess.run([binary, "--help"], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 1 and "could not be written" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_flags(anomctl, shell):
    script = anomctl("completion", shell, code=0).out
    for name in ("create-datasets", "window-size", "doctor"):
        assert name in script


def test_bash_completes(anomctl):
    import subprocess
    script = anomctl("completion", "bash", code=0).out

    def complete(*words):
        line = " ".join(f"'{w}'" for w in words)
        done = subprocess.run(["bash", "-c", f"{script}\nCOMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
                               "_anomctl; printf '%s\\n' \"${COMPREPLY[@]}\""],
                              capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.split()

    assert complete("anomctl", "doc") == ["doctor"]
    assert "import" in complete("anomctl", "models", "")
    assert complete("anomctl", "doctor", "--mqtt") == ["--mqtt-url"]
    assert complete("anomctl", "doctor", "--log-format", "j") == ["json"]
    assert complete("anomctl", "completion", "z") == ["zsh"]


def test_the_program_needs_neither_libtorch_nor_arrow(binary):
    import subprocess
    needed = subprocess.run(["ldd", binary], capture_output=True, text=True, timeout=20, check=True).stdout
    assert "libc.so.6" in needed
    assert not re.search(r"lib(torch|c10|arrow|parquet|cuda)", needed), needed
