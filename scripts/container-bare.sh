#!/usr/bin/env bash
# Builds the image on a Debian machine, as root, without a container engine and without a
# registry: container-bare.sh BASE TAG [BUILDAH-ARGUMENT...]
#
# The base image is put together from Debian's own packages and stored under the name that the
# Dockerfile's FROM has. All that is kept lies in .ctr; `. .ctr/env` lets podman find it.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$1
tag=$2
shift 2
# docker.io/library/python:3.13-slim-trixie -> trixie, the Debian release with that Python.
suite=${base##*-}
store=$PWD/.ctr
authorities=/etc/ssl/certs/ca-certificates.crt

scripts/install-packages.sh buildah podman runc mmdebstrap skopeo uidmap iproute2 iptables \
  netavark catatonit ca-certificates

mkdir -p "$store/etc"
cat >"$store/etc/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$store/images"
runroot = "$store/running"
END
# Limits that a process without CAP_SYS_RESOURCE may set; runc, since crun refuses mixed cgroups.
cat >"$store/etc/containers.conf" <<'END'
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "host"
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
cat >"$store/env" <<END
export CONTAINERS_STORAGE_CONF='$store/etc/storage.conf'
export CONTAINERS_CONF='$store/etc/containers.conf'
export BUILDAH_ISOLATION=chroot
END
. "$store/env"

if ! podman image exists "$base"; then
  # As in the ordinary image, the interpreter is /usr/local/bin/python.
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"' \
    --customize-hook='ln -s /usr/bin/pip3 "$1/usr/local/bin/pip"' \
    --customize-hook='rm -f "$1/etc/resolv.conf" "$1/etc/hostname"' \
    "$suite" "$store/base.tar"
  podman import --quiet \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin' \
    --change 'CMD ["python3"]' "$store/base.tar" "$base" >/dev/null
  rm "$store/base.tar"
fi

# How this machine's pip reaches its index. Mounted while building, so nothing of it stays.
{
  echo '[global]'
  echo "cert = $authorities"
  for setting in index-url extra-index-url trusted-host; do
    variable=PIP_$(echo "$setting" | tr 'a-z-' 'A-Z_')
    value=$(python3 -m pip config get "global.$setting" 2>/dev/null || true)
    value=${!variable:-$value}
    [ -z "$value" ] || echo "$setting = $value"
  done
} >"$store/etc/pip.conf"

# HEALTHCHECK is a thing of Docker's image format.
buildah build --isolation chroot --network host --pull=never --layers --format docker \
  --volume "$authorities:$authorities:ro" --volume "$store/etc/pip.conf:/etc/pip.conf:ro" \
  --tag "$tag" "$@" .
