"""Arrays in the memory of a CUDA device, by DLPack."""

import sys
import types

import attractor
import numpy as np
import pytest
from conftest import floats, signs
from device_arrays import DeviceArray, cudart, exported

pytestmark = [pytest.mark.cuda,
              pytest.mark.skipif(cudart is None or attractor.Device.cuda_count() == 0,
                                 reason="no CUDA device that this build has code for, or no libcudart.so.13")]


@pytest.fixture
def device():
    return attractor.Device.cuda()


@pytest.fixture
def relaxer(rng, device):
    memory = attractor.Memory.modern_hopfield(floats(rng, 9, 12), contents=floats(rng, 9, 3), device=device)
    return attractor.Relaxer(memory, max_steps=5, energy_trace=True)


RESULTS = {"steps": np.int32, "energies": np.float32, "status": np.uint8, "energy_trace": np.float32,
           "contents": np.float32}


def results_of(relaxer, queries, make, **options):
    """All results, in arrays that `make` makes of zeros, as NumPy's."""
    shapes = {"steps": (7,), "energies": (7,), "status": (7,), "energy_trace": (7, 5), "contents": (7, 3)}
    states = make(np.zeros((7, 12), np.float32))
    others = {name: make(np.zeros(shapes[name], dtype)) for name, dtype in RESULTS.items()}
    relaxer.relax_into(queries, states, **others, **options)
    return {name: array if isinstance(array, np.ndarray) else array.numpy()
            for name, array in {"states": states, **others}.items()}


def test_queries_masks_and_results_on_the_device(rng, relaxer):
    queries, log_prior = floats(rng, 7, 12), floats(rng, 7, 9)
    clamped, valid = rng.random((7, 12)) < 0.3, rng.random((7, 9)) < 0.7
    valid[:, 0] = True
    options = {"clamped": clamped, "valid_patterns": valid, "log_prior": log_prior}
    expected = results_of(relaxer, queries, lambda zeros: zeros, **options)
    on_device = {name: DeviceArray(array) for name, array in options.items()}
    found = results_of(relaxer, DeviceArray(queries), DeviceArray, **on_device)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert expected["states"].any() and expected["contents"].any()


class TorchTensor(DeviceArray):
    """As PyTorch's: room of the same device by a method."""

    __module__ = "torch"

    def new_empty(self, shape, dtype):
        return TorchTensor(np.full(shape, 77, dtype), device=self._place[1])


class CupyArray(DeviceArray):
    """As CuPy's: room on the device that is current, as a context."""

    __module__ = "cupy"

    @property
    def device(self):
        return Current(self._place[1])


class Current:
    """A device that is CuPy's while the context lasts."""

    device = None

    def __init__(self, device):
        self._device = device

    def __enter__(self):
        Current.device = self._device

    def __exit__(self, *_):
        Current.device = None


@pytest.fixture
def libraries(monkeypatch):
    """What PyTorch and CuPy have of types and room."""
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(float32="f4", int32="i4", int64="i8", uint8="u1"))
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(
        empty=lambda shape, dtype: CupyArray(np.full(shape, 77, dtype), device=Current.device)))


@pytest.mark.parametrize("kind", [TorchTensor, CupyArray])
def test_results_are_on_the_device_where_queries_are(rng, relaxer, kind, libraries):
    queries = floats(rng, 7, 12)
    expected = results_of(relaxer, queries, lambda zeros: zeros)
    result = relaxer.relax(kind(queries))
    for name, array in expected.items():
        found = getattr(result, name)
        assert type(found) is kind
        np.testing.assert_array_equal(found.numpy(), array, err_msg=name)
    plain = attractor.Relaxer(attractor.Memory.hebbian(signs(rng, 3, 12), device=attractor.Device.cuda()))
    result = plain.relax(kind(queries))
    assert type(result.states) is kind
    assert result.energies is None and result.energy_trace is None and result.contents is None


