#!/usr/bin/env bash
# command_pages.sh COMMAND MAN_PAGE COMPLETION: the manual page and the completion have all commands and options that
# --help has. In the environment: MANDOC, which prints the page.
set -euo pipefail
command=$1 page=$2 completion=$3
failures=0

fail() {
  echo "$*" >&2
  failures=$((failures + 1))
}

# What help lists, one a line: options of a command, and commands.
options_of() { "$command" "$1" --help | sed -nE 's/^ +(-[a-z],)?(--[a-z-]+)( .*)?$/\2/p'; }
commands() { "$command" --help | sed -n '/^Subcommands:/,/^$/s/^ \+\([a-z]\+\) .*/\1/p'; }

# The page as it is read, without the strokes that make letters bold.
printed() { "$MANDOC" -T utf8 "$page" | sed 's/.\x08//g'; }
section_of() { printed | sed -n "/^   attractor $1 /,/^   attractor \|^[A-Z]/p"; }

# has PATTERN TEXT: grep, which stops reading at a match, must not end what writes.
has() { grep -qE -- "$1" <<<"$2"; }

# complete WORD...: what is suggested for the last word, one a line.
complete_words() {
  COMP_WORDS=(attractor "$@")
  COMP_CWORD=$#
  _attractor
  printf '%s\n' "${COMPREPLY[@]}"
}

expect() {
  local expected=$1
  shift
  local found
  found=$(complete_words "$@" | sort | tr '\n' ' ')
  [[ $found == "$expected " ]] || fail "completion of '$*': $found, not $expected"
}

# A date would be the day of the build: the same sources would not give the same page.
warnings=$("$MANDOC" -T lint -W warning "$page" | grep -v 'missing date' || true)
[[ -z $warnings ]] || fail "$warnings"
# shellcheck source=/dev/null  # generated
source "$completion"

parts=$(commands)
(($(wc -w <<<"$parts") >= 6)) || fail "--help lists no more than: $parts"
suggested_parts=$(complete_words "")
for part in $parts; do
  has "^$part\$" "$suggested_parts" || fail "the completion lacks $part"
  options=$(options_of "$part") section=$(section_of "$part") suggested=$(complete_words "$part" -)
  [[ -n $options ]] || fail "$part --help lists no options"
  for option in $options; do
    has "^ +(-[a-z],)?$option( |\$)" "$section" || fail "$page lacks $part $option"
    has "^$option\$" "$suggested" || fail "the completion lacks $part $option"
  done
done

expect "relax retrieve" re
expect "--halting --help" relax --h
expect "float16 float32" relax --as f
expect "asynchronous blend default readout sign tanh" relax memory queries --update ""
expect "biased masked mixed noisy" fit --variant ""
expect "" relax mem          # Files, which bash completes itself.
expect "" make --patterns pa
expect "" unknown --
has "-o default -F _attractor" "$(complete -p attractor)" || fail "files are not completed"

((failures == 0))
