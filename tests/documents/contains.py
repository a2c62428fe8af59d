"""contains.py PAGE PROGRAM: whether the page has what the program prints."""

import pathlib
import subprocess
import sys

page, program = sys.argv[1:]
printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
if not printed or printed not in pathlib.Path(page).read_text(encoding="utf-8"):
    sys.exit(f"{page} is to have:\n\n{printed}")
