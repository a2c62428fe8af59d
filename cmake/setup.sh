# Sourced by tests/run.sh and bench/run.sh: the packages a job needs and its build, on Debian 12 or newer.
# Every step does only what is missing, so a second run is quick. Expects `set -euo pipefail` and the top folder as cwd.

# require_packages PKG...: installs those that are missing; without root it names them and stops.
require_packages() {
  local package missing=()
  for package in "$@"; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then return; fi
  if ((EUID != 0)); then
    echo "These packages are missing; install them as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  # One at a time: jobs may run side by side.
  local lock
  exec {lock}</var/lib/dpkg
  flock "$lock"
  export DEBIAN_FRONTEND=noninteractive
  if [[ -z ${package_lists_updated:-} ]]; then
    apt-get update
    package_lists_updated=yes
  fi
  apt-get install -y --no-install-recommends "${missing[@]}"
  exec {lock}<&-
}

# What the library itself and its command need.
require_build_packages() {
  require_packages g++ cmake ninja-build libhwy-dev nlohmann-json3-dev libxxhash-dev libcli11-dev
}

# What the micro-benchmarks need beyond that. The OpenCL headers are there because the CMake package of libdnnl-dev asks
# for them.
require_micro_packages() {
  require_packages libbenchmark-dev libdnnl-dev ocl-icd-opencl-dev
}

has_cuda_device() {
  nvidia-smi --list-gpus 2>/dev/null | grep -q GPU
}

# cuda_options: CUDA costs most of a build's time, so it is built for a device that is here, and for that one alone.
# Prints CMake's options; says on the terminal what is left out.
cuda_options() {
  # Where the toolkit's installer puts it, which is not on the PATH.
  if [[ -z ${CUDACXX:-} && -x /usr/local/cuda/bin/nvcc ]]; then CUDACXX=/usr/local/cuda/bin/nvcc; fi
  if ! has_cuda_device; then
    echo "No CUDA device here, so without CUDA; to have it: ATTRACTOR_CMAKE_OPTIONS='-D ATTRACTOR_CUDA=ON' before the command." >&2
    echo "-D ATTRACTOR_CUDA=OFF"
  elif [[ -z ${CUDACXX:-} ]] && ! command -v nvcc >/dev/null; then
    echo "A CUDA device, but no nvcc, so without CUDA; to have it: install the CUDA Toolkit and put nvcc on the PATH." >&2
    echo "-D ATTRACTOR_CUDA=OFF"
  else
    echo "-D ATTRACTOR_CUDA=ON -D CMAKE_CUDA_ARCHITECTURES=native ${CUDACXX:+-D CMAKE_CUDA_COMPILER=$CUDACXX}"
  fi
}

# Has what follows compile through ccache, where there is one.
use_ccache() {
  if command -v ccache >/dev/null; then
    # As variables they reach the projects that tests configure, too. Paths relative to this folder are the same in all
    # build folders, so that builds with and without CUDA share what both compile.
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_CUDA_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$PWD
    # What it asks for before it keeps what precompiled headers are part of: neither they nor what is compiled with them
    # have macros of their own or say when they were compiled.
    export CCACHE_SLOPPINESS=pch_defines,time_macros
  fi
}

# configure_and_build PRESET OPTIONS [TARGET...]: builds these targets, or everything. ATTRACTOR_CMAKE_OPTIONS adds to the
# options, which are words for CMake.
configure_and_build() {
  local preset=$1 options=$2
  shift 2
  use_ccache
  # shellcheck disable=SC2086  # several options are several words
  cmake --preset "$preset" $options ${ATTRACTOR_CMAKE_OPTIONS:-}
  cmake --build --preset "$preset" ${1:+--target "$@"}
}