@pytest.mark.parametrize("kind", [TorchTensor, CupyArray])
def test_retrieval_is_on_the_device_where_queries_are(rng, relaxer, kind, libraries):
    queries, log_prior = floats(rng, 7, 12), floats(rng, 7, 9)
    valid = rng.random((1, 9)) < 0.7
    expected = attractor.retrieve(relaxer.memory, queries, count=3, valid_patterns=valid, log_prior=log_prior)
    found = attractor.retrieve(relaxer.memory, kind(queries), count=3, valid_patterns=kind(valid),
                               log_prior=kind(log_prior))
    assert type(found.pattern) is kind and type(found.posterior) is kind
    np.testing.assert_array_equal(found.pattern.numpy(), expected.pattern)
    np.testing.assert_array_equal(found.posterior.numpy(), expected.posterior)
    found = attractor.retrieve(relaxer.memory, kind(queries), posteriors=False)
    np.testing.assert_array_equal(found.pattern.numpy(), attractor.retrieve(relaxer.memory, queries).pattern)
    assert found.posterior is None


def test_retrieval_of_other_libraries_queries_is_on_the_host(rng, relaxer):
    queries = floats(rng, 7, 12)
    found = attractor.retrieve(relaxer.memory, DeviceArray(queries))
    assert isinstance(found.pattern, np.ndarray) and isinstance(found.posterior, np.ndarray)
    np.testing.assert_array_equal(found.pattern, attractor.retrieve(relaxer.memory, queries).pattern)


@pytest.mark.parametrize("kind", [TorchTensor, CupyArray])
def test_footprints_are_on_the_device_where_queries_are(rng, device, kind, libraries):
    patterns, queries = floats(rng, 4, 12), floats(rng, 3, 12)
    for options in ({}, {"base": "dot", "cumulative": False}, {"pairs": [(2, 1), (0, 3)]}):
        expected = attractor.footprint(patterns, queries, device=device, **options)
        found = attractor.footprint(kind(patterns), kind(queries), device=device, **options)
        assert type(found) is kind
        np.testing.assert_array_equal(found.numpy(), expected)
        on_host = attractor.footprint(kind(patterns), queries, device=device, **options)
        np.testing.assert_array_equal(on_host, expected)


def test_footprints_of_other_libraries_queries_are_on_the_host(rng, device):
    patterns, queries = floats(rng, 4, 12), floats(rng, 3, 12)
    found = attractor.footprint(DeviceArray(patterns), DeviceArray(queries), device=device)
    np.testing.assert_array_equal(found, attractor.footprint(patterns, queries, device=device))


