"""The files of compose/ with paths, hosts and ports of this machine in place of the containers'."""

from conftest import REPOSITORY

COMPOSE = REPOSITORY / "compose"


def broker_settings(secrets, data, name="mosquitto.conf"):
    """The lines of the composition's mosquitto.conf, but for the listener and who may come in."""
    lines = []
    for line in (COMPOSE / name).read_text().splitlines():
        if line.startswith(("#", "listener", "allow_anonymous")) or not line.strip():
            continue
        lines.append(line.replace("/run/secrets", str(secrets)).replace("/mosquitto/data/", f"{data}/"))
    return lines
