#!/usr/bin/env bash
# Puts together what `cargo build --features cuda` needs of NVIDIA's toolkit, from the packages that NVIDIA publishes for
# pip: no root, no card, no driver; x86-64 Linux. Takes 0.6 GB.
#
#     tests/cuda/toolkit.sh FOLDER [ARCHITECTURE]
#     . FOLDER/env.sh
#     cargo build --release --locked --features cuda
#
# ARCHITECTURE is the least compute capability that the kernels are for: 80 (Ampere) and newer unless it is named. The
# program finds the driver and cuBLAS and cuRAND when it runs, and starts without them too.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" && exit 2; }
folder=$(realpath -m "$1")
architecture=${2:-80}
mkdir -p "$folder/wheels"

python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$folder/wheels" \
    nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96 \
    nvidia-cuda-cccl==13.0.85 nvidia-curand==10.4.5.25
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
toolkit=$folder/unpacked/nvidia/cu13
chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*
ln -sfn lib "$toolkit/lib64"
echo "INPUT($toolkit/lib/libcudart_static.a -lrt -lpthread -ldl)" >"$toolkit/lib/libcudart.so"

# The driver and the libraries of mathematics are linked lazily, by functions of the names that cudarc declares.
cudarc=$(cd "$here" && cargo metadata --locked --format-version 1 --features cuda --filter-platform x86_64-unknown-linux-gnu |
    python3 -c 'import json, os, sys
found = [p for p in json.load(sys.stdin)["packages"] if p["name"] == "cudarc"]
print(os.path.dirname(found[0]["manifest_path"]))')
python3 "$here/lazy.py" "$cudarc" "$toolkit/lib/stubs"

cat >"$folder/env.sh" <<END
export CUDA_HOME='$toolkit' CUDA_PATH='$toolkit' PATH='$toolkit/bin':"\$PATH" CUDA_COMPUTE_CAP=$architecture
END
"$toolkit/bin/nvcc" --version | tail -n 2
echo "now: . $folder/env.sh"
