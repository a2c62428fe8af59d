"""Memories in files."""

import json
import pathlib
import struct

import attractor
import numpy as np
import pytest
from conftest import floats, signs


def memories(rng):
    patterns, contents = signs(rng, 5, 12), floats(rng, 5, 3)
    similarity = attractor.AdaptiveSimilarity(dot=rng.random((5, 6)), log_prior=floats(rng, 5), groups=2)
    return [
        attractor.Memory.hebbian(patterns, thresholds=floats(rng, 12), contents=contents),
        attractor.Memory.projection(patterns, ridge=0.25),
        attractor.Memory.storkey(patterns),
        attractor.Memory.bidirectional(patterns, 5),
        attractor.Memory.dense_associative(patterns, order=4),
        attractor.Memory.minerva(patterns, contents=contents),
        attractor.Memory.modern_hopfield(patterns, similarity="squared_distance", separation=attractor.entmax(1.25),
                                         log_prior=floats(rng, 5), contents=contents),
        attractor.Memory.exponential(patterns, beta=0.5),
        attractor.Memory.adaptive(patterns, similarity, contents=contents),
    ]


@pytest.mark.parametrize("which", range(9))
def test_a_memory_comes_back_bit_for_bit(rng, tmp_path, which):
    memory, queries = memories(rng)[which], floats(rng, 20, 12)
    for path in (tmp_path / "memory.safetensors", str(tmp_path / "a name like ξ.safetensors")):
        attractor.save(memory, path)
        loaded = attractor.load(path)
        assert loaded.rule == memory.rule
        np.testing.assert_array_equal(loaded.patterns, memory.patterns)
        expected, result = attractor.Relaxer(memory).relax(queries), attractor.Relaxer(loaded).relax(queries)
        np.testing.assert_array_equal(result.states, expected.states)
        np.testing.assert_array_equal(result.steps, expected.steps)
        if memory.content_dimension:
            np.testing.assert_array_equal(result.contents, expected.contents)


def test_other_programs_can_read_a_file(rng, tmp_path):
    patterns = signs(rng, 5, 12)
    path = tmp_path / "memory.safetensors"
    attractor.save(attractor.Memory.hebbian(patterns), path)
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:8 + size])["patterns"]
    begin, end = entry["data_offsets"]
    stored = np.frombuffer(data[8 + size:][begin:end], dtype="<f4").reshape(entry["shape"])
    np.testing.assert_array_equal(stored, patterns)


def test_no_memory(rng, tmp_path):
    missing = tmp_path / "missing.safetensors"
    with pytest.raises(attractor.FileError, match="missing.safetensors"):
        attractor.load(missing)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no tensors")
    with pytest.raises(OSError, match="broken.safetensors"):
        attractor.load(broken)
    with pytest.raises(attractor.FileError):
        attractor.save(attractor.Memory.hebbian(signs(rng, 1, 2)), pathlib.Path(tmp_path) / "no" / "such" / "folder")


def test_tensors_of_others(rng, tmp_path):
    """A file as other libraries write it: tensors of their names, and no word of memories."""
    patterns, contents = floats(rng, 5, 12), floats(rng, 5, 3).astype(np.float16)
    header = json.dumps({"weight": {"dtype": "F32", "shape": [5, 12], "data_offsets": [0, 240]},
                         "labels": {"dtype": "F16", "shape": [5, 3], "data_offsets": [240, 270]}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + patterns.tobytes() + contents.tobytes())
    memory = attractor.load(path, rule="exponential(beta = 0.5)", patterns="weight", contents="labels")
    assert memory.kind == "exponential"
    np.testing.assert_array_equal(memory.patterns, patterns)
    np.testing.assert_array_equal(memory.contents, contents)
    with pytest.raises(attractor.FileError, match="no tensor patterns"):
        attractor.load(path, rule="exponential")
    with pytest.raises(attractor.InvalidArgument, match="no rule"):
        attractor.load(path, patterns="weight")


def test_damage_is_noticed(rng, tmp_path):
    path = tmp_path / "memory.safetensors"
    attractor.save(attractor.Memory.hebbian(signs(rng, 3, 20)), path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(attractor.FileError, match="checksum"):
        attractor.load(path)
