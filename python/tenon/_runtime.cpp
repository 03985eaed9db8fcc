// The extension module `tenon._runtime`: the C interface of the runtime, without conveniences. Types, names
// and conversions are in tenon/_package.py and tenon/_session.py.

#include "runtime/devices/library/DeviceLibrary.h"
#include "tenon/tenon.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <memory>

namespace nb = nanobind;

namespace {

/// Becomes `_runtime.Error(code, message)`. Runtime texts start with the code: "TN0904: ...".
struct Failure {
  std::string code, message;
};

Failure split(const char *text) {
  std::string whole = text;
  size_t colon = whole.find(": ");
  if (whole.rfind("TN", 0) != 0 || colon == std::string::npos)
    return {"TN0599", whole};
  return {whole.substr(0, colon), whole.substr(colon + 2)};
}

/// The memory of a Python object with the buffer protocol, held until destruction.
class HeldBuffer {
public:
  HeldBuffer(nb::handle object, int flags) {
    if (PyObject_GetBuffer(object.ptr(), &view_, flags) != 0)
      throw nb::python_error();
  }
  ~HeldBuffer() { PyBuffer_Release(&view_); }
  HeldBuffer(const HeldBuffer &) = delete;
  HeldBuffer &operator=(const HeldBuffer &) = delete;
  void *data() const { return view_.buf; }
  uint64_t bytes() const { return static_cast<uint64_t>(view_.len); }

private:
  Py_buffer view_ = {};
};

using Held = std::unique_ptr<HeldBuffer>;

struct Release {
  void operator()(void *memory) const { std::free(memory); }
};

/// Devices lie beside this module, or in the build tree that it is in.
const tenon_device *findDevice(void *, const char *name) {
  Dl_info self;
  if (dladdr(reinterpret_cast<const void *>(&findDevice), &self) == 0 || !self.dli_fname)
    return nullptr;
  std::string file = self.dli_fname, folder = file.substr(0, file.rfind('/') + 1);
  return tenon::runtime::loadDevice(name, {folder + ".", folder + "../../lib", "/usr/local/lib", "/usr/lib"});
}

tenon_load_options loadOptions() {
  tenon_load_options options = {};
  options.find_device = findDevice;
  return options;
}

/// A package, and its bytes where they are in memory.
class PackageHandle {
public:
  static std::shared_ptr<PackageHandle> fromFile(const std::string &path) {
    auto result = std::make_shared<PackageHandle>();
    tenon_error error = {};
    {
      nb::gil_scoped_release released;
      result->package = tenon::Package::loadFile(path.c_str(), error, loadOptions());
    }
    if (error.code != TENON_OK)
      throw split(error.message);
    return result;
  }

  /// Copies to a page boundary, where the weights are used in place.
  static std::shared_ptr<PackageHandle> fromBuffer(nb::object buffer) {
    HeldBuffer source(buffer, PyBUF_SIMPLE);
    auto result = std::make_shared<PackageHandle>();
    result->size = source.bytes();
    result->memory.reset(std::aligned_alloc(4096, (result->size / 4096 + 1) * 4096));
    if (!result->memory)
      throw Failure{"TN0901", "no memory for a package of " + std::to_string(result->size) + " bytes"};
    tenon_error error = {};
    {
      nb::gil_scoped_release released;
      std::memcpy(result->memory.get(), source.data(), result->size);
      result->package = tenon::Package::loadMemory(result->memory.get(), result->size, error, loadOptions());
    }
    if (error.code != TENON_OK)
      throw split(error.message);
    return result;
  }

  /// The bytes of a package in memory, valid as long as this; None for one from a file.
  nb::object view() const {
    if (!memory)
      return nb::none();
    return nb::steal(PyMemoryView_FromMemory(static_cast<char *>(memory.get()), static_cast<Py_ssize_t>(size),
                                             PyBUF_READ));
  }

