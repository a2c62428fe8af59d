"""Every example runs, draws its figure, and finds what its text says that it does."""

import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "gallery")


@pytest.fixture(scope="module")
def run(request, tmp_path_factory):
    """What a script prints; each runs once."""
    folder, printed = request.config.getoption("figures") or tmp_path_factory.mktemp("figures"), {}

    def printed_by(name):
        if name not in printed:
            done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py", "--output", folder], capture_output=True,
                                  text=True, timeout=500)
            assert done.returncode == 0, done.stderr
            assert (folder / f"{name}.svg").read_text().rstrip().endswith("</svg>")
            printed[name] = done.stdout
        return printed[name]

    return printed_by


def numbers(text, line):
    """Those in the line that begins so."""
    rest = next(row for row in text.splitlines() if row.strip().startswith(line)).strip().removeprefix(line)
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", rest)]


@pytest.mark.parametrize("name", SCRIPTS)
def test_runs_and_draws(run, name):
    assert f"{name}.svg" in run(name)
    assert f"[{name}.py]({name}.py)" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_glyphs_come_back(run):
    shares = [numbers(run("glyph_recall"), f"{share}%") for share in (5, 10, 15, 20, 25, 30)]
    recovered, steps = zip(*shares)
    assert recovered[0] > 85 and list(recovered) == sorted(recovered, reverse=True)
    assert list(steps) == sorted(steps)  # More damage takes more steps.


def test_hidden_halves_are_filled_in(run):
    text = run("image_completion")
    mean, nearest, recall = (numbers(text, name)[-1] for name in ("mean of all digits", "nearest neighbour", "recall"))
    assert recall < nearest < mean


def test_failed_sensors_matter_less_by_the_manhattan_distance(run):
    squared, _, manhattan, _ = numbers(run("sensor_prototypes"), "40%")
    assert manhattan > 90 > 50 > squared


def test_the_classifier_is_among_the_others(run):
    for name in ("memory", "k-nearest neighbours", "logistic regression"):
        digits, _, cancer, _ = numbers(run("classification"), name)
        assert digits > 95 and cancer > 95


def test_recall_is_attention(run):
    for line in ("one head: recall differs from softmax(QKᵀ/√D)V by at most",
                 "4 heads: a step differs from attention over the keys by at most"):
        (difference,) = numbers(run("attention"), line)
        assert difference < 2e-6
