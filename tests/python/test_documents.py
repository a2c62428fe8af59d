"""The Python blocks of the README and of docs/pages run as they stand there."""

import re

import pytest

import blocks

ALL = blocks.all_blocks()
# Pages on memories go on from the examples of their overview.
OVERVIEW = "docs/pages/memories/index.md"


def python_blocks(page):
    """Each with the output that the page shows right below it, or None."""
    found = [block for block in ALL if block.page == page]
    for block, after in zip(found, [*found[1:], None]):
        if block.language == "python" and block.is_run:
            shown = after is not None and after.language == "text" and after.line == block.end + 3
            yield block, after.code if shown else None


def run(block, names):
    exec(compile("\n" * (block.line - 1) + block.code, block.page, "exec"), names)


PAGES = sorted({block.page for block in ALL if block.language == "python" and block.is_run})


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_one_after_another(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    if page.startswith("docs/pages/memories/") and page != OVERVIEW:
        for block, _ in python_blocks(OVERVIEW):
            run(block, names)
    for block, shown in python_blocks(page):
        capsys.readouterr()
        run(block, names)
        printed = capsys.readouterr().out
        assert shown is None or printed == shown, f"{page}:{block.line}"


def test_the_example_in_the_readme(capsys):
    example, _ = next(python_blocks("README.md"))
    run(example, {})
    assert re.fullmatch(r"9\d\d of 1000 recovered.*\n", capsys.readouterr().out)
