#!/usr/bin/env python3
"""Checks that the tree keeps to its map (ARCHITECTURE.md): which room includes which, in which order, how long files get.

    scripts/check_layers.py            checks all sources of the checkout
    scripts/check_layers.py --self-test checks that each rule is able to fail
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOFT_LINES, HARD_LINES = 300, 400

# Bottom to top: a room may use those listed for it, and no other.
MAY_USE = {
    "core": (),
    "kernels": ("core",),
    "data": ("core",),
    "model": ("core", "kernels"),
    "mtad_gat": ("core", "kernels", "model"),
    "detection": ("core", "data", "model"),
    "io": ("core",),
    "registry": ("core", "model", "detection", "io"),
    "deploy": ("core", "io"),
    "roles": ("core", "data", "model", "detection", "io", "registry"),
    "commands": ("core", "kernels", "data", "model", "mtad_gat", "detection", "io", "registry", "deploy", "roles"),
}
ROOMS = list(MAY_USE)
# Within io/, a folder may use these and itself; the others do not see each other.
IO_SHARED = ("net", "sqlite")

# Headers of libraries, and the rooms that may open them.
THIRD_PARTY = {
    r"toml\+\+/|tomlplusplus": ("core",),
    r"rapidjson/": ("core", "io"),
    r"date/": ("core",),
    r"Eigen/": ("kernels", "model", "detection"),
    r"arrow/|parquet/": ("data",),
    r"torch/|ATen/|c10/|c10d/": ("mtad_gat",),
    r"boost/": ("io",),
    r"mqtt/|MQTT(Async|Client)": ("io",),
    r"librdkafka/": ("io",),
    r"sqlite3": ("io",),
    r"prometheus/": ("io",),
    r"openssl/": ("core", "io", "deploy"),
    r"zlib\.h": ("io", "deploy"),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def room_of_path(path):
    """The room that owns a source of the tree; None outside the rooms."""
    parts = path.parts
    if parts[:2] == ("include", "anomctl") and len(parts) > 3:
        return parts[2]
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    return "commands" if parts == ("src", "main.cpp") else None


def room_of_include(name, room):
    """The room that an #include "..." opens; None for the including file's own folder and for generated files."""
    parts = pathlib.PurePosixPath(name).parts
    if parts[0] == "anomctl" and len(parts) > 2:
        return parts[1]
    if parts[0] in MAY_USE and len(parts) > 1:
        return parts[0]
    return room if len(parts) == 1 else None


def io_folder(path_or_name):
    match = re.search(r"(?:^|/)io/([a-z_]+)/", path_or_name)
    return match.group(1) if match else None


def check_source(path, text):
    """The faults of one file, as (line, message)."""
    faults = []
    lines = text.count("\n")
    if lines > HARD_LINES:
        faults.append((lines, f"{lines} lines, at most {HARD_LINES}"))
    room = room_of_path(path)
    if room is None:
        return faults
    if room not in MAY_USE:
        return faults + [(1, f"no such room: {room}")]
    order = []
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        quoted, name = match.group(1) == '"', match.group(2)
        if not quoted:
            for pattern, rooms in THIRD_PARTY.items():
                if re.match(pattern, name) and room not in rooms:
                    faults.append((line, f"{name} is for {', '.join(rooms)} only, not {room}"))
            continue
        other = room_of_include(name, room)
        if other is None:
            continue
        order.append((line, other, name))
        if other != room and other not in MAY_USE[room]:
            faults.append((line, f"{room} may not use {other} ({name})"))
        if other != room and not name.startswith("anomctl/"):
            faults.append((line, f"{name} is private to {other}"))
        if room == other == "io":
            ours, theirs = io_folder(path.as_posix()), io_folder(name)
            if theirs not in (None, ours, *IO_SHARED):
                faults.append((line, f"io/{ours} may not use io/{theirs}"))
    faults += order_faults(path, order)
    return faults


def order_faults(path, order):
    """Own header first, then public headers by name with the rooms' own private headers behind them."""
    faults = []
    rest = order
    if path.suffix == ".cpp" and order and pathlib.PurePosixPath(order[0][2]).stem == path.stem:
        rest = order[1:]
    public = [name for _, _, name in rest if name.startswith("anomctl/")]
    private_seen = False
    for line, _, name in rest:
        if not name.startswith("anomctl/"):
            private_seen = True
        elif private_seen:
            faults.append((line, f"{name} belongs before the private headers"))
    if public != sorted(public):
        faults.append((rest[0][0], "public headers are not in order of their names"))
    for line, _, name in rest:
        if path.suffix == ".cpp" and name.endswith(f"/{path.stem}.h") and same_thing(path, name):
            faults.append((line, f"the own header {name} comes first"))
    return faults


