#!/usr/bin/env bash
# Sets up what is missing, builds, and runs one job of the benchmarks. See bench/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/setup.sh

readonly build=build/release

usage() {
  cat <<'END'
bash bench/run.sh [JOB] [OPTIONS]

Jobs:
  glyphs              noisy glyphs relax on a projection memory, halting against fixed steps (the default)
  glyphs-all          all glyphs of the font in one modern Hopfield memory
  noise-sweep         the published study of energy relaxation with halting
  adaptive-retrieval  the published study of adaptive similarity (A-Hop): fitted against fixed similarities
  adaptive-glyphs     the same on glyphs of the font, exact and grouped
  footprint           speed of adaptive scores against the machine's rate of minima and maxima
  levels              adaptive scores of patterns with few values, by levels against sorting networks
  storage             what queries take by what patterns are stored as, with the processor's matrix unit and without
  growth              what memories take to learn one more pattern and to forget one
  bits                sign updates from patterns of ±1, with queries and states as floats, in int8 and as packed bits
  separations         what a step costs under each separation
  capacity            how many patterns memories hold as they grow, and what halting costs there
  image-retrieval     glyphs from halves and under noise, every similarity with every separation
  digit-retrieval     the same with scikit-learn's handwritten digits
  heads               memories side by side, which in one step are multi-head attention, beside a plain loop
  latency             microseconds of a call with few queries, beside plain loops
  denoising           glyphs from noise by gradient flow, cooling against constant temperatures
  micro               micro-benchmarks beside matrix products of the same shapes
  memory              peak memory of relaxing up to ten million queries, on any memory
  peers               against PyTorch, attention with heads too; needs a Python that has it: --python PATH

Options go to the job; JOB --help lists them. As root on Debian 12, missing packages are installed; otherwise they are
named. Results land in build/release/bench, or in --output DIR.
END
}

# build_job TARGET PACKAGE...: what the job needs, then the job itself.
build_job() {
  local target=$1
  shift
  require_build_packages
  require_packages "$@"
  configure_and_build release "$(cuda_options)" "$target"
}

# Where the options send results.
output_folder() {
  local folder=$build/bench
  while (($#)); do
    case $1 in
      --output) folder=${2:-$folder} ;;
      --output=*) folder=${1#*=} ;;
    esac
    shift
  done
  echo "$folder"
}

asks_for_help() {
  local option
  for option in "$@"; do [[ $option == --help || $option == -h ]] && return; done
  return 1
}

# plot KIND NAME FOLDER TITLE: FOLDER/NAME.svg and .png from FOLDER/NAME*.csv, by bench/plots/KIND.gp.
plot() {
  local kind=$1 name=$2 folder=$3 title=$4 format
  for format in svg png; do
    gnuplot -e "name='$folder/$name'; format='$format'; title='$title'" "bench/plots/$kind.gp"
  done
  echo "Plots: $folder/$name.svg, $folder/$name.png"
}

# study PROGRAM KIND NAME TITLE OPTION...: runs a program that writes NAME*.csv, and plots them.
study() {
  local program=$1 kind=$2 name=$3 title=$4
  shift 4
  "$build/bench/$program" --output "$build/bench" "$@"
  asks_for_help "$@" || plot "$kind" "$name" "$(output_folder "$@")" "$title"
}

# The Python named by --python; the other options stay in `options`.
peers() {
  local python=python3 options=()
  while (($#)); do
    case $1 in
      --python) python=${2:?--python needs a path}; shift ;;
      --python=*) python=${1#*=} ;;
      *) options+=("$1") ;;
    esac
    shift
  done
  if ! "$python" -c 'import numpy, torch' 2>/dev/null; then
    cat >&2 <<END
$python has no PyTorch. Install it in one of these ways, then run this again:
  python3 -m venv DIR && DIR/bin/pip install torch numpy    and add: --python DIR/bin/python
  apt-get install python3-torch                             (Debian's, slower)
END
    exit 1
  fi
  build_job bench_peer_job gnuplot-nox
  local folder
  folder=$(output_folder "${options[@]}")
  rm -f "$folder/peers-heads.csv"
  "$python" bench/peers/compare.py --peer-job "$build/bench/peer_job" --output "$build/bench" "${options[@]}"
  if [[ -f $folder/peers-heads.csv ]]; then
    plot heads peers-heads "$folder" 'A step of memories side by side, and attention in PyTorch'
  fi
}

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  usage
  exit
fi
job=glyphs
if [[ ${1:-} != -* && -n ${1:-} ]]; then
  job=$1
  shift
fi
case $job in
  glyphs)
    build_job bench_glyphs unifont gnuplot-nox
    study glyphs tradeoff glyphs '64 CJK glyphs, projection memory' "$@"
    ;;
  glyphs-all)
    build_job bench_glyphs_all unifont gnuplot-nox
    study glyphs_all tradeoff glyphs-all 'All glyphs of the font, modern Hopfield memory' "$@"
    ;;
  noise-sweep)
    build_job bench_noise_sweep
    "$build/bench/noise_sweep" --output "$build/bench" "$@"
    ;;
  adaptive-retrieval)
    build_job bench_adaptive_retrieval
    "$build/bench/adaptive_retrieval" --output "$build/bench" "$@"
    ;;
  adaptive-glyphs)
    build_job bench_adaptive_glyphs unifont
    "$build/bench/adaptive_glyphs" --output "$build/bench" "$@"
    ;;
  footprint)
    build_job bench_footprint
    "$build/bench/footprint" --output "$build/bench" "$@"
    ;;
  micro)
    require_micro_packages
    build_job bench_micro
    "$build/bench/micro" "$@"
    ;;
  levels)
    build_job bench_levels
    "$build/bench/levels" --output "$build/bench" "$@"
    ;;
  storage)
    build_job bench_storage
    "$build/bench/storage" --output "$build/bench" "$@"
    ;;
  growth)
    build_job bench_growth
    "$build/bench/growth" --output "$build/bench" "$@"
    ;;
  bits)
    build_job bench_bits
    "$build/bench/bits" --output "$build/bench" "$@"
    ;;
  separations)
    build_job bench_separations
    "$build/bench/separations" --output "$build/bench" "$@"
    ;;
  capacity)
    build_job bench_capacity gnuplot-nox
    study capacity capacity capacity 'Random patterns that memories hold' "$@"
    ;;
  image-retrieval)
    build_job bench_image_retrieval unifont gnuplot-nox
    study image_retrieval retrieval image-retrieval 'CJK glyphs, damaged' "$@"
    ;;
  digit-retrieval)
    build_job bench_image_retrieval python3-sklearn gnuplot-nox
    gunzip -c /usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz >"$build/bench/digits.csv"
    study image_retrieval retrieval digit-retrieval 'Handwritten digits, damaged' --digits "$build/bench/digits.csv" "$@"
    ;;
  heads)
    build_job bench_heads gnuplot-nox
    study heads heads heads 'A step of memories side by side' "$@"
    ;;
  latency)
    build_job bench_latency
    "$build/bench/latency" --output "$build/bench" "$@"
    ;;
  denoising)
    build_job bench_denoising unifont gnuplot-nox
    study denoising denoising denoising 'Noise relaxes to glyphs' "$@"
    ;;
  memory)
    build_job bench_memory_use
    "$build/bench/memory_use" --output "$build/bench" "$@"
    ;;
  peers) peers "$@" ;;
  *)
    echo "There is no job '$job'." >&2
    usage >&2
    exit 2
    ;;
esac
