#!/usr/bin/env bash
# Sets up, builds and runs the tests, on Debian 12 or newer. A second run is incremental.
#   tests/run.sh [JOB...]    jobs: release (the default), debug, asan, tsan, lint; all of these; or cuda
# CUDA tests are a job of their own, since they need a device; CUDA_LAUNCHER, if set, is a command that provides one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/setup.sh

build_and_test() {
  local preset=$1
  configure_and_build "$preset"
  ctest --preset "$preset" --parallel "$(nproc)" --label-exclude '^cuda$'
}

test_cuda() {
  configure_and_build cuda cuda_tests
  ${CUDA_LAUNCHER:-} ctest --preset cuda --parallel "$(nproc)" --no-tests=error
}

# Every C++ file of the project, tracked or new.
sources() {
  git ls-files --cached --others --exclude-standard -- '*.cpp' '*.hpp' '*.cu' '*.cuh'
}

lint() {
  require_packages clang-format clang-tidy clang libomp-14-dev libbenchmark-dev git
  sources | xargs clang-format --dry-run --Werror
  # Only configured: that generates what sources include and the commands that clang-tidy reads.
  cmake -S . -B build/lint -G Ninja -D ATTRACTOR_CUDA=AUTO -D CMAKE_CXX_COMPILER=clang++ \
    -D CMAKE_EXPORT_COMPILE_COMMANDS=ON
  local file
  for file in $(sources); do
    if [[ $file == *.cu ]]; then continue; fi  # clang-tidy can't follow nvcc.
    if grep -qF "\"$PWD/$file\"" build/lint/compile_commands.json; then echo "$file"; fi
  done | xargs --max-procs="$(nproc)" --max-args=1 clang-tidy -p build/lint --quiet
}

run_job() {
  require_build_packages
  require_packages libgtest-dev
  case $1 in
    release | debug) build_and_test "$1" ;;
    asan | tsan)
      require_packages clang libclang-rt-14-dev
      build_and_test "$1"
      ;;
    lint) lint ;;
    cuda) test_cuda ;;
    *)
      echo "tests/run.sh: unknown job '$1'; known: release debug asan tsan lint all cuda" >&2
      return 2
      ;;
  esac
}

if [[ ${1:-} == all ]]; then set -- release debug asan tsan lint; fi
for job in "${@:-release}"; do
  echo "== $job"
  run_job "$job"
done
