// One planted defect per check. Defects that a model can express go through the writer, which verifies; the
// others are planted in a built manifest.

#include "package/verify.h"

#include "package/elf_image.h"

#include "package/reader.h"
#include "package/testing/sample_package.h"
#include "package/write_manifest.h"
#include "package/writer.h"

#include <gtest/gtest.h>
#include <optional>

using namespace tenon::package;
using namespace tenon::package::testing;

namespace {

/// Command indices of richPackage's function "control".
enum ControlCommand { FillCommand, PositiveCommand, ReadCommand, SetCommand, EvalCommand, BranchCommand };

Function &mainOf(Package &package) { return package.functions[0]; }
Function &controlOf(Package &package) { return package.functions[1]; }
template <typename Body> Body &find(Function &function) {
  for (Command &command : function.commands)
    if (auto *body = std::get_if<Body>(&command.body))
      return *body;
  std::abort();
}

struct Defect {
  const char *name;
  Code code;
  void (*plant)(Package &);
};

std::ostream &operator<<(std::ostream &stream, const Defect &defect) { return stream << defect.name; }

constexpr Defect kDefects[] = {
    {"DuplicateKernel", Code::BadName, [](Package &p) { p.kernels[1].name = p.kernels[0].name; }},
    {"EmptyWeightName", Code::BadName, [](Package &p) { p.weights[0].name = ""; }},
    {"ZeroByteInName", Code::BadName, [](Package &p) { p.weights[0].name = std::string("a\0b", 3); }},
    {"DuplicateState", Code::BadName, [](Package &p) { p.states[1].name = p.states[0].name; }},
    {"DuplicateFunction", Code::BadName, [](Package &p) { p.functions[1].name = "main"; }},
    {"DuplicateSymbol", Code::BadName, [](Package &p) { mainOf(p).symbols.push_back(mainOf(p).symbols[0]); }},
    {"DuplicateInput", Code::BadName, [](Package &p) { mainOf(p).inputs.push_back(mainOf(p).inputs[0]); }},
    {"DuplicateOutput", Code::BadName, [](Package &p) { mainOf(p).outputs.push_back(mainOf(p).outputs[0]); }},
    {"UnknownMachine", Code::BadEnum, [](Package &p) { p.images.back().machine = static_cast<Machine>(9); }},
    {"UnknownFeature", Code::BadEnum, [](Package &p) { p.images[0].features = uint64_t{1} << 63; }},
    {"UnknownAccess", Code::BadEnum, [](Package &p) { p.kernels[Fail].access[0] = static_cast<Access>(7); }},
    {"TieOutOfRange", Code::BadKernel, [](Package &p) { p.kernels[Scale].ties = {{0, 2}}; }},
    {"TieWithItself", Code::BadKernel, [](Package &p) { p.kernels[Scale].ties = {{1, 1}}; }},
    {"KernelInNoImage", Code::BadKernel,
     [](Package &p) { p.kernels[Fail].entrySymbols.assign(p.images.size(), ""); }},
    {"UnknownWeightType", Code::BadEnum, [](Package &p) { p.weights[0].dtype = static_cast<DType>(99); }},
    {"WeightTooSmall", Code::BadRange, [](Package &p) { p.weights[0].dims = {1 << 20}; }},
    {"WeightShapeOverflow", Code::BadRange, [](Package &p) { p.weights[0].dims = {INT64_MAX, 3}; }},
    {"WeightNegativeDim", Code::BadRange, [](Package &p) { p.weights[0].dims = {-2}; }},
    {"WeightDynamicDim", Code::BadRange, [](Package &p) { p.weights[0].dims = {-1}; }},
    {"StateBoundTooSmall", Code::BadState, [](Package &p) { p.states[0].sizeBound = 8; }},
    {"StateBoundTooLarge", Code::BadState, [](Package &p) { p.states[0].sizeBound = UINT64_MAX; }},
    {"StateUnknownKind", Code::BadEnum, [](Package &p) { p.states[0].kind = static_cast<StateKind>(9); }},
    {"StateUnknownType", Code::BadEnum, [](Package &p) { p.states[0].dtype = static_cast<DType>(0); }},
    {"StateSequenceWithoutAxis", Code::BadState, [](Package &p) { p.states[0].lengthAxis = 3; }},
    {"StateSequenceDynamic", Code::BadState, [](Package &p) { p.states[0].dims = {2, -1, 4}; }},
    {"StateLengthNotInteger", Code::BadState, [](Package &p) { p.states[1].dtype = DType::F64; }},
    {"StateInitialWeightIndex", Code::BadIndex, [](Package &p) { p.states[0].initialWeight = 5; }},
    {"StateSmallerThanWeight", Code::BadState, [](Package &p) { p.states[0].initialWeight = 0; }},
    {"SymbolRange", Code::BadSymbol, [](Package &p) { mainOf(p).symbols[0].min = 5000; }},
    {"SymbolNegative", Code::BadSymbol, [](Package &p) { mainOf(p).symbols[0].min = -1; }},
    {"SymbolMultiple", Code::BadSymbol, [](Package &p) { mainOf(p).symbols[0].multipleOf = 0; }},
    {"SymbolLikely", Code::BadSymbol, [](Package &p) { mainOf(p).symbols[0].likely = {1 << 30}; }},
    {"SymbolUnbound", Code::BadSymbol, [](Package &p) { mainOf(p).inputs[0].dims = {1}; }},
    {"UnknownOperation", Code::BadEnum, [](Package &p) { mainOf(p).exprs[0].op = static_cast<ExprOp>(77); }},
    {"LaterOperand", Code::BadExpr, [](Package &p) { mainOf(p).exprs[1] = {ExprOp::Not, 2, 0, 0, 0}; }},
    {"ExternalAmongStatic", Code::BadExpr, [](Package &p) { mainOf(p).exprs[0].op = ExprOp::External; }},
    {"TooManyStatic", Code::BadExpr, [](Package &p) { mainOf(p).staticExprs = 100; }},
    {"InputType", Code::BadEnum, [](Package &p) { mainOf(p).inputs[0].dtype = static_cast<DType>(0); }},
    {"InputDimLate", Code::BadIndex, [](Package &p) { controlOf(p).inputs[0].dims.push_back(7); }},
    {"OutputDimSlot", Code::BadIndex, [](Package &p) { mainOf(p).outputs[0].dims = {99}; }},
    {"RankTooLarge", Code::TooLarge, [](Package &p) { mainOf(p).outputs[0].dims.assign(33, 0); }},
    {"NoQueue", Code::TooLarge, [](Package &p) { mainOf(p).queues = 0; }},
    {"NegativeCertificate", Code::BadRange, [](Package &p) { mainOf(p).certificate.arenaBytes = -1; }},
    {"StateTieIndex", Code::BadIndex, [](Package &p) { controlOf(p).stateTies[0].state = 9; }},
    {"UnknownRegion", Code::BadEnum,
     [](Package &p) { mainOf(p).buffers[0].region = static_cast<Region>(9); }},
    {"BufferSizeSlot", Code::BadIndex, [](Package &p) { mainOf(p).buffers[0].size = 99; }},
    {"BufferSizeLate", Code::BadBuffer, [](Package &p) { controlOf(p).buffers[0].size = 7; }},
    {"BufferObject", Code::BadIndex, [](Package &p) { mainOf(p).buffers[2].index = 1; }},
    {"BufferStateObject", Code::BadIndex, [](Package &p) { controlOf(p).buffers[2].index = 2; }},
    {"BufferWithBase", Code::BadBuffer, [](Package &p) { mainOf(p).buffers[1].base = 0; }},
    {"ViewOfLater", Code::BadBuffer, [](Package &p) { controlOf(p).buffers[5].base = 5; }},
    {"ViewOffsetSlot", Code::BadIndex, [](Package &p) { controlOf(p).buffers[5].offset = 99; }},
    {"ConflictWithLater", Code::BadBuffer, [](Package &p) { mainOf(p).buffers[3].conflicts = {3}; }},
    {"ConflictWithInput", Code::BadBuffer, [](Package &p) { mainOf(p).buffers[3].conflicts = {0}; }},
    {"ConflictOfInput", Code::BadBuffer, [](Package &p) { mainOf(p).buffers[1].conflicts = {0}; }},
    {"CommandQueue", Code::BadIndex, [](Package &p) { mainOf(p).commands[0].queue = 1; }},
    {"CommandBuffer", Code::BadIndex, [](Package &p) { find<Dispatch>(mainOf(p)).buffers[0] = 99; }},
    {"CommandSlot", Code::BadIndex, [](Package &p) { find<Dispatch>(mainOf(p)).grid = 99; }},
    {"VariantKernel", Code::BadIndex,
     [](Package &p) { find<Dispatch>(mainOf(p)).variants.push_back({kNone, 99}); }},
    {"VariantAccess", Code::BadCommand,
     [](Package &p) {
       p.kernels[Positive].symbolCount = 0;
       find<Dispatch>(mainOf(p)).variants.push_back({kNone, Positive});
     }},
    {"DispatchScalars", Code::BadCommand, [](Package &p) { find<Dispatch>(mainOf(p)).symbols = {0}; }},
    {"DispatchScratchLate", Code::BadCommand,
     [](Package &p) {
       find<Dispatch>(controlOf(p)).scratch = 7;
       controlOf(p).commands[PositiveCommand].late = true;
     }},
    {"DispatchNotLate", Code::BadCommand, [](Package &p) { find<Dispatch>(controlOf(p)).symbols = {7}; }},
    {"CopyNotLate", Code::BadCommand,
     [](Package &p) {
       for (Command &command : controlOf(p).commands)
         command.late = false;
     }},
    {"WritesWeight", Code::BadAccess, [](Package &p) { find<Dispatch>(mainOf(p)).buffers[2] = 2; }},
    {"WritesInput", Code::BadAccess, [](Package &p) { find<Fill>(controlOf(p)).dst = 0; }},
    {"AliasNotTied", Code::BadAccess, [](Package &p) { find<Dispatch>(mainOf(p)).buffers = {3, 2, 3}; }},
    {"FillWidth", Code::BadCommand, [](Package &p) { find<Fill>(controlOf(p)).width = 3; }},
    {"EvalStatic", Code::BadIndex, [](Package &p) { find<EvalSymbols>(controlOf(p)).first = 0; }},
    {"EvalTooMany", Code::BadIndex, [](Package &p) { find<EvalSymbols>(controlOf(p)).count = UINT32_MAX; }},
    {"EvalExternal", Code::BadExpr, [](Package &p) { find<EvalSymbols>(controlOf(p)).first -= 1; }},
    {"ReadFloat", Code::BadEnum, [](Package &p) { find<ReadScalar>(controlOf(p)).dtype = DType::F32; }},
    {"WriteFloat", Code::BadEnum, [](Package &p) { find<WriteScalar>(controlOf(p)).dtype = DType::BF16; }},
    {"ReadIntoConstant", Code::BadExpr, [](Package &p) { find<ReadScalar>(controlOf(p)).dst = 1; }},
    {"SetNotExternal", Code::BadExpr, [](Package &p) { find<SetSlot>(controlOf(p)).dst = 0; }},
    {"ResultNotExternal", Code::BadExpr, [](Package &p) { find<HostCall>(controlOf(p)).results = {999}; }},
    {"BranchTarget", Code::BadTarget, [](Package &p) { find<Branch>(controlOf(p)).target = 99; }},
    {"JumpTarget", Code::BadTarget, [](Package &p) { find<Jump>(controlOf(p)).target = 99; }},
    {"SignalQueue", Code::BadIndex, [](Package &p) { find<Signal>(controlOf(p)).queue = 2; }},
    {"WaitQueue", Code::BadIndex, [](Package &p) { find<Wait>(controlOf(p)).queue = 2; }},
    {"HostNameEmpty", Code::BadName, [](Package &p) { find<HostCall>(controlOf(p)).name = ""; }},
    {"CounterNotSet", Code::SlotNotWritten,
     [](Package &p) { controlOf(p).commands[SetCommand].body = Signal{0, 1}; }},
    {"CountNotRead", Code::SlotNotWritten,
     [](Package &p) { controlOf(p).commands[ReadCommand].body = Signal{0, 1}; }},
    {"SkippedByBranch", Code::SlotNotWritten,
     [](Package &p) {
       Function &f = controlOf(p);
       f.commands[FillCommand].body = Branch{0, ReadCommand + 1};
     }},
    {"OutputDimNotWritten", Code::SlotNotWritten,
     [](Package &p) {
       p.functions[0].exprs.push_back({ExprOp::External, 0, 0, 0, 0});
       p.functions[0].outputs[0].dims = {static_cast<Slot>(p.functions[0].exprs.size())};
     }},
    {"DebugNode", Code::BadIndex, [](Package &p) { p.debug.origins[0].nodes = {99}; }},
    {"DebugListing", Code::BadIndex, [](Package &p) { p.debug.listings[0].kernel = 99; }},
    {"DebugLineOrigin", Code::BadIndex, [](Package &p) { p.debug.listings[0].lines[0].origin = 99; }},
    {"DebugLineOrder", Code::BadRange, [](Package &p) { p.debug.listings[0].lines = {{5, 0}, {4, 0}}; }},
    {"DebugSchedule", Code::BadIndex, [](Package &p) { p.debug.schedules[0].kernel = 99; }},
    {"ViewsTooDeep", Code::TooLarge,
     [](Package &p) {
       for (int i = 0; i < 20; ++i) {
         Buffer view = {Region::View, 0, controlOf(p).buffers[0].size, kNone, 1, {}};
         view.base = static_cast<BufferId>(controlOf(p).buffers.size() - 1);
         controlOf(p).buffers.push_back(view);
       }
     }},
};

/// The same of devicePackage.
constexpr Defect kDeviceDefects[] = {
    {"DuplicateDevice", Code::BadName, [](Package &p) { p.devices.push_back(p.devices[0]); }},
    {"ProgramDevice", Code::BadIndex, [](Package &p) { p.programs[0].device = 1; }},
    {"KernelProgram", Code::BadIndex, [](Package &p) { p.kernels.back().program = 1; }},
    {"KernelWithCodeAndProgram", Code::BadKernel,
     [](Package &p) { p.kernels.back().entrySymbols = p.kernels[Scale].entrySymbols; }},
    {"VariantsOfDevices", Code::BadCommand,
     [](Package &p) {
       p.kernels[Scale].symbolCount = 2;
       find<Dispatch>(mainOf(p)).variants.push_back({kNone, Scale});
     }},
    {"DeviceScratch", Code::BadCommand, [](Package &p) { find<Dispatch>(mainOf(p)).scratch = 1; }},
    {"HostKernelOnDeviceQueue", Code::BadCommand, [](Package &p) { mainOf(p).commands[2].queue = 1; }},
    {"FillOnDeviceQueue", Code::BadCommand,
     [](Package &p) { mainOf(p).commands.insert(mainOf(p).commands.begin(), {Fill{2, 0, 1}, false, 1}); }},
    {"DeviceQueue", Code::BadIndex, [](Package &p) { mainOf(p).commands[0].queue = 2; }},
};

class VerifyDefect : public ::testing::TestWithParam<Defect> {};

/// A manifest of richPackage with offsets as the writer would give them.
class Built {
public:
  Built() : package_(richPackage()) {
    Layout layout;
    layout.images.resize(package_.images.size());
    layout.weights.resize(package_.weights.size());
    for (size_t i = 0; i < package_.images.size(); ++i) {
      images_.resize((images_.size() + 4095) / 4096 * 4096);
      layout.images[i].offset = images_.size();
      images_.insert(images_.end(), package_.images[i].elf.begin(), package_.images[i].elf.end());
    }
    for (const Kernel &kernel : package_.kernels) {
      auto &entries = layout.entries.emplace_back(package_.images.size(), UINT64_MAX);
      for (size_t i = 0; i < entries.size(); ++i)
        EXPECT_TRUE(entry(i, kernel.entrySymbols[i], entries[i]));
    }
    EXPECT_TRUE(buildManifest(package_, layout, builder_).ok());
  }
  fb::Manifest &manifest() { return *flatbuffers::GetMutableRoot<fb::Manifest>(builder_.GetBufferPointer()); }
  Status verify() {
    return verifyManifest(manifest(), manifestSize.value_or(builder_.GetSize()),
                          {images_.data(), images_.size()}, {nullptr, 4096 * 4}, systemAllocator());
  }
  std::optional<uint64_t> manifestSize;

private:
  bool entry(size_t image, const std::string &symbol, uint64_t &address) {
    ElfImage elf;
    const CodeImage &source = package_.images[image];
    return ElfImage::parse({source.elf.data(), source.elf.size()}, source.machine, elf).ok() &&
           elf.findSymbol(symbol.c_str(), address).ok();
  }
  Package package_;
  std::vector<uint8_t> images_;
  flatbuffers::FlatBufferBuilder builder_;
};

/// Overwrites a scalar field of a table; the field is present, because the writer stores defaults.
template <typename Table, typename T> void set(const Table *table, flatbuffers::voffset_t field, T value) {
  auto *mutableTable = const_cast<flatbuffers::Table *>(reinterpret_cast<const flatbuffers::Table *>(table));
  ASSERT_TRUE(mutableTable->SetField<T>(field, value, static_cast<T>(~value)));
}

template <typename T> void poke(const flatbuffers::Vector<T> *vector, uint32_t index, T value) {
  const_cast<flatbuffers::Vector<T> *>(vector)->Mutate(index, value);
}

} // namespace