  std::unique_ptr<void, Release> memory; // outlives the package
  uint64_t size = 0;
  tenon::Package package;
};

using PackagePointer = std::shared_ptr<PackageHandle>;

/// (name, dtype, (size or symbol name or None, ...))
nb::tuple describeTensor(const PackageHandle &handle, uint32_t function, const tenon_tensor_info &info) {
  nb::list dims;
  for (uint32_t i = 0; i < info.rank; ++i) {
    tenon_symbol_info symbol;
    if (info.dims[i].symbol != TENON_NO_INDEX &&
        tenon_package_symbol(handle.package.get(), function, info.dims[i].symbol, &symbol) == TENON_OK)
      dims.append(symbol.name);
    else if (info.dims[i].value >= 0)
      dims.append(info.dims[i].value);
    else
      dims.append(nb::none());
  }
  return nb::make_tuple(info.name, static_cast<int>(info.dtype), nb::tuple(dims));
}

nb::list describeTensors(const PackageHandle &handle, uint32_t function, bool inputs) {
  nb::list result;
  uint32_t count = inputs ? handle.package.inputCount(function) : handle.package.outputCount(function);
  for (uint32_t i = 0; i < count; ++i) {
    tenon_tensor_info info;
    tenon_status status = inputs ? tenon_package_input(handle.package.get(), function, i, &info)
                                 : tenon_package_output(handle.package.get(), function, i, &info);
    if (status != TENON_OK)
      throw Failure{"TN0905", "a tensor of function " + std::to_string(function) + " cannot be queried"};
    result.append(describeTensor(handle, function, info));
  }
  return result;
}

nb::object orNone(int64_t value) {
  return value == TENON_UNBOUNDED ? nb::object(nb::none()) : nb::object(nb::int_(value));
}

nb::list describeSymbols(const PackageHandle &handle, uint32_t function) {
  nb::list result;
  uint32_t count = tenon_package_symbol_count(handle.package.get(), function);
  for (uint32_t i = 0; i < count; ++i) {
    tenon_symbol_info symbol;
    if (tenon_package_symbol(handle.package.get(), function, i, &symbol) == TENON_OK)
      result.append(nb::make_tuple(symbol.name, symbol.min, orNone(symbol.max), symbol.multiple_of));
  }
  return result;
}

nb::list functionNames(const PackageHandle &handle) {
  nb::list result;
  for (uint32_t i = 0; i < handle.package.functionCount(); ++i)
    result.append(handle.package.functionName(i));
  return result;
}

nb::list stateNames(const PackageHandle &handle) {
  nb::list result;
  for (uint32_t i = 0; i < tenon_package_state_count(handle.package.get()); ++i)
    result.append(tenon_package_state_name(handle.package.get(), i));
  return result;
}

nb::dict describePackage(const PackageHandle &handle) {
  nb::dict result;
  result["producer"] = tenon_package_producer(handle.package.get());
  result["target"] = tenon_package_target(handle.package.get());
  result["isa"] = tenon_package_isa(handle.package.get());
  result["weights"] = tenon_package_weight_bytes(handle.package.get());
  result["bytes"] = tenon_package_bytes(handle.package.get());
  return result;
}

nb::tuple certificate(const PackageHandle &handle, uint32_t function) {
  int64_t arena = 0, scratch = 0;
  if (tenon_package_certificate(handle.package.get(), function, &arena, &scratch) != TENON_OK)
    throw Failure{"TN0905", "there is no function " + std::to_string(function)};
  return nb::make_tuple(orNone(arena), orNone(scratch));
}

uint64_t tensorBytes(int dtype, const std::vector<int64_t> &shape) {
  uint64_t bits = tenon_dtype_bits(static_cast<tenon_dtype>(dtype));
  for (int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(bits, static_cast<uint64_t>(extent), &bits))
      throw Failure{"TN0905", "a shape is impossible"};
  return bits / 8 + (bits % 8 != 0);
}

/// A session. One thread at a time: tenon/_session.py holds a lock.
class SessionHandle {
public:
  SessionHandle(PackagePointer owner, uint32_t threads, bool profile) : owner_(std::move(owner)) {
    tenon_session_options options = {};
    options.threads = threads;
    options.profile = profile;
    tenon_error error = {};
    session_ = tenon::Session::create(owner_->package, error, options);
    if (error.code != TENON_OK)
      throw split(error.message);
  }

  std::shared_ptr<SessionHandle> fork() {
    tenon_error error = {};
    tenon::Session copy = session_.fork(error);
    if (error.code != TENON_OK)
      throw split(error.message);
    return std::shared_ptr<SessionHandle>(new SessionHandle(owner_, std::move(copy)));
  }

  /// `inputs`: one (buffer, dtype, shape) for each input, in order. `outputs`: one buffer, to be written, or
  /// None for each output. Inputs are held during the call only: they are all bound anew by the next.
  void run(uint32_t function, nb::list inputs, nb::list outputs) {
    if (inputs.size() != owner_->package.inputCount(function) ||
        outputs.size() != owner_->package.outputCount(function))
      throw Failure{"TN0905", "the number of tensors is not that of the function"};
    std::vector<Held> held;
    for (uint32_t i = 0; i < inputs.size(); ++i)
      held.push_back(bindInput(function, i, nb::cast<nb::tuple>(inputs[i])));
    for (uint32_t i = 0; i < outputs.size(); ++i)
      bindOutput(function, i, outputs[i]);
    tenon_status status;
    {
      nb::gil_scoped_release released;
      status = session_.run(function);
    }
    check(status);
  }

