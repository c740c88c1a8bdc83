#!/bin/bash
# The image where no Docker runs and no registry of images is reached: its base by debootstrap, the rest by buildah.
#   containers/without-daemon.sh build            from the root of the project, as root
#   containers/without-daemon.sh run COMMAND ...  in a container of it, the current folder at /work
# Packages of Python come from where pip of this machine gets them, those of Debian from its own mirrors.
set -euo pipefail
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
BASE=localhost/debian:12
IMAGE=localhost/hopkin

build() {
  # certificates of this machine beside those of the image
  mounts=(--volume /etc/ssl/certs/ca-certificates.crt:/usr/local/share/ca-certificates/machine.crt:ro)

  # pip's configuration, wherever this machine keeps it, and the folders that it names
  settings=$(mktemp)
  trap 'rm "$settings"' EXIT
  { echo "[global]"; python3 -m pip config list | sed -nE "s/^(global|:env:)\.([a-z-]+)='(.*)'$/\2 = \3/p" | grep -v ^cert \
    | sort -u -t= -k1,1; } > "$settings"
  mounts+=(--volume "$settings:/etc/pip.conf:ro")
  # (an index keeps its files beside its pages)
  for folder in $(grep -oE "(file://)?/[^ ]+" "$settings" | sed -E 's,^file://(.*)/[^/]+/?$,\1,'); do
    if [ -e "$folder" ]; then mounts+=(--volume "$folder:$folder:ro"); fi
  done

  if ! buildah inspect --type image "$BASE" >/dev/null 2>&1; then
    folder=$(mktemp -d)
    debootstrap --variant=minbase bookworm "$folder" http://deb.debian.org/debian
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$folder" /
    buildah commit --quiet --rm "$container" "$BASE"
    rm -rf "$folder"
  fi
  buildah bud --pull-never --layers "${mounts[@]}" --file containers/Dockerfile \
    --build-arg BASE="$BASE" --build-arg TORCH_INDEX= --tag "$IMAGE" .
}

run() {
  container=$(buildah from "$IMAGE")
  trap 'buildah rm "$container" >/dev/null' EXIT
  buildah run --volume "$PWD:/work" "$container" -- "$@"
}

case ${1:-} in
  build) build ;;
  run) shift; run "$@" ;;
  *) echo "wanted build, or run COMMAND ..., received: ${1:-nothing}" >&2; exit 2 ;;
esac
