"""The fenced code blocks of the README and of docs/pages, for the tests that run them."""

import dataclasses
import pathlib
import re

PROJECT = pathlib.Path(__file__).parents[2]

# How blocks of each language are run: cpp, c and sh by tests/documents/CMakeLists.txt, python by
# tests/python/test_documents.py. Of these languages a block is no code that could be run.
PLAIN = {"text", "mermaid"}
RUN = {"cpp", "c", "sh", "python"}

# Blocks that aren't run, by their page and how they begin, and why.
NOT_RUN = {
    ("README.md", "bash tests/run.sh"): "it is what runs these tests",
    ("docs/pages/index.md", "bash tests/run.sh"): "likewise",
    ("docs/pages/index.md", "cmake_minimum_required"): "tests/consumer builds a project of such lines",
    ("README.md", "cmake --preset release"): "it is what tests/run.sh does",
    ("README.md", "find_package(attractor"): "tests/consumer builds a project of these lines",
    ("README.md", "pip install ."): "tests/run.sh python does it",
}


@dataclasses.dataclass
class Block:
    page: str  # relative to the project
    line: int  # of its first line of code
    language: str
    code: str

    @property
    def end(self):
        """The line of its closing fence."""
        return self.line + self.code.count("\n")

    @property
    def is_run(self):
        return self.language in RUN and self.key is None

    @property
    def key(self):
        """Its entry in NOT_RUN, if it has one."""
        return next((key for key in NOT_RUN if key[0] == self.page and self.code.startswith(key[1])), None)


def pages():
    return [PROJECT / "README.md", *sorted((PROJECT / "docs" / "pages").rglob("*.md"))]


def blocks_of(path):
    page = path.relative_to(PROJECT).as_posix()
    block = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), start=1):
        if block is None:
            fence = re.match(r"\s*```(.*)$", line)
            if fence is None:
                continue
            if line.startswith(" ") or not fence[1]:
                raise ValueError(f"{page}:{number}: a code block is to begin its line and name its language")
            block = Block(page, number + 1, fence[1].strip(), "")
        elif line.rstrip() == "```":
            yield block
            block = None
        else:
            block.code += line
    if block is not None:
        raise ValueError(f"{page}:{block.line}: a code block without an end")


def all_blocks():
    """Every block, in order. Raises ValueError where one is neither run nor said not to be, or NOT_RUN is stale."""
    found = [block for path in pages() for block in blocks_of(path)]
    for block in found:
        if not block.is_run and block.key is None and block.language not in PLAIN:
            raise ValueError(f"{block.page}:{block.line}: nothing runs a block of {block.language}; see blocks.py")
    stale = NOT_RUN.keys() - {block.key for block in found}
    if stale:
        raise ValueError(f"no such block any more: {sorted(stale)}; see blocks.py")
    return found