def same_thing(path, name):
    """Whether header `name` is the one of source `path`: same room and folder."""
    folder = path.parent.as_posix().removeprefix("src/")
    return name.removeprefix("anomctl/").rsplit("/", 1)[0] == folder


def sources():
    for top in ("include", "src", "test"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".h", ".cpp", ".cu", ".cuh"):
                yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


TYPE = re.compile(r"^(?:struct|class|enum class) ([A-Z][A-Za-z0-9_]*)(?!\w|::)[^;\n]*\{", re.M)


def twice_declared(headers):
    """Types of one name in two headers: the linker takes either's members for both, and nothing warns."""
    places = {}
    for path, text in headers:
        for name in TYPE.findall(text):
            places.setdefault(name, []).append(str(path))
    return [f"{paths[1]}: {name} is declared in {paths[0]} too" for name, paths in places.items() if len(paths) > 1]


def check_tree():
    faults, long_files = [], []
    faults += twice_declared((path, text) for path, text in sources() if path.suffix == ".h")
    for path, text in sources():
        faults += [f"{path}:{line}: {message}" for line, message in check_source(path, text)]
        if SOFT_LINES < text.count("\n") <= HARD_LINES:
            long_files.append(f"{path} ({text.count(chr(10))})")
    if long_files:
        print(f"longer than {SOFT_LINES} lines: {', '.join(long_files)}")
    for fault in faults:
        print(fault)
    print(f"layers: {len(faults)} faults")
    return not faults


def self_test():
    """Each rule catches what it is for, and lets the right thing pass."""
    def faults(path, text):
        return [message for _, message in check_source(pathlib.PurePosixPath(path), text)]

    wrong = {
        "upward arrow": ("src/core/a.cpp", '#include "anomctl/data/csv.h"\n'),
        "private header of another room": ("src/roles/a.cpp", '#include "io/net/x.h"\n'),
        "libtorch outside its room": ("src/model/a.cpp", "#include <torch/torch.h>\n"),
        "Boost outside io": ("src/roles/a.cpp", "#include <boost/beast.hpp>\n"),
        "io folders see each other": ("src/io/mqtt/a.cpp", '#include "anomctl/io/metrics/m.h"\n'),
        "too long": ("src/core/a.cpp", "\n" * (HARD_LINES + 1)),
        "own header late": ("src/data/a.cpp", '#include "anomctl/core/x.h"\n#include "anomctl/data/a.h"\n'),
        "order of names": ("src/data/a.cpp", '#include "anomctl/data/z.h"\n#include "anomctl/core/x.h"\n'),
        "private before public": ("src/data/a.cpp", '#include "data/p.h"\n#include "anomctl/core/x.h"\n'),
        "unknown room": ("src/utils/a.cpp", ""),
    }
    right = {
        "downward arrow": ("src/data/a.cpp", '#include "anomctl/data/a.h"\n\n#include "anomctl/core/x.h"\n'),
        "io/net is shared": ("src/io/mqtt/a.cpp", '#include "anomctl/io/net/http.h"\n'),
        "own private header": ("src/data/a.cpp", '#include "anomctl/core/x.h"\n#include "data/p.h"\n'),
        "libtorch at home": ("src/mtad_gat/a.cpp", "#include <torch/nn.h>\n"),
    }
    bad = [name for name, case in wrong.items() if not faults(*case)]
    bad += [name for name, case in right.items() if faults(*case)]
    if not twice_declared([("a.h", "struct Row {\n"), ("b.h", "class Row : public X {\n")]):
        bad.append("type declared twice")
    if twice_declared([("a.h", "struct Row {\n"), ("b.h", "struct Row;\nstruct Rows {\n")]):
        bad.append("type declared once")
    for name in bad:
        print(f"the rule fails its own test: {name}")
    print(f"layers: {len(wrong) + len(right) + 2} rules tested, {len(bad)} wrong")
    return not bad


if __name__ == "__main__":
    good = self_test() if "--self-test" in sys.argv[1:] else check_tree()
    sys.exit(0 if good else 1)
