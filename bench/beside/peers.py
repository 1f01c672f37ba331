"""The peers' own environments under bench/.peers, made on first use; picojoule never needs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parents[1] / ".peers"
PINNED = {"accelforge": ("3.12", ("accelforge==1.0.467",)), "zigzag": ("3.11", ("zigzag-dse==3.9.1", "six"))}


def python_of(peer: str) -> str | None:
    """The interpreter of the peer's environment; None, with the reason printed, where it cannot be made.

    PICOJOULE_BENCH_ACCELFORGE=/path/to/python uses an environment that exists.
    """
    given = os.environ.get(f"PICOJOULE_BENCH_{peer.upper()}")
    if given:
        return given
    version, packages = PINNED[peer]
    python = HERE / peer / "bin" / "python"
    if (HERE / peer / "complete").exists():
        return str(python)
    base = _interpreter(version)
    if base is None:
        print(f"{peer} is left out: it needs Python {version} or newer, and none is on the PATH")
        return None
    print(f"installing {' '.join(packages)} for the comparison ...", flush=True)
    for command in (
        [base, "-m", "venv", str(HERE / peer)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{peer} is left out: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
            return None
    (HERE / peer / "complete").write_text(" ".join(packages) + "\n")
    return str(python)


def _interpreter(oldest: str) -> str | None:
    """A Python of this version or one of the next two, on the PATH or from pyenv."""
    major, minor = map(int, oldest.split("."))
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for m in range(minor, minor + 3):
        found = [shutil.which(f"python{major}.{m}"), *map(str, sorted(versions.glob(f"{major}.{m}.*/bin/python")))]
        for python in filter(None, found):
            if subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
                return python
    return None
