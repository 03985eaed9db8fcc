#include "package/write_manifest.h"

#include "package/header.h"

namespace tenon::package {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

namespace {

template <typename Result, typename Items, typename Build>
auto buildAll(FlatBufferBuilder &builder, const Items &items, Build build) {
  std::vector<Offset<Result>> offsets;
  offsets.reserve(items.size());
  for (const auto &item : items)
    offsets.push_back(build(item));
  return builder.CreateVector(offsets);
}

fb::Digest toDigest(const uint8_t *bytes) {
  return fb::Digest(flatbuffers::span<const uint8_t, 32>(bytes, 32));
}

/// The buffers that a command reads and writes, following the kernel's access modes.
struct Accesses {
  std::vector<uint32_t> reads, writes;
};

/// Builds one function.
class FunctionBuilder {
public:
  FunctionBuilder(FlatBufferBuilder &builder, const Package &package, const Function &function)
      : builder_(builder), package_(package), function_(function) {}

  Status build(Offset<fb::Function> &result);

private:
  Offset<fb::TensorArg> arg(const TensorArg &arg) {
    auto name = builder_.CreateString(arg.name);
    return fb::CreateTensorArg(builder_, name, static_cast<uint8_t>(arg.dtype),
                               builder_.CreateVector(arg.dims));
  }
  Offset<fb::Buffer> buffer(const Buffer &buffer) {
    auto conflicts = builder_.CreateVector(buffer.conflicts);
    return fb::CreateBuffer(builder_, static_cast<uint8_t>(buffer.region), buffer.index, buffer.size,
                            buffer.base, buffer.offset, conflicts);
  }
  Status accesses(const CommandBody &body, Accesses &result) const;
  std::pair<fb::CommandBody, Offset<void>> body(const CommandBody &body);
  Status command(const Command &command, Offset<fb::Command> &result);

  FlatBufferBuilder &builder_;
  const Package &package_;
  const Function &function_;
};

Status FunctionBuilder::accesses(const CommandBody &body, Accesses &result) const {
  if (const auto *dispatch = std::get_if<Dispatch>(&body)) {
    uint32_t kernel = dispatch->variants.empty() ? kNone : dispatch->variants[0].kernel;
    if (kernel >= package_.kernels.size() ||
        package_.kernels[kernel].access.size() != dispatch->buffers.size())
      return Status::error(
          Code::BadCommand,
          "function %s: a dispatch has no kernel, or another number of buffers than kernel %s",
          function_.name.c_str(),
          kernel < package_.kernels.size() ? package_.kernels[kernel].name.c_str() : "(none)");
    for (size_t i = 0; i < dispatch->buffers.size(); ++i) {
      Access access = package_.kernels[kernel].access[i];
      if (access != Access::Write)
        result.reads.push_back(dispatch->buffers[i]);
      if (access != Access::Read)
        result.writes.push_back(dispatch->buffers[i]);
    }
  } else if (const auto *copy = std::get_if<Copy>(&body)) {
    result = {{copy->src}, {copy->dst}};
  } else if (const auto *fill = std::get_if<Fill>(&body)) {
    result = {{}, {fill->dst}};
  } else if (const auto *read = std::get_if<ReadScalar>(&body)) {
    result = {{read->buffer}, {}};
  } else if (const auto *write = std::get_if<WriteScalar>(&body)) {
    result = {{}, {write->buffer}};
  } else if (const auto *call = std::get_if<HostCall>(&body)) {
    result = {call->reads, call->writes};
  }
  return {};
}

/// One overload per kind of command.
struct BodyBuilder {
  FlatBufferBuilder &builder;
  using Result = std::pair<fb::CommandBody, Offset<void>>;

