"""How calls run: beside other threads, ended by signals and stops, telling how far they are."""

import builtins
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import attractor
import numpy as np
import pytest
from conftest import floats, signs


def endless(rng, batch, **options):
    """A call that nobody waits for the end of."""
    memory = attractor.Memory.modern_hopfield(floats(rng, 500, 64))
    relaxer = attractor.Relaxer(memory, halting=attractor.fixed_steps(), max_steps=2**31 - 1, **options)
    return lambda **call: relaxer.relax(floats(rng, batch, 64), **call)


def in_a_thread(work):
    """Starts it; the list it gives gets what comes of it."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001: the test looks at it.
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


@pytest.mark.parametrize("batch", [1, 100])
def test_other_threads_go_on_until_a_call_is_stopped(rng, batch):
    stop, call = attractor.StopSource(), endless(rng, batch)
    thread, outcome = in_a_thread(lambda: call(stop=stop))
    turns = 0
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        turns += 1
    assert thread.is_alive()
    assert turns > 1000
    assert not stop.stop_requested and stop.request_stop() and not stop.request_stop()
    thread.join(60)
    assert not thread.is_alive()
    assert (outcome[0].status == attractor.Status.cancelled).all()


def test_a_call_that_was_stopped_before_does_nothing(rng):
    stop = attractor.StopSource()
    stop.request_stop()
    assert (endless(rng, 5)(stop=stop).status == attractor.Status.cancelled).all()


@pytest.fixture(autouse=True)
def heeds_ctrl_c():
    """Also where these tests run in the background, which shells have ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_after(seconds):
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize("batch", [1, 1000])
def test_ctrl_c_ends_a_relaxation(rng, batch):
    call = endless(rng, batch)
    begin = time.monotonic()
    timer = interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        call()
    timer.join()
    assert time.monotonic() - begin < 60
    # All is as before.
    memory = attractor.Memory.hebbian(signs(rng, 2, 8))
    assert attractor.Relaxer(memory).relax(memory.patterns).states.shape == (2, 8)


def test_ctrl_c_ends_heads_and_fits(rng):
    memory = attractor.Memory.modern_hopfield(floats(rng, 500, 32))
    relaxer = attractor.Relaxer(memory, halting=attractor.fixed_steps(), max_steps=2**31 - 1)
    calls = [lambda: attractor.Heads([relaxer, relaxer]).relax(floats(rng, 3, 64)),
             lambda: attractor.fit_similarity(floats(rng, 100, 64), attractor.VariantOptions(severity=1.0), 2000,
                                              optimiser="adam", rate=1e-6, held_out=0.0, epochs=2**31 - 1)]
    for call in calls:
        timer = interrupt_after(0.3)
        with pytest.raises(KeyboardInterrupt):
            call()
        timer.join()


def test_any_signal_handler_may_raise(rng):
    class Alarm(Exception):
        pass

    def ring(number, frame):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Alarm):
            endless(rng, 3)()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_handler_that_returns_changes_nothing(rng):
    calls = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: calls.append(number))
    memory = attractor.Memory.modern_hopfield(floats(rng, 300, 32))
    relaxer = attractor.Relaxer(memory, halting=attractor.fixed_steps(), max_steps=3000)
    queries = floats(rng, 300, 32)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        result = relaxer.relax(queries)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls and (result.status == attractor.Status.max_steps).all()


@pytest.mark.parametrize("batch, dimension", [(1, 8), (3000, 40)])
@pytest.mark.parametrize("threads", [1, 3])
def test_progress(rng, batch, dimension, threads):
    memory = attractor.Memory.hebbian(signs(rng, 3, dimension))
    seen = []
    attractor.Relaxer(memory, threads=threads).relax(
        floats(rng, batch, dimension), progress=lambda finished, total: seen.append((finished, total)))
    assert seen[-1] == (batch, batch)
    assert seen == sorted(seen)
    assert len(seen) > (50 if batch > 1000 else 0)


def test_what_progress_raises_ends_the_call(rng):
    def fail(finished, total):
        raise LookupError("no more")

    for batch in (1, 3000):
        memory = attractor.Memory.hebbian(signs(rng, 3, 40))
        with pytest.raises(LookupError, match="no more"):
            attractor.Relaxer(memory).relax(floats(rng, batch, 40), progress=fail)


@pytest.mark.parametrize("wish", [None, False])
def test_no_progress(rng, wish, capsys):
    attractor.Relaxer(attractor.Memory.hebbian(signs(rng, 3, 40))).relax(floats(rng, 30, 40), progress=wish)
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_or_a_function(rng):
    relaxer = attractor.Relaxer(attractor.Memory.hebbian(signs(rng, 3, 40)))
    for wrong in (1, "yes", []):
        with pytest.raises(TypeError, match="progress must be True"):
            relaxer.relax(floats(rng, 30, 40), progress=wrong)


def test_a_bar_with_tqdm(rng, capsys):
    pytest.importorskip("tqdm", reason="tqdm isn't installed")
    attractor.Relaxer(attractor.Memory.hebbian(signs(rng, 3, 40))).relax(floats(rng, 30, 40), progress=True)
    error = capsys.readouterr().err
    assert "100%" in error and "30/30" in error


def test_a_bar_without_tqdm(rng, capsys, monkeypatch):
    real_import = builtins.__import__

    def no_tqdm(name, *arguments, **options):
        if name.split(".")[0] == "tqdm":
            raise ImportError(name)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", no_tqdm)
    attractor.Relaxer(attractor.Memory.hebbian(signs(rng, 3, 40))).relax(floats(rng, 30, 40), progress=True)
    assert capsys.readouterr().err.endswith("\r100 % (30 of 30 queries)\n")


def test_threads_may_change_a_memory_that_others_use(rng):
    patterns = signs(rng, 4, 64)
    memory = attractor.Memory.modern_hopfield(patterns, beta=4.0)
    ends = threading.Event()

    def use():
        while not ends.is_set():
            found = attractor.retrieve(memory, patterns)
            np.testing.assert_array_equal(found.pattern[:, 0], [0, 1, 2, 3])
            attractor.Relaxer(memory).relax(patterns)
            assert len(memory.patterns) >= 4

    workers = [in_a_thread(use) for _ in range(3)]
    for _ in range(50):
        memory.imprint(signs(rng, 3, 64))
        memory.forget([4, 5])
    ends.set()
    for thread, outcome in workers:
        thread.join(60)
        assert outcome == [None]
    assert len(memory) == 54


def test_a_process_may_fork_after_a_call(rng):
    script = """
        import os
        import attractor, numpy
        queries = numpy.ones((2000, 64), numpy.float32)
        relaxer = attractor.Relaxer(attractor.Memory.hebbian(queries[:1]))
        relaxer.relax(queries)
        child = os.fork()
        if child == 0:
            relaxer.relax(queries)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)
