# Sets TENON_ONNX_PROTO to `onnx-ml.proto`, which the wheel of the pinned `onnx` package ships.
if(NOT TENON_ONNX_PROTO)
  file(GLOB tenon_onnx_proto_found "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/onnx/onnx-ml.proto")
  list(POP_FRONT tenon_onnx_proto_found tenon_onnx_proto_found)
  set(TENON_ONNX_PROTO "${tenon_onnx_proto_found}" CACHE FILEPATH "onnx-ml.proto of the onnx wheel" FORCE)
endif()
if(NOT EXISTS "${TENON_ONNX_PROTO}")
  message(FATAL_ERROR "onnx-ml.proto not found (TENON_ONNX_PROTO is '${TENON_ONNX_PROTO}'): run `./dev setup`, which "
                      "installs the onnx wheel into .venv, or pass -DTENON_ONNX_PROTO=<path>")
endif()