  Result operator()(const Dispatch &d) const {
    std::vector<fb::Variant> variants;
    for (const Variant &variant : d.variants)
      variants.emplace_back(variant.guard, variant.kernel);
    auto variantVector = builder.CreateVectorOfStructs(variants);
    auto buffers = builder.CreateVector(d.buffers);
    auto symbols = builder.CreateVector(d.symbols);
    return {fb::CommandBody::Dispatch,
            fb::CreateDispatch(builder, variantVector, buffers, symbols, d.grid, d.grain, d.scratch, d.cost,
                               d.flops, d.bytes, d.compute, d.traffic)
                .Union()};
  }
  Result operator()(const Copy &c) const {
    return {fb::CommandBody::Copy, fb::CreateCopy(builder, c.src, c.dst, c.size).Union()};
  }
  Result operator()(const Fill &f) const {
    return {fb::CommandBody::Fill, fb::CreateFill(builder, f.dst, f.pattern, f.width).Union()};
  }
  Result operator()(const EvalSymbols &e) const {
    return {fb::CommandBody::EvalSymbols, fb::CreateEvalSymbols(builder, e.first, e.count).Union()};
  }
  Result operator()(const ReadScalar &r) const {
    return {fb::CommandBody::ReadScalar,
            fb::CreateReadScalar(builder, r.buffer, r.index, static_cast<uint8_t>(r.dtype), r.dst).Union()};
  }
  Result operator()(const WriteScalar &w) const {
    return {fb::CommandBody::WriteScalar,
            fb::CreateWriteScalar(builder, w.buffer, w.index, static_cast<uint8_t>(w.dtype), w.src).Union()};
  }
  Result operator()(const SetSlot &s) const {
    return {fb::CommandBody::SetSlot, fb::CreateSetSlot(builder, s.dst, s.src).Union()};
  }
  Result operator()(const Branch &b) const {
    return {fb::CommandBody::Branch, fb::CreateBranch(builder, b.cond, b.target).Union()};
  }
  Result operator()(const Jump &j) const {
    return {fb::CommandBody::Jump, fb::CreateJump(builder, j.target).Union()};
  }
  Result operator()(const Check &c) const {
    auto message = builder.CreateString(c.message);
    return {fb::CommandBody::Check, fb::CreateCheck(builder, c.cond, c.code, message).Union()};
  }
  Result operator()(const Signal &s) const {
    return {fb::CommandBody::Signal, fb::CreateSignal(builder, s.queue, s.value).Union()};
  }
  Result operator()(const Wait &w) const {
    return {fb::CommandBody::Wait, fb::CreateWait(builder, w.queue, w.value).Union()};
  }
  Result operator()(const HostCall &h) const {
    auto name = builder.CreateString(h.name);
    auto symbols = builder.CreateVector(h.symbols);
    auto results = builder.CreateVector(h.results);
    return {fb::CommandBody::HostCall, fb::CreateHostCall(builder, name, symbols, results).Union()};
  }
};

Status FunctionBuilder::command(const Command &command, Offset<fb::Command> &result) {
  Accesses access;
  TENON_TRY(accesses(command.body, access));
  auto [kind, body] = std::visit(BodyBuilder{builder_}, command.body);
  auto reads = builder_.CreateVector(access.reads);
  auto writes = builder_.CreateVector(access.writes);
  result =
      fb::CreateCommand(builder_, kind, body, command.late, command.queue, command.origin, reads, writes);
  return {};
}

Status FunctionBuilder::build(Offset<fb::Function> &result) {
  auto name = builder_.CreateString(function_.name);
  auto symbols = buildAll<fb::Symbol>(builder_, function_.symbols, [&](const Symbol &symbol) {
    auto symbolName = builder_.CreateString(symbol.name);
    auto likely = builder_.CreateVector(symbol.likely);
    return fb::CreateSymbol(builder_, symbolName, symbol.min, symbol.max, symbol.multipleOf, likely);
  });
  std::vector<fb::Expr> expressions;
  for (const Expr &expr : function_.exprs)
    expressions.emplace_back(static_cast<uint8_t>(expr.op), expr.a, expr.b, expr.c, expr.imm);
  auto exprs = builder_.CreateVectorOfStructs(expressions);
  auto inputs =
      buildAll<fb::TensorArg>(builder_, function_.inputs, [&](const TensorArg &a) { return arg(a); });
  auto outputs =
      buildAll<fb::TensorArg>(builder_, function_.outputs, [&](const TensorArg &a) { return arg(a); });
  auto ties = buildAll<fb::StateTie>(builder_, function_.stateTies, [&](const StateTie &tie) {
    auto input = builder_.CreateString(tie.input);
    return fb::CreateStateTie(builder_, tie.state, input, builder_.CreateString(tie.output));
  });
  auto buffers =
      buildAll<fb::Buffer>(builder_, function_.buffers, [&](const Buffer &b) { return buffer(b); });
  std::vector<Offset<fb::Command>> commands(function_.commands.size());
  for (size_t i = 0; i < commands.size(); ++i)
    TENON_TRY(command(function_.commands[i], commands[i]));
  auto commandVector = builder_.CreateVector(commands);
  result = fb::CreateFunction(builder_, name, symbols, exprs, function_.staticExprs, inputs, outputs, ties,
                              buffers, commandVector, function_.queues, function_.certificate.arenaBytes,
                              function_.certificate.scratchBytesPerWorker);
  return {};
}

auto buildImages(FlatBufferBuilder &builder, const Package &package, const Layout &layout) {
  size_t index = 0;
  return buildAll<fb::CodeImage>(builder, package.images, [&](const CodeImage &image) {
    const Placement &place = layout.images[index++];
    auto isa = builder.CreateString(image.isa);
    fb::Digest digest = toDigest(place.digest.bytes);
    return fb::CreateCodeImage(builder, isa, static_cast<uint8_t>(image.machine), image.features,
                               place.offset, image.elf.size(), &digest);
  });
}

auto buildKernels(FlatBufferBuilder &builder, const Package &package, const Layout &layout) {
  size_t index = 0;
  return buildAll<fb::Kernel>(builder, package.kernels, [&](const Kernel &kernel) {
    auto name = builder.CreateString(kernel.name);
    auto family = builder.CreateString(kernel.family);
    std::vector<uint8_t> modes;
    for (Access mode : kernel.access)
      modes.push_back(static_cast<uint8_t>(mode));
    auto access = builder.CreateVector(modes);
    std::vector<fb::Tie> tied;
    for (auto [first, second] : kernel.ties)
      tied.emplace_back(first, second);
    auto ties = builder.CreateVectorOfStructs(tied);
    auto entries = builder.CreateVector(layout.entries[index++]);
    return fb::CreateKernel(builder, name, family, access, ties, kernel.symbolCount, entries, kernel.program);
  });
}

auto buildWeights(FlatBufferBuilder &builder, const Package &package, const Layout &layout) {
  size_t index = 0;
  return buildAll<fb::Weight>(builder, package.weights, [&](const Weight &weight) {
    const Placement &place = layout.weights[index++];
    auto name = builder.CreateString(weight.name);
    auto dims = builder.CreateVector(weight.dims);
    fb::Digest digest = toDigest(place.digest.bytes);
    return fb::CreateWeight(builder, name, static_cast<uint8_t>(weight.dtype), dims, place.offset,
                            weight.size, &digest);
  });
}

auto buildStates(FlatBufferBuilder &builder, const Package &package) {
  return buildAll<fb::State>(builder, package.states, [&](const State &state) {
    auto name = builder.CreateString(state.name);
    auto dims = builder.CreateVector(state.dims);
    return fb::CreateState(builder, name, static_cast<uint8_t>(state.dtype), dims, state.sizeBound,
                           state.initialWeight, static_cast<uint8_t>(state.kind), state.lengthAxis);
  });
}

auto buildDevices(FlatBufferBuilder &builder, const Package &package) {
  return buildAll<fb::Device>(builder, package.devices, [&](const Device &device) {
    auto name = builder.CreateString(device.name);
    return fb::CreateDevice(builder, name, builder.CreateString(device.description));
  });
}

auto buildPrograms(FlatBufferBuilder &builder, const Package &package, const Layout &layout) {
  size_t index = 0;
  return buildAll<fb::Program>(builder, package.programs, [&](const Program &program) {
    const Placement &place = layout.programs[index++];
    fb::Digest digest = toDigest(place.digest.bytes);
    return fb::CreateProgram(builder, program.device, place.offset, program.bytes.size(), &digest);
  });
}

} // namespace

Status buildManifest(const Package &package, const Layout &layout, FlatBufferBuilder &builder) {
  builder.ForceDefaults(true); // so that the size does not depend on offsets being 0
  auto images = buildImages(builder, package, layout);
  auto kernels = buildKernels(builder, package, layout);
  auto weights = buildWeights(builder, package, layout);
  auto states = buildStates(builder, package);
  std::vector<Offset<fb::Function>> functionOffsets(package.functions.size());
  for (size_t i = 0; i < functionOffsets.size(); ++i)
    TENON_TRY(FunctionBuilder(builder, package, package.functions[i]).build(functionOffsets[i]));
  auto functions = builder.CreateVector(functionOffsets);
  auto devices = buildDevices(builder, package);
  auto programs = buildPrograms(builder, package, layout);
  auto metadata = buildAll<fb::KeyValue>(builder, package.metadata, [&](const auto &pair) {
    auto key = builder.CreateString(pair.first);
    return fb::CreateKeyValue(builder, key, builder.CreateString(pair.second));
  });
  auto producer = builder.CreateString(package.producer);
  auto sourceName = builder.CreateString(package.sourceName);
  auto targetText = builder.CreateString(package.targetText);
  fb::Digest source, target;
  if (package.sourceDigest.size() == 32)
    source = toDigest(package.sourceDigest.data());
  if (package.targetHash.size() == 32)
    target = toDigest(package.targetHash.data());
  auto root = fb::CreateManifest(builder, kKernelAbiVersion, producer, sourceName,
                                 package.sourceDigest.size() == 32 ? &source : nullptr, targetText,
                                 package.targetHash.size() == 32 ? &target : nullptr, metadata, images,
                                 kernels, weights, states, functions, devices, programs);
  fb::FinishManifestBuffer(builder, root);
  return {};
}

void buildDebug(const Debug &debug, FlatBufferBuilder &builder) {
  auto nodes = buildAll<fb::SourceNode>(builder, debug.nodes, [&](const SourceNode &node) {
    auto name = builder.CreateString(node.name);
    return fb::CreateSourceNode(builder, name, builder.CreateString(node.opType));
  });
  auto origins = buildAll<fb::Origin>(builder, debug.origins, [&](const Origin &origin) {
    return fb::CreateOrigin(builder, builder.CreateVector(origin.nodes));
  });
  auto listings = buildAll<fb::Listing>(builder, debug.listings, [&](const Listing &listing) {
    using Text = flatbuffers::Offset<flatbuffers::String>;
    auto text = listing.text.empty() ? Text() : builder.CreateString(listing.text);
    auto assembly = listing.assembly.empty() ? Text() : builder.CreateString(listing.assembly);
    std::vector<fb::LineOrigin> lines;
    for (const LineOrigin &line : listing.lines)
      lines.emplace_back(line.line, line.origin);
    std::vector<fb::CodeOrigin> code;
    for (const CodeOrigin &row : listing.code)
      code.emplace_back(row.offset, row.origin);
    auto lineRows = builder.CreateVectorOfStructs(lines);
    return fb::CreateListing(builder, listing.kernel, listing.image, text, assembly, lineRows, listing.entry,
                             listing.size, builder.CreateVectorOfStructs(code));
  });
  auto schedules =
      buildAll<fb::KernelSchedule>(builder, debug.schedules, [&](const KernelSchedule &schedule) {
        return fb::CreateKernelSchedule(builder, schedule.kernel, builder.CreateString(schedule.text));
      });
  auto dumps = buildAll<fb::PhaseDump>(builder, debug.dumps, [&](const PhaseDump &dump) {
    auto phase = builder.CreateString(dump.phase);
    return fb::CreatePhaseDump(builder, phase, builder.CreateString(dump.text));
  });
  flatbuffers::Offset<fb::MachineModel> model;
  if (const MachineModel &m = debug.model; !m.name.empty())
    model = fb::CreateMachineModel(builder, builder.CreateString(m.name), m.gflops, m.l2GBs, m.l3GBs,
                                   m.dramGBs, m.dispatchNs);
  builder.Finish(fb::CreateDebug(builder, nodes, origins, listings, schedules, dumps, model));
}

} // namespace tenon::package
