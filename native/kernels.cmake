# The library `bitsieve_kernels`: everything in native/ that knows no Python. Each file of kernels is compiled for its
# own instructions; everything else for the oldest CPU, since dispatch.cpp chooses at run time.
include(CheckCXXCompilerFlag)
include(CheckCXXSourceCompiles)

file(GLOB sources CONFIGURE_DEPENDS native/*.cpp)
list(FILTER sources EXCLUDE REGEX "/(bindings[^/]*|kernels_avx2|kernels_avx512|kernels_neon)\\.cpp$")
add_library(bitsieve_kernels STATIC ${sources})
target_include_directories(bitsieve_kernels PUBLIC native)
target_link_libraries(bitsieve_kernels PUBLIC Threads::Threads)
target_compile_features(bitsieve_kernels PUBLIC cxx_std_20)
set_target_properties(bitsieve_kernels PROPERTIES
  POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON CXX_EXTENSIONS OFF)

if(MSVC)
  # /fp:precise does not contract a * b + c since Visual Studio 2022.
  target_compile_options(bitsieve_kernels PRIVATE /W3 /fp:precise)
  target_compile_definitions(bitsieve_kernels PUBLIC NOMINMAX)
  set(avx2 /arch:AVX2)
  set(avx512 /arch:AVX512)
else()
  # No fused multiply-add: results must not depend on which CPU has one.
  target_compile_options(bitsieve_kernels PRIVATE -Wall -Wextra -ffp-contract=off $<$<CONFIG:Release>:-O3>)
  set(avx2 -mavx2)
  set(avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512vbmi -mavx512vbmi2 -mavx512vpopcntdq)
endif()
if(BITSIEVE_SANITIZE)
  target_compile_options(bitsieve_kernels PUBLIC
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(bitsieve_kernels PUBLIC -fsanitize=address,undefined)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # It would make two loops of the one that writes candidates: where a tenth of the codes pass, 10 % of a scan.
  list(APPEND avx2 -fno-tree-loop-distribution)
  list(APPEND avx512 -fno-tree-loop-distribution)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Its own headers for AVX-512 trip its own warning (GCC bug 105593).
  list(APPEND avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

# Add native/kernels_SET.cpp, compiled with `flags`, if it is there and the compiler can.
function(add_kernels set flags)
  string(TOUPPER ${set} name)
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/native/kernels_${set}.cpp)
    return()
  endif()
  string(REPLACE ";" " " CMAKE_REQUIRED_FLAGS "${flags}")
  check_cxx_source_compiles("#include <immintrin.h>\nint main() {}" BITSIEVE_HAS_${name})
  if(BITSIEVE_HAS_${name})
    target_sources(bitsieve_kernels PRIVATE native/kernels_${set}.cpp)
    set_source_files_properties(native/kernels_${set}.cpp PROPERTIES COMPILE_OPTIONS "${flags}")
    target_compile_definitions(bitsieve_kernels PUBLIC BITSIEVE_${name})
  endif()
endfunction()

# Asked of the compiler and not of the machine, which may be another; a build for two at once gets neither.
set(main "\n#error\n#endif\nint main() {}")
check_cxx_source_compiles("#if !defined(__x86_64__) && !defined(_M_X64)${main}" BITSIEVE_X86_64)
check_cxx_source_compiles("#if !defined(__aarch64__) && !defined(_M_ARM64)${main}" BITSIEVE_ARM64)
if(BITSIEVE_X86_64)
  add_kernels(avx2 "${avx2}")
  add_kernels(avx512 "${avx512}")
elseif(BITSIEVE_ARM64 AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/native/kernels_neon.cpp)
  target_sources(bitsieve_kernels PRIVATE native/kernels_neon.cpp)
  target_compile_definitions(bitsieve_kernels PUBLIC BITSIEVE_NEON)
endif()
