#!/usr/bin/env bash
# run.sh FOLDER: installs the Debian packages in FOLDER on a bare Debian, uses them as users do, and removes them again.
# That Debian is a change root, of this machine's release and package sources; mmdebstrap makes, mounts and removes it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
packages=$(cd "$1" && pwd)
# shellcheck source=/dev/null
release=$(source /etc/os-release && echo "$VERSION_CODENAME")

# Debian's own sources of this machine; others have keys that a bare machine lacks.
mapfile -t sources < <(grep --recursive --files-with-matches --include='*.list' --include='*.sources' \
  --extended-regexp '^(deb |Suites:).*\b'"$release" /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null)
if ((${#sources[@]} == 0)); then
  echo "tests/packages/run.sh: no package sources for $release in /etc/apt" >&2
  exit 1
fi

# How this machine reaches them: proxies, certificates, and what it doesn't check.
options=()
mapfile -t acquire < <(apt-config dump | grep --extended-regexp '^Acquire::(Check-|https?|Retries)' || true)
for option in "${acquire[@]}"; do options+=(--aptopt="$option"); done

# $1 is the root. What apt and dpkg do there they do inside of it.
# shellcheck disable=SC2016  # a hook's own
mmdebstrap --quiet --variant=apt --format=null "${options[@]}" --dpkgopt=force-unsafe-io \
  --customize-hook="mkdir \"\$1/packages\" && cp '$packages'/*.deb '$here/use.sh' \"\$1/packages\"" \
  --customize-hook="cp --recursive '$here/../c_example.c' '$here/../consumer' \"\$1/packages\"" \
  --customize-hook='mkdir --parents "$1/etc/ssl" && cp --recursive --dereference /etc/ssl/certs "$1/etc/ssl"' \
  --customize-hook='chroot "$1" env --ignore-environment HOME=/root PATH="$PATH" bash /packages/use.sh' \
  "$release" /dev/null "${sources[@]}"
