#!/usr/bin/env python3
"""lint_units.py changed|all BUILD_FOLDER: prints the translation units that clang-tidy is to read, one a line.

`changed`: those of the library, the sources in core, host and kernels, that differ from the base, and as few more as
include between them every header that does, directly or not: what there is to say of a header clang-tidy says in any of
them. Tests and benchmarks take clang-tidy several times as long. The base is where HEAD left
$LINT_BASE, by default the main branch; where HEAD is the main branch, its state a day before. Without a base, or when
clang-tidy's own settings have changed, it is all of the library's. `all`: everything.
"""
import json
import os
import pathlib
import re
import subprocess
import sys


def git(*arguments):
    """What git prints, or None where it fails."""
    result = subprocess.run(["git", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return result.stdout.strip() if result.returncode == 0 else None


def base():
    asked = os.environ.get("LINT_BASE")
    if asked:
        commit = git("merge-base", "HEAD", asked)
        if commit is None:
            sys.exit(f"LINT_BASE is '{asked}', with which HEAD has no commit in common")
        return commit
    head = git("rev-parse", "HEAD")
    for branch in ("origin/HEAD", "origin/main", "main"):
        commit = git("merge-base", "HEAD", branch)
        if commit not in (None, "", head):
            return commit
    newest = git("show", "--no-patch", "--format=%ct", "HEAD")
    return newest and git("rev-list", "--max-count=1", f"--before={int(newest) - 24 * 3600}", "HEAD")


def changed_files(root):
    """The changed files as paths, or None where there is no base."""
    commit = base()
    if not commit:
        return None
    print(f"Since {git('log', '--max-count=1', '--format=%h, %s', commit)}", file=sys.stderr)
    names = git("diff", "--name-only", commit) + "\n" + git("ls-files", "--others", "--exclude-standard")
    return {root / name for name in names.split("\n") if name}


class Includes:
    """Which of the project's files a file includes, conditions aside."""

    directive = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)

    def __init__(self, folders):
        self.folders = folders
        self.known = {}

    def of(self, file):
        if file not in self.known:
            candidates = (folder / name for name in self.directive.findall(file.read_text())
                          for folder in (file.parent, *self.folders))
            self.known[file] = {path.resolve() for path in candidates if path.is_file()}
        return self.known[file]

    def closure(self, file):
        seen, waiting = set(), [file]
        while waiting:
            following = waiting.pop()
            if following not in seen:
                seen.add(following)
                waiting.extend(self.of(following))
        return seen


def cover(units, includes, changed):
    """The changed units, and as few others as include between them every changed file that these don't."""
    reached = {unit: includes.closure(unit) & changed for unit in units}
    chosen = [unit for unit in units if unit in changed]
    missing = set().union(*reached.values()).difference(*(reached[unit] for unit in chosen))
    while missing:
        best = max(units, key=lambda unit: (len(reached[unit] & missing), -unit.stat().st_size))
        chosen.append(best)
        missing -= reached[best]
    return chosen


def main():
    which, build = sys.argv[1:]
    root = pathlib.Path(git("rev-parse", "--show-toplevel"))
    tracked = {root / name for name in git("ls-files", "--cached", "--others", "--exclude-standard").split("\n")}
    with open(pathlib.Path(build) / "compile_commands.json", encoding="utf-8") as commands:
        units = sorted({pathlib.Path(entry["file"]) for entry in json.load(commands)} & tracked)
    units = [unit for unit in units if unit.suffix == ".cpp"]  # clang-tidy can't follow nvcc; the checks are for C++.
    changed = None
    if which == "changed":
        units = [unit for unit in units if unit.relative_to(root).parts[0] in ("core", "host", "kernels")]
        changed = changed_files(root)
    if changed is not None and not any(path.name == ".clang-tidy" for path in changed):
        chosen = cover(units, Includes([root, root / "core", root / "host"]), changed)
    else:
        chosen = units
    print(f"clang-tidy reads {len(chosen)} of {len(units)} translation units", file=sys.stderr)
    # The largest take longest, so they come first.
    for unit in sorted(chosen, key=lambda unit: -unit.stat().st_size):
        print(unit.relative_to(root))


main()
