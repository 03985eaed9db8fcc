# Sets TENON_ONNX_PROTO to `onnx-ml.proto`, which the wheel of the pinned `onnx` package ships: the project's virtual
# environment's, else that of the Python on the path.
if(NOT TENON_ONNX_PROTO)
  file(GLOB tenon_onnx_proto_found "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/onnx/onnx-ml.proto")
  if(tenon_onnx_proto_found)
    list(GET tenon_onnx_proto_found 0 tenon_onnx_proto_file)
  else()
    set(tenon_onnx_python python3)
    if(Python_EXECUTABLE)
      set(tenon_onnx_python ${Python_EXECUTABLE})
    endif()
    execute_process(
      COMMAND ${tenon_onnx_python} -c "import importlib.util as u, pathlib; print(pathlib.Path(u.find_spec('onnx').origin).parent / 'onnx-ml.proto')"
      OUTPUT_VARIABLE tenon_onnx_proto_file OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  set(TENON_ONNX_PROTO "${tenon_onnx_proto_file}" CACHE FILEPATH "onnx-ml.proto of the onnx wheel" FORCE)
endif()
if(NOT EXISTS "${TENON_ONNX_PROTO}")
  message(FATAL_ERROR "onnx-ml.proto not found (TENON_ONNX_PROTO is '${TENON_ONNX_PROTO}'): run `./dev setup`, which "
                      "installs the onnx wheel into .venv, or pass -DTENON_ONNX_PROTO=<path>")
endif()
