#!/usr/bin/env bash
# Builds the peers in C++, and times them in one run with those that are libraries of .NET. Arguments go to the benchmarks' "ratios":
# --threads 2 --shape 1024x50304 --rounds 25 --out <folder>, which counts from the root of the repository; beside it, oneDNN. After
# "head" they go to the benchmarks' "head", the loss from hidden states: head --threads 2 --shape 1024x768x50304 --rounds 7
# --out <folder>; beside it, matrix products of oneDNN and OpenBLAS. What is missing of them is installed on Debian and Ubuntu.
# Environment:
#   PEERS="onednn openblas"   which to time
# Started under "taskset -c 0,1", all of them keep to these cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=benchmarks/peers
build=$here/artifacts
mkdir -p "$build"

command=ratios
case ${1:-} in ratios | head) command=$1; shift ;; esac

links() { # whether a header and its library are there
  echo 'int main() {}' | g++ -x c++ -include "$1" -o "$build/links" - "$2" 2>/dev/null
}

install() {
  if [ "$(id -u)" = 0 ]; then apt-get install -y "$@" >&2; else sudo apt-get install -y "$@" >&2; fi
}

flags=()
need() { # define, header, library, package
  if links "$2" "$3" || { install g++ "$4" && links "$2" "$3"; }; then flags+=("-D$1" "$3")
  else echo "left out: $1, which g++ does not find ($4)" >&2; fi
}

for peer in ${PEERS:-onednn openblas}; do
  case $peer in
    onednn) need ONEDNN dnnl.h -ldnnl libdnnl-dev ;;
    openblas) [ "$command" = ratios ] || need OPENBLAS cblas.h -lopenblas libopenblas-dev ;;
    *) echo "unknown peer: $peer" >&2; exit 1 ;;
  esac
done

peers=()
if [ ${#flags[@]} -gt 0 ]; then
  source=onednn_peer
  [ "$command" = ratios ] || source=gemm_peer
  g++ -std=c++17 -O3 -march=native -o "$build/$source" "$here/$source.cpp" "${flags[@]}"
  peers+=(--peer "$build/$source")
fi

exec dotnet run -c Release --project benchmarks/PtxLoss.Benchmarks -- "$command" "${peers[@]}" "$@"
