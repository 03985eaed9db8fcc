# One function per kind of target. A library sees only what it names under DEPS: the dependency laws of
# docs/architecture.md are link visibility, and `./dev lint` checks the #include lines as well.

# tenon_library(NAME [FREESTANDING] SOURCES ... [DEPS ...])
#   FREESTANDING: built without exceptions and RTTI, the form that a device uses.
function(tenon_library name)
  cmake_parse_arguments(ARG "FREESTANDING" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
  target_compile_options(${name} PRIVATE -fvisibility=hidden)
  if(ARG_FREESTANDING)
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics>)
  endif()
endfunction()

# tenon_test(NAME SOURCES ... [DEPS ...]): one GoogleTest binary, one CTest entry.
function(tenon_test name)
  if(NOT TENON_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
endfunction()

# tenon_fuzz(NAME SOURCES ... [DEPS ...]): a libFuzzer target, built with the preset `fuzz`.
function(tenon_fuzz name)
  if(NOT TENON_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()