def test_fits_of_arrays_on_the_device(rng, device):
    patterns = floats(rng, 4, 6)
    origins = np.arange(20) % 4
    queries = patterns[origins] + 0.3 * floats(rng, 20, 6)
    arrays = [DeviceArray(array) for array in (patterns, queries, origins)]
    options = {"epochs": 3, "log_prior": True, "device": device}
    expected = attractor.fit_similarity(patterns, queries, origins, **options).similarity
    found = attractor.fit_similarity(*arrays, **options).similarity
    for name in ("squared_distance", "dot", "log_prior"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    loss = attractor.cross_entropy(patterns, expected, queries, origins, device=device)
    assert attractor.cross_entropy(arrays[0], expected, arrays[1], arrays[2], device=device) == loss
    variants = attractor.VariantOptions(severity=0.3)
    from_host = attractor.fit_similarity(patterns, variants, 30, **options).similarity
    np.testing.assert_array_equal(attractor.fit_similarity(arrays[0], variants, 30, **options).similarity.dot,
                                  from_host.dot)


def test_origins_that_would_have_to_be_converted_are_refused(rng, device):
    patterns = floats(rng, 4, 6)
    with pytest.raises(attractor.NotSupported, match="origins on a device are taken as they are: of int64"):
        attractor.fit_similarity(patterns, patterns, DeviceArray(np.arange(4, dtype=np.int32)), device=device)


def test_results_of_other_libraries_queries_are_on_the_host(rng, relaxer):
    queries = floats(rng, 7, 12)
    states = relaxer.relax(DeviceArray(queries)).states
    assert isinstance(states, np.ndarray)
    np.testing.assert_array_equal(states, relaxer.relax(queries).states)


@pytest.mark.parametrize("make", [attractor.Memory.hebbian, attractor.Memory.storkey, attractor.Memory.modern_hopfield])
def test_patterns_on_the_device(rng, device, make):
    patterns, queries = signs(rng, 4, 24), floats(rng, 5, 24)
    expected = attractor.Relaxer(make(patterns, device=device)).relax(queries).states
    memory = make(DeviceArray(patterns), device=device)
    np.testing.assert_array_equal(memory.patterns, patterns)
    np.testing.assert_array_equal(attractor.Relaxer(memory).relax(queries).states, expected)


def test_rows_that_lie_apart(rng, relaxer):
    wide = floats(rng, 7, 20)
    states = DeviceArray(np.zeros((7, 16), np.float32), columns=12)
    relaxer.relax_into(DeviceArray(wide, columns=12), states)
    expected = relaxer.relax(wide[:, :12]).states
    np.testing.assert_array_equal(states.numpy()[:, :12], expected)
    assert not states.numpy()[:, 12:].any()


def test_what_would_have_to_be_converted_is_refused(rng, relaxer):
    queries = floats(rng, 7, 24)
    for wrong in (DeviceArray(queries[:, :12].astype(np.float64)), DeviceArray(queries, columns=12, step=2),
                  DeviceArray(signs(rng, 7, 12).astype(np.int8))):
        with pytest.raises(attractor.NotSupported, match="queries on a device are taken as they are: of float32"):
            relaxer.relax(wrong)
    with pytest.raises(attractor.NotSupported, match="clamped neurons on a device are taken as they are: of bytes"):
        relaxer.relax(queries[:, :12], clamped=DeviceArray(np.zeros((7, 12), np.int32)))


def test_read_only_arrays(rng, relaxer):
    queries = floats(rng, 7, 12)
    states = relaxer.relax(DeviceArray(queries, read_only=True)).states
    np.testing.assert_array_equal(states, relaxer.relax(queries).states)
    with pytest.raises(TypeError, match="states must be an array that can be written"):
        relaxer.relax_into(queries, DeviceArray(np.zeros((7, 12), np.float32), read_only=True))


def test_exporters_are_asked_for_the_legacy_default_stream(rng, relaxer):
    """That one the library waits for; the protocol names it 1, and so does no stream at all."""
    queries, states = DeviceArray(floats(rng, 7, 12)), DeviceArray(np.zeros((7, 12), np.float32))
    relaxer.relax_into(queries, states)
    assert queries.streams and states.streams and set(queries.streams + states.streams) <= {None, 1}


def test_arrays_are_given_back(rng, relaxer):
    queries = DeviceArray(floats(rng, 7, 12))
    relaxer.relax(queries)
    with pytest.raises(attractor.InvalidArgument):
        relaxer.relax(DeviceArray(floats(rng, 7, 11)))
    assert not exported


def test_arrays_of_another_device(rng, relaxer):
    if attractor.Device.cuda_count() < 2:
        pytest.skip("there is one CUDA device, so none is another one")
    with pytest.raises(attractor.InvalidArgument, match="queries are on CUDA device 1, this call works on device 0"):
        relaxer.relax(DeviceArray(floats(rng, 7, 12), device=1))


def test_calls_that_work_on_the_host(rng, relaxer, device):
    queries, patterns = DeviceArray(floats(rng, 7, 12)), floats(rng, 9, 12)
    on_host = attractor.Memory.modern_hopfield(patterns, device=attractor.Device.cpu())
    for call in (lambda: attractor.Relaxer(on_host).relax(queries),
                 lambda: attractor.Memory.hebbian(queries, device=attractor.Device.cpu()),
                 lambda: attractor.retrieve(on_host, queries), lambda: attractor.recall(relaxer.memory, queries),
                 lambda: attractor.nearest(relaxer.memory, queries),
                 lambda: attractor.footprint(patterns, queries, device=attractor.Device.cpu()),
                 lambda: attractor.fit_similarity(patterns, queries, [0] * 7, device=attractor.Device.cpu())):
        with pytest.raises(attractor.NotSupported, match="are not in host memory; copy them there"):
            call()
