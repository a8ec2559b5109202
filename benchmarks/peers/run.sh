#!/usr/bin/env bash
# Installs what is missing of PyTorch, oneDNN and ONNX Runtime, and times them in one run with PtxLoss on the same data, shapes and
# threads. Arguments go to the benchmarks' "ratios": --threads 2 --shape 1024x50304 --rounds 25 --out <folder>, which
# counts from the root of the repository. Environment:
#   PEERS="torch onednn onnxruntime"  which to time
#   PYTHON=/usr/bin/python3           the one that has PyTorch; without one, Debian's package is installed
# Started under "taskset -c 0,1", all of them keep to these cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=benchmarks/peers
build=$here/artifacts
python=${PYTHON:-/usr/bin/python3}
mkdir -p "$build"

install() { # Debian and Ubuntu
  if [ "$(id -u)" = 0 ]; then apt-get install -y "$@" >&2; else sudo apt-get install -y "$@" >&2; fi
}

peers=()
for peer in ${PEERS:-torch onednn onnxruntime}; do
  case $peer in
    torch)
      "$python" -c 'import numpy, torch' 2>/dev/null || install python3-torch python3-numpy
      # Builds of PyTorch before 2 keep to AVX2 unless told.
      capability=avx2; grep -q avx512dq /proc/cpuinfo && capability=avx512
      peers+=(--peer "env ATEN_CPU_CAPABILITY=$capability $python $here/torch_peer.py")
      ;;
    onednn)
      [ -e /usr/include/dnnl.hpp ] || install libdnnl-dev g++
      g++ -std=c++17 -O3 -march=native -o "$build/onednn_peer" "$here/onednn_peer.cpp" -ldnnl
      peers+=(--peer "$build/onednn_peer")
      ;;
    onnxruntime)
      # Its installation script would only fetch CUDA.
      [ -d "$build/node_modules/onnxruntime-node" ] ||
        npm install --prefix "$build" --ignore-scripts --no-audit --no-fund onnxruntime-node@1.30.0 >&2
      export ONNXRUNTIME_FOLDER=$PWD/$build
      peers+=(--peer "node $here/onnxruntime_peer.mjs")
      ;;
    *) echo "unknown peer: $peer" >&2; exit 1 ;;
  esac
done

exec dotnet run -c Release --project benchmarks/PtxLoss.Benchmarks -- ratios "${peers[@]}" "$@"
