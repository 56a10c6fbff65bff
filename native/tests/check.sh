#!/bin/sh
# `make check-native` and `make check-arm`: the kernels where mistakes cannot hide.
#   check.sh sanitizers   under AddressSanitizer and UBSan, by themselves and then behind their Python tests
#   check.sh arm          compiled for 64-bit ARM, by themselves, in an emulator
set -eu
cd "$(dirname "$0")/../.."
bin=$PWD/.venv/bin # has cmake and ninja

need() { command -v "$1" > /dev/null || { echo "this needs $1, which is not here: $2" >&2; exit 1; }; }

build() { # folder, CMake's options
    folder=$1
    shift
    "$bin/cmake" -S . -B "$folder" -G Ninja -DCMAKE_MAKE_PROGRAM="$bin/ninja" -DBITSIEVE_TESTS=ON "$@" \
        > "$folder.log" || { cat "$folder.log" >&2; exit 1; }
    "$bin/cmake" --build "$folder" > "$folder.log" || { cat "$folder.log" >&2; exit 1; }
}

mkdir -p build
case $1 in
sanitizers)
    compiler=${CXX:-g++}
    need "$compiler" "install a C++ compiler (Debian and Ubuntu: apt-get install g++)"
    build build/sanitized -DCMAKE_CXX_COMPILER="$compiler" -DBITSIEVE_SANITIZE=ON \
        -DPython_EXECUTABLE="$bin/python" -Dnanobind_DIR="$("$bin/python" -m nanobind --cmake_dir)"
    build/sanitized/test_kernels
    # The linker keeps one of several equal inline functions: not one with instructions that only some CPUs have.
    if find build/sanitized -name 'kernels_avx*.o' -exec nm -C {} + | grep ' W '; then
        echo "these functions may be linked into code for other CPUs: have them inlined, or do without" >&2
        exit 1
    fi
    # Python was linked without the sanitizer, which has to be there first, and the C++ library whose throw it watches.
    asan=$("$compiler" -print-file-name=libasan.so)
    if [ ! -e "$asan" ]; then
        echo "skipped the Python tests: $compiler has no libasan.so to load before Python (g++ on Linux has)" >&2
        exit 0
    fi
    LD_PRELOAD="$asan $("$compiler" -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 \
        BITSIEVE_TEST_EXTENSION=build/sanitized PYTHONPATH=native/tests \
        "$bin/python" -m pytest -p other_extension -p no:cacheprovider tests/native tests/search
    ;;
arm)
    hint="on Debian and Ubuntu: apt-get install g++-aarch64-linux-gnu qemu-user"
    need aarch64-linux-gnu-g++ "$hint"
    need qemu-aarch64 "$hint"
    for flags in -march=armv8-a -march=armv8.2-a+dotprod; do
        build "build/arm$flags" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DBITSIEVE_EXTENSION=OFF \
            -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_CXX_FLAGS=$flags -DCMAKE_EXE_LINKER_FLAGS=-static
        echo "$flags"
        qemu-aarch64 "build/arm$flags/test_kernels"
    done
    ;;
*)
    echo "sanitizers or arm, and not '$1'" >&2
    exit 2
    ;;
esac
