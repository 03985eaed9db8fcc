# LLVM/MLIR 22. Only the dynamic libraries MLIR and LLVM are linked: mixing in component archives would load
# everything twice.
find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "LLVM/MLIR 22 is needed, found ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}; run ./dev setup")
endif()
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND "${LLVM_DEFINITIONS}")

add_library(tenon_mlir INTERFACE)
target_include_directories(tenon_mlir SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_compile_definitions(tenon_mlir INTERFACE ${LLVM_DEFINITIONS_LIST})
target_link_libraries(tenon_mlir INTERFACE MLIR LLVM)

# mlir_tablegen reads the include directories of the folder it is called in.
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})

# The MLIR headers, parsed once. Libraries made with tenon_compiler_library reuse it.
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/pch_anchor.cpp "")
add_library(tenon_mlir_pch OBJECT ${CMAKE_CURRENT_BINARY_DIR}/pch_anchor.cpp)
target_link_libraries(tenon_mlir_pch PUBLIC tenon_mlir)
target_compile_options(tenon_mlir_pch PRIVATE -fno-exceptions -fvisibility=hidden)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(tenon_mlir_pch PRIVATE -fpch-instantiate-templates)
endif()
target_precompile_headers(tenon_mlir_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/mlir_pch.h)

# tenon_compiler_library(NAME SOURCES ... [DEPS ...] [TABLEGEN target...]): a library that uses MLIR.
function(tenon_compiler_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;TABLEGEN" ${ARGN})
  tenon_library(${name} SOURCES ${ARG_SOURCES} DEPS ${ARG_DEPS} tenon_mlir)
  target_compile_options(${name} PRIVATE -fno-exceptions)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${name} PRIVATE -fpch-instantiate-templates)
  endif()
  target_precompile_headers(${name} REUSE_FROM tenon_mlir_pch)
  if(ARG_TABLEGEN)
    add_dependencies(${name} ${ARG_TABLEGEN})
  endif()
endfunction()
