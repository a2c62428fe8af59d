"""What is refused: the exceptions are Python's own kinds too, and name the values."""

import attractor
import numpy as np
import pytest
from conftest import floats, signs


def test_kinds():
    assert issubclass(attractor.InvalidArgument, (attractor.Error, ValueError))
    assert issubclass(attractor.InvalidArgument, ValueError)
    assert issubclass(attractor.DependentPatterns, attractor.InvalidArgument)
    assert issubclass(attractor.NotSupported, NotImplementedError)
    assert issubclass(attractor.FileError, OSError)
    assert issubclass(attractor.DeviceError, RuntimeError)
    assert issubclass(attractor.OutOfDeviceMemory, MemoryError) and issubclass(
        attractor.OutOfDeviceMemory, attractor.DeviceError)
    for name in ("InvalidArgument", "NotSupported", "FileError", "DeviceError"):
        assert issubclass(getattr(attractor, name), attractor.Error)
    assert attractor.DeviceError("cudaMalloc failed", 2).code == 2


@pytest.mark.parametrize("make, message", [
    (lambda a: attractor.Memory.hebbian(a, rate=0), "learning rate"),
    (lambda a: attractor.Memory.hebbian(a, evaluation="denze"),
     "evaluation is 'denze'; it must be one of automatic, factored, dense"),
    (lambda a: attractor.Memory.hebbian(a, thresholds=[1.0]), "1 thresholds for its dimension of 10"),
    (lambda a: attractor.Memory.projection(a, ridge=-1), "ridge"),
    (lambda a: attractor.Memory.bidirectional(a, 10), "10 neurons of a dimension of 10"),
    (lambda a: attractor.Memory.dense_associative(a, order=31), "order is 31"),
    (lambda a: attractor.Memory.modern_hopfield(a, beta=0), "beta is 0"),
    (lambda a: attractor.Memory.modern_hopfield(a, similarity="dots"), "similarity is 'dots'"),
    (lambda a: attractor.Memory.modern_hopfield(a, precision="quick"), "precision is 'quick'; .* full, fast"),
    (lambda a: attractor.Memory.modern_hopfield(a, precision="fast", similarity="cosine"), "the similarity is cosine"),
    (lambda a: attractor.Memory.modern_hopfield(a, separation=attractor.entmax(3)), "alpha of entmax is 3"),
    (lambda a: attractor.Memory.modern_hopfield(a, separation=attractor.epanechnikov()), "epanechnikov"),
    (lambda a: attractor.Memory.modern_hopfield(a, log_prior=[0, 0]), "2 log-priors for 3 patterns"),
    (lambda a: attractor.Memory.modern_hopfield(a, contents=a[:2]), "contents have 2 rows for 3 patterns"),
    (lambda a: attractor.Memory.hebbian(a[:, :0]), r"patterns have the shape \[3, 0\]"),
    (lambda a: attractor.Memory.hebbian(a * np.nan), "row 0, column 0 is -?nan"),
    (lambda a: attractor.Memory.adaptive(a, attractor.AdaptiveSimilarity(dot=np.ones(9))), "9 ranks; .* 10 has 10"),
    (lambda a: attractor.Memory.adaptive(a, attractor.AdaptiveSimilarity(dot=np.ones((2, 5)))), "5 ranks; .* 10 has 10"),
    (lambda a: attractor.Memory.adaptive(a, attractor.AdaptiveSimilarity()), "a similarity needs rank weights"),
    (lambda a: attractor.AdaptiveSimilarity(dot=[1.0], precision="bits4"), "precision is 'bits4'"),
    (lambda a: attractor.AdaptiveSimilarity(dot=[1.0], squared_distance=[1.0, 2.0]), "2 ranks .* and 1"),
    (lambda a: attractor.Relaxer(attractor.Memory.hebbian(a), max_steps=0), "max_steps is 0"),
    (lambda a: attractor.Relaxer(attractor.Memory.hebbian(a), threads=-1), "threads is -1"),
    (lambda a: attractor.Relaxer(attractor.Memory.hebbian(a), update=attractor.blend_update(2)), "rate is 2"),
    (lambda a: attractor.Relaxer(attractor.Memory.hebbian(a), devices=[]), "none was given"),
    (lambda a: attractor.Relaxer(attractor.Memory.hebbian(a)).relax(a, clamped=np.ones((2, 10), bool)),
     r"clamped neurons have the shape \[2, 10\], the queries \[3, 10\]"),
    (lambda a: attractor.Relaxer(attractor.Memory.exponential(a)).relax(a, betas=[1.0, -1.0]), r"betas\[1\] is -1"),
    (lambda a: attractor.retrieve(attractor.Memory.exponential(a), a, count=4), "4 patterns were asked for"),
    (lambda a: attractor.nearest(attractor.Memory.hebbian(a), a, count=0), "0 patterns were asked for"),
    (lambda a: attractor.Memory.hebbian(a).forget([3]), "pattern 3 can't be forgotten"),
    (lambda a: attractor.Memory.hebbian(a).forget([1, 1]), "1 .* twice"),
    (lambda a: attractor.Memory.hebbian(a).imprint(a[:, :9]), "patterns have 9 columns"),
    (lambda a: attractor.Memory.hebbian(a).imprint(a, a), "contents were given, but the memory has none"),
    (lambda a: attractor.Heads([]), "."),
    (lambda a: attractor.make_variants(a, -1), "-1"),
    (lambda a: attractor.make_variants(a, 1, attractor.VariantOptions(severity=-1)), "severity is -1"),
    (lambda a: attractor.VariantOptions(variant="noise"), "variant is 'noise'"),
    (lambda a: attractor.footprint(a, a, base="cosine"), "base is 'cosine'"),
    (lambda a: attractor.footprint(a, a, pairs=[(0, 3)]), "3"),
    (lambda a: attractor.fit_similarity(a, a, [0, 1, 3]), "origin 2 is 3; there are 3 patterns"),
    (lambda a: attractor.fit_similarity(a, a, [0, 1]), "2 origins for 3 queries"),
    (lambda a: attractor.fit_similarity(a, a, [0, 1, 2], optimiser="sgd"), "optimiser is 'sgd'"),
])
def test_arguments_out_of_range(rng, make, message):
    with pytest.raises(attractor.InvalidArgument, match=message):
        make(signs(rng, 3, 10))


