"""The files of compose/ with paths, hosts and ports of this machine in place of the containers'."""

import json
import re

import yaml
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


class ComposeLoader(yaml.SafeLoader):
    """Knows what Compose adds to YAML: a list that stands in place of the one before."""


ComposeLoader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def read_compose(name):
    return yaml.load((COMPOSE / name).read_text(), ComposeLoader)


class Composition:
    """docker-compose.yml with `places`, {"broker:1883": "127.0.0.1:4711", ..}, and `env`, what .env says."""

    def __init__(self, places, env=None):
        self.places, self.env = places, env or {}
        self.services = read_compose("docker-compose.yml")["services"]

    def render(self, text):
        def value(match):
            return self.env.get(match[1]) or (match[3] or "" if (match[2] or "").startswith(":-") else "")

        text = re.sub(r"\$\{([A-Z_]+)(:[-?]([^}]*))?\}", value, text)
        for name, place in self.places.items():
            text = text.replace(name, str(place))
        return text

    def environment(self, service):
        return {name: self.render(str(text)) for name, text in self.services[service].get("environment", {}).items()}

    def command(self, service, image=None):
        """Its command, or that of our image's Dockerfile."""
        command = self.services[service].get("command")
        if command is None:
            lines = (REPOSITORY / f"templates/images/{image}.Dockerfile").read_text().splitlines()
            command = json.loads(next(line for line in lines if line.startswith("CMD "))[4:])
        return [self.render(word) for word in command]