TEST_P(VerifyDefect, IsRefusedWithItsCode) {
  Package package = richPackage();
  GetParam().plant(package);
  std::vector<uint8_t> bytes;
  Status status = writeMemory(package, bytes);
  EXPECT_EQ(status.code(), GetParam().code) << status.message();
  EXPECT_GT(std::string(status.message()).size(), 20u);
  EXPECT_TRUE(bytes.empty());
}

class VerifyDeviceDefect : public ::testing::TestWithParam<Defect> {};

TEST_P(VerifyDeviceDefect, IsRefusedWithItsCode) {
  Package package = devicePackage();
  GetParam().plant(package);
  std::vector<uint8_t> bytes;
  Status status = writeMemory(package, bytes);
  EXPECT_EQ(status.code(), GetParam().code) << status.message();
}

INSTANTIATE_TEST_SUITE_P(All, VerifyDeviceDefect, ::testing::ValuesIn(kDeviceDefects),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(Verify, ProgramPlacement) {
  std::vector<uint8_t> bytes;
  ASSERT_TRUE(writeMemory(devicePackage(), bytes).ok());
  AlignedBytes aligned(bytes);
  Reader reader;
  ASSERT_TRUE(Reader::open(aligned.bytes(), systemAllocator(), reader).ok());
  EXPECT_EQ(std::string(reinterpret_cast<const char *>(reader.program(0).data), reader.program(0).size),
            "multiply");
  const fb::Program *program = reader.manifest().programs()->Get(0);
  auto code = [&] { return Reader::open(aligned.bytes(), systemAllocator(), reader).code(); };
  set(program, fb::Program::VT_SIZE, UINT64_MAX);
  EXPECT_EQ(code(), Code::BadRange);
  set(program, fb::Program::VT_SIZE, uint64_t{8});
  set(program, fb::Program::VT_OFFSET, uint64_t{1} << 40);
  EXPECT_EQ(code(), Code::BadRange);
  set(program, fb::Program::VT_OFFSET, uint64_t{8});
  EXPECT_EQ(code(), Code::BadAlignment);
}

INSTANTIATE_TEST_SUITE_P(All, VerifyDefect, ::testing::ValuesIn(kDefects),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(Verify, AcceptsTheBuiltManifest) {
  Status status = Built().verify();
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(Verify, OtherKernelAbi) {
  Built built;
  set(&built.manifest(), fb::Manifest::VT_KERNEL_ABI, uint32_t{99});
  EXPECT_EQ(built.verify().code(), Code::KernelAbi);
}

TEST(Verify, ImagePlacement) {
  Built built;
  const fb::CodeImage *image = built.manifest().images()->Get(0);
  set(image, fb::CodeImage::VT_OFFSET, uint64_t{64});
  EXPECT_EQ(built.verify().code(), Code::BadAlignment);
  set(image, fb::CodeImage::VT_OFFSET, uint64_t{1} << 40);
  EXPECT_EQ(built.verify().code(), Code::BadRange);
  set(image, fb::CodeImage::VT_OFFSET, uint64_t{0});
  set(image, fb::CodeImage::VT_SIZE, UINT64_MAX);
  EXPECT_EQ(built.verify().code(), Code::BadRange);
  set(image, fb::CodeImage::VT_SIZE, uint64_t{100});
  EXPECT_EQ(built.verify().code(), Code::BadImage);
}

TEST(Verify, KernelEntry) {
  Built built;
  poke(built.manifest().kernels()->Get(0)->entries(), 0, uint64_t{1} << 50);
  EXPECT_EQ(built.verify().code(), Code::BadKernel);
}

TEST(Verify, WeightPlacement) {
  Built built;
  const fb::Weight *weight = built.manifest().weights()->Get(0);
  set(weight, fb::Weight::VT_OFFSET, uint64_t{8});
  EXPECT_EQ(built.verify().code(), Code::BadAlignment);
  set(weight, fb::Weight::VT_OFFSET, uint64_t{64});
  EXPECT_EQ(built.verify().code(), Code::BadRange);
  set(weight, fb::Weight::VT_OFFSET, UINT64_MAX - 63);
  EXPECT_EQ(built.verify().code(), Code::BadRange);
}

TEST(Verify, AccessListsFollowTheKernel) {
  Built built;
  const fb::Command *command = built.manifest().functions()->Get(0)->commands()->Get(0);
  poke(command->reads(), 0, uint32_t{3});
  EXPECT_EQ(built.verify().code(), Code::BadAccess);
}

TEST(Verify, UnknownCommandKind) {
  Built built;
  const fb::Command *command = built.manifest().functions()->Get(0)->commands()->Get(0);
  set(command, fb::Command::VT_BODY_TYPE, uint8_t{99});
  EXPECT_EQ(built.verify().code(), Code::BadEnum);
}

TEST(Verify, SharedVectorsAreRefused) {
  Built built;
  built.manifestSize = 10;
  EXPECT_EQ(built.verify().code(), Code::TooLarge);
}

TEST(Verify, MisalignedVectorsAreRefused) {
  // FlatBuffers' verifier checks the alignment of a vector's length only (found by fuzzing).
  Built built;
  const fb::Weight *weight = built.manifest().weights()->Get(0);
  auto *table = const_cast<flatbuffers::Table *>(reinterpret_cast<const flatbuffers::Table *>(weight));
  uint8_t *field = table->GetAddressOf(fb::Weight::VT_DIMS);
  flatbuffers::WriteScalar(field, flatbuffers::ReadScalar<uint32_t>(field) + 4);
  EXPECT_EQ(built.verify().code(), Code::ManifestCorrupt);
}

TEST(Verify, MemoryMayRunOut) {
  Built built;
  Allocator none = {[](void *, size_t, size_t) -> void * { return nullptr; },
                    [](void *, void *, size_t, size_t) {}, nullptr};
  std::vector<uint8_t> bytes;
  ASSERT_TRUE(writeMemory(richPackage(), bytes).ok());
  AlignedBytes aligned(bytes);
  Reader reader;
  EXPECT_EQ(Reader::open(aligned.bytes(), none, reader).code(), Code::OutOfMemory);
}
