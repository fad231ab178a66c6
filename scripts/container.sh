#!/usr/bin/env bash
# Builds the image, or runs a command that works with it:
#   container.sh build TAG
#   container.sh exec COMMAND...    with CONTAINER_ENGINE=docker or podman in its environment
# With docker or podman where one works; elsewhere, on a Debian machine without engine and
# registry, with a store of its own under .ctr (see container-bare.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

base=$(sed -n "s|^FROM \(\S*\)$|\1|p" Dockerfile)
bare=
if docker info >/dev/null 2>&1; then
  engine=docker
else
  engine=podman
  # A podman that has the base image or can fetch it serves; one without a registry does not.
  if [ -e .ctr/env ] || ! command -v podman >/dev/null \
    || ! { podman image exists "$base" || timeout 60 podman pull --quiet "$base" >/dev/null 2>&1; }
  then
    bare=yes
  fi
fi

action=$1
shift
case $action in
  build)
    tag=$1
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    if [ -n "$bare" ]; then
      scripts/container-bare.sh "$base" "$tag" --build-arg "VERSION=$version"
    else
      "$engine" build --tag "$tag" --build-arg "VERSION=$version" .
    fi
    ;;
  exec)
    if [ -n "$bare" ]; then
      . .ctr/env
    fi
    CONTAINER_ENGINE=$engine exec "$@"
    ;;
  *)
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
    ;;
esac
