"""contains.py PAGE PROGRAM: whether the page has all parts, between empty lines, of what the program prints."""

import pathlib
import subprocess
import sys

page, program = sys.argv[1:]
printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
text = pathlib.Path(page).read_text(encoding="utf-8")
if not printed or any(part.strip() not in text for part in printed.split("\n\n")):
    sys.exit(f"{page} is to have:\n\n{printed}")
