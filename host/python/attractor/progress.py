"""Bars on stderr that show how far a call is."""

from __future__ import annotations

import sys
from typing import Any


class Bar:
    """Shows `finished` of `total` at each call: with tqdm if that is installed, else as a line."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: Any = None
        self._has_line = False

    def __call__(self, finished: int, total: int) -> None:
        if self._bar is None and not self._has_line:
            self._bar = self._tqdm(total)
        if self._bar is not None:
            self._bar.update(finished - self._bar.n)
        else:
            self._has_line = True
            sys.stderr.write(f"\r{100 * finished // max(total, 1):3d} % ({finished} of {total} {self._unit})")
            sys.stderr.flush()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._has_line:
            sys.stderr.write("\n")

    def _tqdm(self, total: int) -> Any:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return None
        return tqdm(total=total, unit=f" {self._unit}")
