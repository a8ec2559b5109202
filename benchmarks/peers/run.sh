#!/usr/bin/env bash
# Installs what is missing of PyTorch, oneDNN and ONNX Runtime, and times them in one run with PtxLoss on the same data, shapes and
# threads. Arguments go to the benchmarks' "ratios": --threads 2 --shape 1024x50304 --rounds 25 --out <folder>, which
# counts from the root of the repository. After "head" they go to the benchmarks' "head", the loss from hidden states, beside PyTorch,
# oneDNN and OpenBLAS: head --threads 2 --shape 1024x768x50304 --rounds 7 --out <folder>. Environment:
#   PEERS="torch onednn onnxruntime"  which to time; of head, "torch onednn openblas"
#   PYTHON=/usr/bin/python3           the one that has PyTorch; without one, Debian's package is installed
# OpenBLAS is not installed, since Debian's PyTorch would then multiply with it: where it is missing (libopenblas-dev), it is left out.
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

has_torch() { "$python" -c 'import numpy, torch' 2>/dev/null; }

torch() { # the peer in a file
  # Builds of PyTorch before 2 keep to AVX2 unless told.
  local capability=avx2
  grep -q avx512dq /proc/cpuinfo && capability=avx512
  peers+=(--peer "env ATEN_CPU_CAPABILITY=$capability $python $here/$1")
}

links() { # whether a header and its library are there
  echo 'int main() {}' | g++ -x c++ -include "$1" -o "$build/links" - "$2" 2>/dev/null
}

leave_out() { echo "left out: $1" >&2; }

command=ratios
case ${1:-} in ratios | head) command=$1; shift ;; esac

peers=()
if [ "$command" = head ]; then
  gemms=()
  for peer in ${PEERS:-torch onednn openblas}; do
    case $peer in
      torch)
        if has_torch || { install python3-torch python3-numpy && has_torch; }; then torch torch_head_peer.py
        else leave_out "PyTorch, which $python does not import"; fi
        ;;
      onednn)
        if links dnnl.h -ldnnl || { install libdnnl-dev g++ && links dnnl.h -ldnnl; }; then gemms+=(-DONEDNN -ldnnl)
        else leave_out "oneDNN, which g++ does not find (libdnnl-dev)"; fi
        ;;
      openblas)
        if links cblas.h -lopenblas; then gemms+=(-DOPENBLAS -lopenblas)
        else leave_out "OpenBLAS, which g++ does not find (libopenblas-dev)"; fi
        ;;
      *) echo "unknown peer: $peer" >&2; exit 1 ;;
    esac
  done
  if [ ${#gemms[@]} -gt 0 ]; then
    if g++ -std=c++17 -O3 -march=native -o "$build/gemm_peer" "$here/gemm_peer.cpp" "${gemms[@]}"; then
      peers+=(--peer "$build/gemm_peer")
    else leave_out "$here/gemm_peer.cpp, which g++ does not build"; fi
  fi
else
  for peer in ${PEERS:-torch onednn onnxruntime}; do
    case $peer in
      torch)
        has_torch || install python3-torch python3-numpy
        torch torch_peer.py
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
fi

exec dotnet run -c Release --project benchmarks/PtxLoss.Benchmarks -- "$command" "${peers[@]}" "$@"
