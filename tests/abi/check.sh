#!/usr/bin/env bash
# check.sh check|renew LIBRARY PROBE LIST...: compares the symbols that LIBRARY exports with those in the lists beside
# this file, and what PROBE tells of the library for C with c_api.abi; or writes c_api.abi and the last list anew. In the
# environment: the programs ABIDW, ABIDIFF and NM.
set -euo pipefail
baselines=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mode=$1 library=$2 probe=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Demangled, for people; so constructors, which have two symbols, are one line.
exported() {
  "$NM" --dynamic --defined-only --demangle "$library" | cut --delimiter=' ' --fields=3- | LC_ALL=C sort --unique
}

# No paths and places: they differ from one machine to the next.
layouts() {
  "$ABIDW" --headers-dir "$baselines/../../host/attractor" --drop-private-types --exported-interfaces-only \
    --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --type-id-style hash "$probe" |
    sed "s|path='[^']*/host/src/|path='host/src/|"
}

# The lists before the last hold what every build has.
common() {
  (($# == 1)) || (cd "$baselines" && LC_ALL=C sort "${@:1:$#-1}")
}

exported >"$work/symbols"
layouts >"$work/c_api.abi"
if [[ $mode == renew ]]; then
  common "$@" | LC_ALL=C comm -13 - "$work/symbols" >"$baselines/${!#}"
  cp "$work/c_api.abi" "$baselines/c_api.abi"
  exit
fi

outcome=0
(cd "$baselines" && LC_ALL=C sort "$@") | diff --unified=0 --label baseline --label "$library" - "$work/symbols" ||
  outcome=1
"$ABIDIFF" --no-show-locs "$baselines/c_api.abi" "$work/c_api.abi" || outcome=1
if ((outcome != 0)); then
  echo "The library's ABI is not the one in tests/abi; CONTRIBUTING.md tells when it may change, and how." >&2
fi
exit "$outcome"
