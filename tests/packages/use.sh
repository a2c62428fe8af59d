#!/usr/bin/env bash
# Runs in the change root that run.sh makes, with the packages and users' programs in /packages.
set -euo pipefail
cd /packages
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

install() { apt-get install --yes --no-install-recommends -qq "$@" >/dev/null 2>log || { cat log >&2 && return 1; }; }

echo "== the command, with nothing but its library"
install ./libattractor0_*.deb ./attractor_*.deb
attractor --version
gzip --test /usr/share/man/man1/attractor.1.gz
# shellcheck source=/dev/null
source /usr/share/bash-completion/completions/attractor

echo "== the module for Python"
install ./python3-attractor_*.deb
python3 - <<'PYTHON'
import attractor
import numpy as np

rng = np.random.default_rng(1)
patterns = rng.choice([-1.0, 1.0], size=(8, 128)).astype(np.float32)
queries = np.repeat(patterns, 10, axis=0)
queries[:, :13] *= -1
memory = attractor.Memory.hebbian(patterns)
result = attractor.Relaxer(memory).relax(queries)
assert (np.sign(result.states) == np.repeat(patterns, 10, axis=0)).mean() > 0.95
attractor.save(memory, "memory.safetensors")
np.save("queries.npy", queries)
np.save("expected.npy", result.states)
PYTHON
attractor relax memory.safetensors queries.npy -o states.npy --quiet
python3 -c 'import numpy; assert numpy.array_equal(numpy.load("states.npy"), numpy.load("expected.npy"))'

echo "== programs in C by pkg-config, in C++ by CMake"
install ./libattractor-dev_*.deb g++ cmake make pkg-config
read -ra flags < <(pkg-config --cflags --libs attractor)
gcc c_example.c -o c_example "${flags[@]}"
./c_example c.safetensors
cmake -S consumer -B build -D HAS_CUDA=OFF >/dev/null
cmake --build build >/dev/null
build/consumer

echo "== removal"
apt-get purge --yes -qq attractor libattractor0 libattractor-dev python3-attractor >/dev/null
left=$(find / -xdev -path /packages -prune -o -name '*attractor*' -print)
if [[ -n $left ]]; then
  echo "The packages leave behind: $left" >&2
  exit 1
fi
echo "nothing is left"