  /// (dtype, shape) of an output of the last run.
  nb::tuple outputInfo(uint32_t function, uint32_t index) {
    tenon_tensor tensor = get(function, index);
    nb::list shape;
    for (uint32_t i = 0; i < tensor.rank; ++i)
      shape.append(tensor.shape[i]);
    return nb::make_tuple(static_cast<int>(tensor.dtype), nb::tuple(shape));
  }

  void copyOutput(uint32_t function, uint32_t index, nb::object destination) {
    HeldBuffer target(destination, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE);
    tenon_tensor tensor = get(function, index);
    if (target.bytes() != tensor.bytes)
      throw Failure{"TN0910", "the array has " + std::to_string(target.bytes()) + " bytes, expected " +
                                  std::to_string(tensor.bytes)};
    if (tensor.bytes > 0)
      std::memcpy(target.data(), tensor.data, tensor.bytes);
  }

  nb::dict stats() const {
    tenon_session_stats stats = session_.stats();
    nb::dict result;
    result["allocations"] = stats.allocations;
    result["locks"] = stats.locks;
    result["arena"] = stats.arena_bytes;
    result["scratch"] = stats.scratch_bytes;
    result["state"] = stats.state_bytes;
    result["outputs"] = stats.output_bytes;
    result["runs"] = stats.runs;
    result["threads"] = stats.threads;
    if (tenon_package_device_count(owner_->package.get())) {
      result["cycles"] = stats.device_cycles;
      result["device_ns"] = stats.device_ns;
    }
    return result;
  }

  nb::list profile(uint32_t function) const {
    nb::list rows;
    uint32_t count = tenon_session_profile_count(session_.get(), function);
    for (uint32_t i = 0; i < count; ++i) {
      tenon_profile_row row = {};
      check(tenon_session_profile_row(session_.get(), function, i, &row));
      nb::dict described = describeRow(row);
      tenon_device_row device = {};
      if (tenon_session_profile_device(session_.get(), function, i, &device) == TENON_OK) {
        described["device"] = device.device;
        described["cycles"] = device.cycles;
        described["ideal_cycles"] = device.ideal_cycles;
        described["device_ns"] = device.ns;
        described["report"] = device.report;
      }
      rows.append(described);
    }
    return rows;
  }

  void resetProfile(uint32_t function) { check(tenon_session_profile_reset(session_.get(), function)); }
  void reserve(uint32_t function) { check(session_.reserve(function)); }
  void resetState() { check(tenon_session_state_reset(session_.get())); }
  void truncateState(int64_t length) { check(tenon_session_state_truncate(session_.get(), length)); }

  nb::bytes exportState(const std::string &name) const {
    uint32_t state = findState(name);
    std::vector<char> bytes(tenon_session_state_bytes(session_.get(), state));
    check(tenon_session_state_export(session_.get(), state, bytes.data(), bytes.size()));
    return nb::bytes(bytes.data(), bytes.size());
  }

  void importState(const std::string &name, nb::object data) {
    HeldBuffer source(data, PyBUF_C_CONTIGUOUS);
    check(tenon_session_state_import(session_.get(), findState(name), source.data(), source.bytes()));
  }

private:
  SessionHandle(PackagePointer owner, tenon::Session session)
      : owner_(std::move(owner)), session_(std::move(session)) {}

  void check(tenon_status status) const {
    if (status != TENON_OK)
      throw split(session_.message());
  }

  uint32_t findState(const std::string &name) const {
    uint32_t state = tenon_package_find_state(owner_->package.get(), name.c_str());
    if (state == TENON_NO_INDEX)
      throw Failure{"TN0904", "there is no state '" + name + "'"};
    return state;
  }

  tenon_tensor get(uint32_t function, uint32_t index) {
    tenon_tensor tensor = {};
    check(session_.output(function, index, tensor));
    return tensor;
  }

