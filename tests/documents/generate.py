"""Writes what runs the documents' code blocks: generate.py FOLDER.

documents.cpp has a function for each C++ block, documents_cuda.cpp for those that need <attractor/cuda.hpp>,
documents.c for those of C, and documents.sh the shell's. The compiler's messages name the page and line.
"""

import pathlib
import sys

from blocks import all_blocks

CUDA_HEADER = "#include <attractor/cuda.hpp>"


def cpp_function(number, block):
    """A namespace whose `run` is the block: a whole program, or statements on what fixture.hpp has."""
    code = f'#line {block.line} "{block.page}"\n{block.code}'
    if "int main(" in block.code:
        body = f"{code}inline int run() {{ return main(); }}\n"
    else:
        body = f"inline int run() {{\n{code}return 0;\n}}\n"
    return f"namespace block_{number} {{\n{body}}}\n"


def cpp_program(blocks, header):
    functions = "".join(cpp_function(number, block) for number, block in enumerate(blocks))
    calls = "".join(
        f'      {{"{block.page}:{block.line}", block_{number}::run}},\n' for number, block in enumerate(blocks))
    return (f'#include "tests/documents/fixture.hpp"\n{header}\nusing namespace documents;\n\n{functions}\n'
            f"int main() {{\n  return documents::run_all({{\n{calls}  }});\n}}\n")


def c_program(blocks):
    functions = "".join(
        f'#define main block_{number}\n#line {block.line} "{block.page}"\n{block.code}#undef main\n'
        for number, block in enumerate(blocks))
    calls = " || ".join(f"block_{number}()" for number in range(len(blocks)))
    return f"{functions}int main(void) {{ return {calls}; }}\n"


def shell_script(blocks):
    parts = "".join(f"echo '== {block.page}:{block.line}'\n{block.code}" for block in blocks)
    return f"set -euo pipefail\n{parts}"


def main(folder):
    blocks = [block for block in all_blocks() if block.is_run]
    cpp = [block for block in blocks if block.language == "cpp"]
    programs = {
        "documents.cpp": cpp_program([block for block in cpp if CUDA_HEADER not in block.code], ""),
        "documents_cuda.cpp": cpp_program([block for block in cpp if CUDA_HEADER in block.code],
                                          f"{CUDA_HEADER}\n#include <cuda_runtime.h>"),
        "documents.c": c_program([block for block in blocks if block.language == "c"]),
        "documents.sh": shell_script([block for block in blocks if block.language == "sh"]),
    }
    for name, text in programs.items():
        path = pathlib.Path(folder) / name
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
