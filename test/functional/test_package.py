"""The installed tree can be moved, brings the libraries that a bare Debian lacks, and runs where nothing else is."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

# What every Debian has: glibc and the compiler's runtime.
SYSTEM = re.compile(r"^(ld-linux-x86-64|libc|libm|libdl|librt|libpthread|libresolv|libgcc_s|libstdc\+\+|linux-vdso)\.so")


@pytest.fixture(scope="module")
def tree(binary, tmp_path_factory):
    """The installed tree, moved to another place after the installation."""
    folder = tmp_path_factory.mktemp("install")
    done = subprocess.run(["cmake", "--install", binary.parents[1], "--prefix", folder / "first"], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "first").rename(folder / "moved")
    return folder / "moved"


def run(tree, *arguments):
    return subprocess.run([tree / "bin/anomctl", *arguments], capture_output=True, text=True, timeout=60, cwd=tree,
                          env={"HOME": str(tree)})


def test_the_moved_program_runs(tree):
    assert run(tree, "--version").stdout.startswith("anomctl ")
    assert run(tree, "doctor").returncode == 0


def test_the_tree_holds_what_people_look_for(tree):
    for file in ("share/man/man1/anomctl.1.gz", "share/bash-completion/completions/anomctl",
                 "share/zsh/vendor-completions/_anomctl", "share/fish/vendor_completions.d/anomctl.fish",
                 "share/doc/anomctl/LICENSE", "share/doc/anomctl/NOTICE", "share/doc/anomctl/docs/commands.md",
                 "share/anomctl/configs/doctor.toml", "share/anomctl/compose/docker-compose.yml"):
        assert (tree / file).stat().st_size > 0, file
    assert not list((tree / "share/anomctl/compose").rglob("secrets"))


def test_all_libraries_come_from_the_tree_or_from_every_debian(tree):
    listed = subprocess.run(["ldd", tree / "bin/anomctl"], capture_output=True, text=True, timeout=20, check=True).stdout
    for line in listed.splitlines():
        name = pathlib.Path(line.split()[0]).name
        assert "not found" not in line, line
        assert SYSTEM.match(name) or str(tree) in line, line


def test_nothing_in_the_tree_points_to_the_place_of_the_build(tree, binary):
    for file in [tree / "bin/anomctl", *tree.glob("lib/anomctl/**/*.so*")]:
        dynamic = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, timeout=20, check=True).stdout
        for path in re.findall(r"(?:RUNPATH|RPATH).*\[(.*)\]", dynamic):
            assert all(part.startswith("$ORIGIN") for part in path.split(":")), f"{file}: {path}"


def test_it_runs_with_nothing_but_the_tree_and_glibc(tree, tmp_path):
    """A root folder of only this tree and the libraries that every Debian has: no other package's file is touched."""
    chroot = shutil.which("chroot", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    enter = [chroot] if os.geteuid() == 0 else ["unshare", "-r", chroot]
    if subprocess.run([*enter, "/", "true"], capture_output=True, timeout=20).returncode != 0:
        pytest.skip("neither root nor user namespaces: cannot change the root folder")
    root = tmp_path / "root"
    shutil.copytree(tree, root / "opt/anomctl", symlinks=True)
    listed = subprocess.run(["ldd", tree / "bin/anomctl"], capture_output=True, text=True, timeout=20, check=True).stdout
    for name, path in re.findall(r"(\S+)(?: => (\S+))? \(0x", listed):
        source = pathlib.Path(path or name)
        if SYSTEM.match(pathlib.Path(name).name) and source.is_absolute():
            target = root / "lib64" / source.name if "ld-linux" in source.name else root / "lib/x86_64-linux-gnu" / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source.resolve(), target)
    (root / "tmp").mkdir()
    # The loader reads $ORIGIN here; a real /proc would need the right to mount.
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/exe").symlink_to("/opt/anomctl/bin/anomctl")
    for arguments in (["--version"], ["--help"], ["reference"],
                      ["set-auth", "--generate", "--output", "/tmp/secrets"], ["doctor", "--json"]):
        done = subprocess.run([*enter, root, "/opt/anomctl/bin/anomctl", *arguments], capture_output=True, text=True,
                              timeout=60, env={"HOME": "/tmp"})
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    assert (root / "tmp/secrets/mosquitto_users").stat().st_size > 0


def test_the_debian_package_depends_on_what_the_program_is_linked_with(binary, tmp_path):
    done = subprocess.run(["cpack", "-G", "DEB", "--config", binary.parents[1] / "CPackConfig.cmake", "-B", tmp_path,
                           "-D", f"CPACK_OUTPUT_FILE_PREFIX={tmp_path}"],
                          capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    package = next(tmp_path.glob("*.deb"))
    depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True).stdout
    named = {part.split()[0] for part in depends.split(",")}
    needed = re.findall(r"NEEDED\s+(\S+)", subprocess.run(["objdump", "-p", binary], capture_output=True, text=True,
                                                          check=True).stdout)
    for library in needed:
        if SYSTEM.match(library):
            continue
        owner = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, check=True).stdout
        assert owner.split(":")[0] in named, library
