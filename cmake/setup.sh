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
  export DEBIAN_FRONTEND=noninteractive
  if [[ -z ${package_lists_updated:-} ]]; then
    apt-get update
    package_lists_updated=yes
  fi
  apt-get install -y --no-install-recommends "${missing[@]}"
}

# What the library itself needs.
require_build_packages() {
  # The OpenCL headers are there because the CMake package of libdnnl-dev asks for them.
  require_packages g++ cmake ninja-build libdnnl-dev libhwy-dev nlohmann-json3-dev ocl-icd-opencl-dev
}

# configure_and_build PRESET [TARGET...]: builds these targets, or everything. ATTRACTOR_CMAKE_OPTIONS adds options.
configure_and_build() {
  local preset=$1
  shift
  if command -v ccache >/dev/null; then
    # As variables they reach the projects that tests configure, too.
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_CUDA_COMPILER_LAUNCHER=ccache
  fi
  # shellcheck disable=SC2086  # several options are several words
  cmake --preset "$preset" ${ATTRACTOR_CMAKE_OPTIONS:-}
  cmake --build --preset "$preset" ${1:+--target "$@"}
}
