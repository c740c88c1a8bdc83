# Measures models on a GPU, from what `pack.py` packed:  bash FOLDER/run.sh MODEL ...
# In the root of a checkout, on a machine whose python3 has torch. HOPKIN_DEVICE=cpu tries it without a GPU.
set -u
folder=$(dirname "$(readlink -f "$0")")
environment=${TMPDIR:-/tmp}/hopkin-gpu
say() { echo "== $* ($SECONDS s)"; }

say unpack
site=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
if [ ! -d "$environment" ]; then
  python3 -m venv --without-pip "$environment"
  xz -dc -T0 "$folder/site.tar.xz" | tar -C "$environment" -x
  packages=$(echo "$environment"/lib/python3*/site-packages)
  echo "$site" > "$packages/there.pth"
  sed -i "1s|^#!.*python.*|#!$environment/bin/python3|" $(grep -lI '^#!.*python' "$environment"/bin/*)
  cp -r drivers analysis lammps_inputs "$packages/hopkin/"  # the code of the checkout
fi
weights=$HOME/.cache/hopkin/models
mkdir -p "$weights"
for archive in "$folder"/*.tar.xz; do
  case $archive in */site.tar.xz) ;; *) tar -C "$weights" -xf "$archive" ;; esac
done
export PATH=$environment/bin:$PATH PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore
device=${HOPKIN_DEVICE:-cuda:0}

nvidia-smi -L
hopkin doctor
for model in "$@"; do
  say "evaluations $model"; timeout 120 python3 -P benchmarks/gpu/evaluations.py --device "$device" "$model"
  say "verify $model"; timeout 60 hopkin models verify "$model"
  say "runs $model"; timeout 120 python3 -P benchmarks/gpu/runs.py "$model"
  say "barrier $model"
  timeout 120 hopkin barrier LiFePO4-olivine --model "$model" --images 7 --supercell 1 2 1 --out "$environment/runs"
done
say end