def test_dependent_patterns(rng):
    patterns = signs(rng, 3, 10)
    with pytest.raises(attractor.DependentPatterns, match="pattern 3"):
        attractor.Memory.projection(np.vstack([patterns, patterns[:1]]))


def test_what_no_memory_of_a_kind_does(rng):
    patterns = signs(rng, 3, 10)
    for refused in (lambda: attractor.retrieve(attractor.Memory.hebbian(patterns), patterns),
                    lambda: attractor.recall(attractor.Memory.storkey(patterns), patterns),
                    lambda: attractor.Relaxer(attractor.Memory.exponential(patterns),
                                              update=attractor.asynchronous_sign_update()),
                    lambda: attractor.Relaxer(attractor.Memory.hebbian(patterns)).relax(patterns, betas=[1.0])):
        with pytest.raises(attractor.NotSupported):
            refused()


def test_devices(rng):
    cpu = attractor.Device.cpu()
    assert cpu == attractor.Device.cpu() and hash(cpu) == hash(attractor.Device.cpu()) and cpu != "cpu"
    assert (cpu.kind, cpu.index) == ("cpu", 0) and cpu.description.startswith("cpu (")
    assert attractor.Device.cuda_count() == len(attractor.Device.cuda_devices())
    if attractor.Device.cuda_count() == 0:
        assert attractor.Device.best() == cpu
        with pytest.raises(attractor.Error):
            attractor.Device.cuda()
    memory = attractor.Memory.hebbian(signs(rng, 3, 10), device=cpu)
    assert memory.device == cpu
    np.testing.assert_array_equal(memory.copy_to(cpu).patterns, memory.patterns)


def test_arguments_of_no_such_name_or_type(rng):
    patterns = signs(rng, 3, 10)
    for wrong in (lambda: attractor.Memory.hebbian(patterns, ridge=1.0),
                  lambda: attractor.Memory.hebbian(patterns, False),
                  lambda: attractor.Memory.hebbian(patterns, device="cpu"),
                  lambda: attractor.Relaxer(patterns),
                  lambda: attractor.Memory(),
                  lambda: attractor.Relaxer(attractor.Memory.hebbian(patterns), update="tanh")):
        with pytest.raises(TypeError):
            wrong()


def test_nothing_changes_when_a_call_is_refused(rng):
    patterns = floats(rng, 3, 10)
    memory = attractor.Memory.hebbian(patterns)
    for refused in (lambda: memory.imprint(np.full((1, 10), np.inf)), lambda: memory.forget([0, 0])):
        with pytest.raises(attractor.InvalidArgument):
            refused()
        np.testing.assert_array_equal(memory.patterns, patterns)