  Held bindInput(uint32_t function, uint32_t index, const nb::tuple &input) {
    auto buffer = std::make_unique<HeldBuffer>(input[0], PyBUF_C_CONTIGUOUS);
    int dtype = nb::cast<int>(input[1]);
    auto shape = nb::cast<std::vector<int64_t>>(input[2]);
    if (buffer->bytes() < tensorBytes(dtype, shape))
      throw Failure{"TN0910", "an input's memory is smaller than its shape"};
    check(session_.bindInput(function, index, buffer->data(), static_cast<tenon_dtype>(dtype), shape.data(),
                             static_cast<uint32_t>(shape.size())));
    return buffer;
  }

  /// The runtime writes there in later runs as well, so the array is held until it is replaced.
  void bindOutput(uint32_t function, uint32_t index, nb::handle output) {
    Held &held = outputs_[{function, index}];
    if (output.is_none()) {
      if (held)
        check(session_.bindOutput(function, index, nullptr, 0));
      held.reset();
      return;
    }
    auto buffer = std::make_unique<HeldBuffer>(output, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE);
    check(session_.bindOutput(function, index, buffer->data(), buffer->bytes()));
    held = std::move(buffer);
  }

  nb::dict describeRow(const tenon_profile_row &row) const {
    nb::list nodes;
    uint32_t count =
        row.origin == TENON_NO_INDEX ? 0 : tenon_package_origin_node_count(owner_->package.get(), row.origin);
    for (uint32_t i = 0; i < count; ++i) {
      const char *name = nullptr, *op = nullptr;
      if (tenon_package_origin_node(owner_->package.get(), row.origin, i, &name, &op) == TENON_OK)
        nodes.append(name);
    }
    nb::dict result;
    result["command"] = row.command;
    result["kind"] = row.kind;
    result["kernel"] = row.kernel;
    result["family"] = row.family;
    result["nodes"] = nodes;
    result["ns"] = row.last_ns;
    result["total_ns"] = row.total_ns;
    result["runs"] = row.runs;
    for (auto [name, value] : {std::pair{"flop", row.flops}, std::pair{"bytes", row.bytes},
                               std::pair{"predicted_ns", row.predicted_ns}})
      result[name] = value < 0 ? nb::object(nb::none()) : nb::object(nb::int_(value));
    result["schedule"] = row.schedule;
    return result;
  }

  PackagePointer owner_;
  std::map<std::pair<uint32_t, uint32_t>, Held> outputs_; // outlive the session
  tenon::Session session_;
};

} // namespace

NB_MODULE(_runtime, m) {
  m.doc() = "The C interface of the Tenon runtime.";
  m.def("version", [] { return tenon_version(); });
  m.def("dtype_name", [](int dtype) { return tenon_dtype_name(static_cast<tenon_dtype>(dtype)); });

  static nb::object error = nb::steal(PyErr_NewException("tenon._runtime.Error", nullptr, nullptr));
  m.attr("Error") = error;
  nb::register_exception_translator([](const std::exception_ptr &pointer, void *) {
    try {
      std::rethrow_exception(pointer);
    } catch (const Failure &failure) {
      nb::tuple arguments = nb::make_tuple(failure.code, failure.message);
      PyErr_SetObject(error.ptr(), arguments.ptr());
    }
  });

  nb::class_<PackageHandle>(m, "Package")
      .def_static("from_file", &PackageHandle::fromFile, nb::arg("path"))
      .def_static("from_buffer", &PackageHandle::fromBuffer, nb::arg("buffer"))
      .def("view", &PackageHandle::view, nb::keep_alive<0, 1>())
      .def("functions", &functionNames)
      .def("states", &stateNames)
      .def("inputs", [](const PackageHandle &p, uint32_t f) { return describeTensors(p, f, true); })
      .def("outputs", [](const PackageHandle &p, uint32_t f) { return describeTensors(p, f, false); })
      .def("symbols", &describeSymbols)
      .def("certificate", &certificate)
      .def("info", &describePackage);

  nb::class_<SessionHandle>(m, "Session")
      .def(nb::init<PackagePointer, uint32_t, bool>(), nb::arg("package"), nb::arg("threads"),
           nb::arg("profile"))
      .def("fork", &SessionHandle::fork)
      .def("run", &SessionHandle::run)
      .def("output_info", &SessionHandle::outputInfo)
      .def("copy_output", &SessionHandle::copyOutput)
      .def("stats", &SessionHandle::stats)
      .def("profile", &SessionHandle::profile)
      .def("reset_profile", &SessionHandle::resetProfile)
      .def("reserve", &SessionHandle::reserve)
      .def("reset_state", &SessionHandle::resetState)
      .def("truncate_state", &SessionHandle::truncateState)
      .def("export_state", &SessionHandle::exportState)
      .def("import_state", &SessionHandle::importState);
}
