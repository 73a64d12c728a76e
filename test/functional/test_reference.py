"""configs/, docs/commands.md and the man page are what the declarations say."""

import subprocess

from conftest import REPOSITORY

REMEDY = "run scripts/update_reference"


def command_names(anomctl):
    return [line for line in anomctl("reference", "--format", "names", code=0).out.splitlines() if line]


def test_the_settings_files_are_up_to_date(anomctl):
    names = command_names(anomctl)
    assert {p.name for p in (REPOSITORY / "configs").glob("*.toml")} == {f"{n.replace(' ', '-')}.toml" for n in names}, \
        REMEDY
    for name in names:
        written = anomctl("reference", "--format", "toml", name, code=0).out
        kept = (REPOSITORY / "configs" / f"{name.replace(' ', '-')}.toml").read_text()
        assert kept == written, f"configs of {name}: {REMEDY}"


def test_the_commands_page_is_up_to_date(anomctl):
    assert (REPOSITORY / "docs/commands.md").read_text() == anomctl("reference", code=0).out, REMEDY


def test_the_man_page_renders(anomctl, tmp_path):
    page = tmp_path / "anomctl.1"
    page.write_text(anomctl("reference", "--format", "man", code=0).out)
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", str(page)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "create-datasets" in done.stdout
