"""A container engine, and images made of programs of this machine in place of those of a registry."""

import io
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import time


def libraries(program):
    """The files that the loader takes in for it."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return set(re.findall(r"(/\S+) \(0x", shown))


class Engine:
    """The engine that runs here, else one started for the test (root) with its data below `folder`."""

    def __init__(self, folder):
        self.process = None
        if self.works():
            return
        with open(folder / "dockerd.log", "wb") as log:
            self.process = subprocess.Popen(["dockerd", "--data-root", folder / "engine"], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self.works():
            assert self.process.poll() is None and time.monotonic() < deadline, (folder / "dockerd.log").read_text()[-2000:]
            time.sleep(0.3)

    @staticmethod
    def missing():
        """Why there can be none, or nothing."""
        if not shutil.which("docker"):
            return "no container engine"
        if not Engine.works() and not (shutil.which("dockerd") and os.geteuid() == 0):
            return "no container engine runs, and none can be started"
        return None

    @staticmethod
    def works():
        return subprocess.run(["docker", "info"], capture_output=True).returncode == 0

    def image(self, tag, programs, files=()):
        """`programs` with their libraries in /usr/bin, `files` as {path: text}."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for folder, mode in (("tmp", 0o1777), ("data", 0o1777)):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, mode
                tar.addfile(entry)
            taken = set()
            for program in programs:
                tar.add(os.path.realpath(program), f"usr/bin/{pathlib.Path(program).name}")
                taken |= libraries(program)
            for library in sorted(taken):
                tar.add(os.path.realpath(library), library.lstrip("/"))
            for path, text in dict(files).items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(text), 0o755
                tar.addfile(entry, io.BytesIO(text.encode()))
        subprocess.run(["docker", "import", "-", tag], input=packed.getvalue(), check=True, capture_output=True)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)
