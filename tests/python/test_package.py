"""What the package itself promises: names, stubs and documentation."""

import importlib.metadata
import pathlib
import re
import subprocess
import sys
import sysconfig

import attractor
import numpy as np
import pytest

PROJECT = pathlib.Path(__file__).parents[2]
PACKAGE = pathlib.Path(attractor.__file__).parent


def test_versions():
    declared = re.search(r"project\(attractor VERSION ([0-9.]+)", (PROJECT / "CMakeLists.txt").read_text())[1]
    assert attractor.__version__ == declared == importlib.metadata.version("attractor")


def test_everything_public_is_exported_and_described():
    core = {name for name in dir(attractor._core) if not name.startswith("_")}
    assert core - {"VERSION"} | {"Array", "__version__"} <= set(attractor.__all__)
    for name in attractor.__all__:
        assert name == "__version__" or getattr(attractor, name).__doc__, name


def test_stubs_name_everything_and_types():
    stub = (PACKAGE / "_core.pyi").read_text()
    assert (PACKAGE / "py.typed").exists()
    for name in attractor.__all__:
        if hasattr(attractor._core, name):
            assert re.search(rf"^( {{4}})?(class|def) {name}\b", stub, re.MULTILINE), name
    compile(stub, "_core.pyi", "exec")
    assert "attractor.Array" in stub


def test_the_extension_shows_nothing_but_itself():
    if sys.platform != "linux":
        pytest.skip("symbols are read by nm")
    listing = subprocess.run(["nm", "--dynamic", "--defined-only", "--demangle", attractor._core.__file__],
                             check=True, capture_output=True, text=True).stdout
    assert "PyInit__core" in listing
    assert not re.search(r"\battractor::", listing)


def test_the_command_comes_along(tmp_path):
    command = pathlib.Path(sysconfig.get_path("scripts")) / "attractor"

    def run(*words):
        return subprocess.run([command, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert run("--version") == attractor.__version__ + "\n"
    patterns = np.sign(np.random.default_rng(1).standard_normal((8, 128))).astype(np.float32)
    memory = attractor.Memory.hebbian(patterns)
    attractor.save(memory, tmp_path / "memory.safetensors")
    np.save(tmp_path / "queries.npy", 0.5 * patterns)
    run("relax", "memory.safetensors", "queries.npy", "-o", "states.npy", "--quiet", "--device", "cpu")
    expected = attractor.Relaxer(memory).relax(0.5 * patterns).states
    assert np.array_equal(np.load(tmp_path / "states.npy"), expected)
