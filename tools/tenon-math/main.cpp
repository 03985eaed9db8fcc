// Runs the functions that kernels compute on every float, and compares with the C library in double
// precision. What is measured is what the compiler makes of an operation: composites go through their
// decompositions.

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/cpu/CpuCompiler.h"
#include "compiler/emit/cpu/ObjectCodeHarness.h"
#include "compiler/emit/cpu/UlpDistance.h"
#include "compiler/pipeline/Phases.h"
#include "tools/tenon-math/UnaryFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"

#include <bit>
#include <mutex>
#include <thread>
#include <unistd.h>

using namespace mlir;

namespace tenon::math {

namespace {

constexpr uint64_t kInputs = uint64_t{1} << 32;
constexpr uint32_t kBlock = 1 << 16;

struct Worst {
  double ulp = 0;
  float at = 0, found = 0;
  double truth = 0;
  uint64_t judged = 0, inexact = 0; // `inexact`: not the nearest float

  void add(const Worst &other) {
    uint64_t sum = judged + other.judged, off = inexact + other.inexact;
    if (other.ulp > ulp)
      *this = other;
    judged = sum;
    inexact = off;
  }
};

/// A function's kernel for one level, on a block of floats.
class Kernel {
public:
  Kernel(const UnaryFunction &function, const cpu::CpuTarget &target) {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    context.loadDialect<TenonDialect, arith::ArithDialect, func::FuncDialect, tensor::TensorDialect>();
    std::string type = "tensor<" + std::to_string(kBlock) + "xf32>";
    std::string text = "func.func @main(%x: " + type + ") -> " + type + " {\n  %y = " + function.operation +
                       " : " + type + "\n  return %y : " + type + "\n}\n";
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    if (!module || failed(pipeline::runGraph(*module)) ||
        failed(pipeline::runPack(*module, pipeline::Settings())) ||
        failed(pipeline::runKernel(*module, pipeline::Settings())))
      return; // the compiler has said why
    build(*module, target);
  }

  bool ready() const { return entry != nullptr; }
  void run(const float *in, float *out) const {
    void *buffers[] = {const_cast<float *>(in), out};
    alignas(64) tenon_kernel_io io{buffers, nullptr, nullptr};
    if (entry(&io, 0, grid, 0) != 0)
      llvm::report_fatal_error("the kernel returned an error");
  }

private:
  void build(ModuleOp module, const cpu::CpuTarget &target) {
    cpu::CpuCompiler compiler({target});
    auto function = *module.getOps<func::FuncOp>().begin();
    SizeAnalysis sizes(function);
    SmallVector<KernelOp> kernels(function.getOps<KernelOp>());
    if (kernels.size() != 1)
      return;
    FailureOr<cpu::DispatchInfo> info = compiler.add(kernels[0], sizes);
    std::vector<package::CodeImage> images;
    std::string error;
    if (failed(info) || !info->scalars.empty() || failed(compiler.compile({}, images, error)))
      return;
    image = cpu::test::LoadedImage::load(images[0].elf, error);
    entry = image.find(compiler.kernels()[0].name);
    grid = static_cast<uint32_t>(info->grid.constant().value_or(0));
  }

  cpu::test::LoadedImage image;
  tenon_kernel_fn entry = nullptr;
  uint32_t grid = 0;
};

/// The error at one argument, in the function's units.
double errorAt(const UnaryFunction &f, float x, float found, double truth) {
  if (f.vanishing && std::abs(truth) < f.vanishing && std::abs(found) <= std::abs(truth))
    return 0;
  double ulp = cpu::test::ulpDistance(found, truth);
  if (f.unit == Unit::Argument && std::isfinite(found))
    return std::min(ulp, std::abs(found - truth) / cpu::test::unitOfLastPlace<float>(static_cast<double>(x)));
  return ulp;
}

float argument(uint64_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(std::min(bits, kInputs - 1)));
}

/// Zeros, the ends of normal and subnormal numbers, ones, infinities and NaN, again and again.
float special(uint32_t i) {
  using Limits = std::numeric_limits<float>;
  constexpr float values[] = {0, Limits::denorm_min(), Limits::min(),       Limits::max(),
                              1, Limits::infinity(),   Limits::quiet_NaN(), 0.5F};
  float value = values[i / 2 % std::size(values)];
  return i % 2 ? -value : value;
}

bool sameBits(const std::vector<float> &a, const std::vector<float> &b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
    return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
  });
}

class Sweep {
public:
  Sweep(const UnaryFunction &function, const std::vector<cpu::CpuTarget> &targets, uint32_t stride)
      : function(function), stride(stride), worst(targets.size()) {
    for (const cpu::CpuTarget &target : targets)
      kernels.push_back(std::make_unique<Kernel>(function, target));
  }

  bool ready() const {
    return llvm::all_of(kernels, [](const std::unique_ptr<Kernel> &k) { return k->ready(); });
  }

  /// The worst of each target.
  const std::vector<Worst> &run(unsigned jobs) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < jobs; ++i)
      threads.emplace_back([this] { work(); });
    for (std::thread &thread : threads)
      thread.join();
    if (isatty(2))
      llvm::errs() << "\r\033[K";
    return worst;
  }

private:
  void work() {
    std::vector<float> in(kBlock), out(kBlock), former(kBlock);
    std::vector<double> truth(kBlock);
    std::vector<Worst> mine(kernels.size());
    const uint64_t span = uint64_t{kBlock} * stride, blocks = (kInputs + span - 1) / span;
    // Behind the last block comes one of special values, which a stride may miss.
    for (uint64_t block; (block = next++) <= blocks;) {
      for (uint32_t i = 0; i < kBlock; ++i) {
        in[i] = block < blocks ? argument((block * kBlock + i) * stride) : special(i);
        truth[i] = function.truth(static_cast<double>(in[i]));
      }
      Worst here;
      for (size_t k = 0; k < kernels.size(); ++k) {
        kernels[k]->run(in.data(), out.data());
        // Levels agree in every bit, mostly: then one judgement serves.
        if (k == 0 || !sameBits(out, former)) {
          here = {};
          judge(in, out, truth, here);
          std::swap(out, former);
        }
        mine[k].add(here);
      }
      if (isatty(2) && block % 256 == 0)
        llvm::errs() << "\r" << function.name << " " << 100 * block / blocks << " %";
    }
    std::lock_guard<std::mutex> lock(mutex);
    for (size_t k = 0; k < kernels.size(); ++k)
      worst[k].add(mine[k]);
  }

  void judge(const std::vector<float> &in, const std::vector<float> &out, const std::vector<double> &truth,
             Worst &found) const {
    for (uint32_t i = 0; i < kBlock; ++i) {
      // A NaN is an argument like any other; it is not larger than the limit.
      if (function.limit && std::abs(in[i]) > function.limit)
        continue;
      ++found.judged;
      auto nearest = static_cast<float>(truth[i]);
      bool same = std::bit_cast<uint32_t>(nearest) == std::bit_cast<uint32_t>(out[i]);
      if (same || (std::isnan(nearest) && std::isnan(out[i])))
        continue;
      ++found.inexact;
      // The sign of zero counts.
      bool wrongZero = nearest == 0 && out[i] == 0 && function.unit == Unit::Result && !function.vanishing;
      double ulp =
          wrongZero ? std::numeric_limits<double>::infinity() : errorAt(function, in[i], out[i], truth[i]);
      if (ulp > found.ulp)
        found = {ulp, in[i], out[i], truth[i], found.judged, found.inexact};
    }
  }

  const UnaryFunction &function;
  uint32_t stride;
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::vector<Worst> worst;
  std::atomic<uint64_t> next = 0;
  std::mutex mutex;
};

} // namespace

/// Prints a row for each level; returns whether the bound holds.
static bool report(const UnaryFunction &function, const std::vector<cpu::CpuTarget> &targets, uint32_t stride,
                   unsigned jobs) {
  Sweep sweep(function, targets, stride);
  if (!sweep.ready()) {
    llvm::errs() << "tenon-math: '" << function.operation << "' did not become one kernel\n";
    return false;
  }
  const std::vector<Worst> &worst = sweep.run(jobs);
  bool good = true;
  for (auto [target, w] : llvm::zip_equal(targets, worst)) {
    bool holds = w.ulp <= function.bound;
    good &= holds;
    llvm::outs() << llvm::format("%-10s %-10s%s %11llu %7.3f %% %9.3f %6.2f  %s", function.name,
                                 target.name.c_str(), target.emulate ? "*" : " ",
                                 static_cast<unsigned long long>(w.judged),
                                 100.0 * static_cast<double>(w.inexact) / static_cast<double>(w.judged),
                                 std::max(w.ulp, 0.5), function.bound, holds ? "" : "EXCEEDED: ")
                 << llvm::format("%s(%.9g) = %.9g, truly %.12g\n", function.name, w.at, w.found, w.truth);
    llvm::outs().flush();
  }
  return good;
}

static int run(const std::vector<std::string> &names, uint32_t stride, unsigned jobs) {
  for (const std::string &name : names)
    if (llvm::none_of(unaryFunctions(), [&](const UnaryFunction &f) { return f.name == name; })) {
      llvm::errs() << "tenon-math: there is no function '" << name << "'\n";
      return 2;
    }
  std::vector<cpu::CpuTarget> targets = cpu::test::testTargets();
  llvm::outs()
      << "function   level            inputs  inexact     worst  bound  where (* with the instructions of "
         "x86-64-v3; worst in ULP)\n";
  bool good = true;
  for (const UnaryFunction &function : unaryFunctions())
    if (names.empty() || llvm::is_contained(names, function.name))
      good &= report(function, targets, stride, jobs);
  return good ? 0 : 1;
}

} // namespace tenon::math

int main(int argc, char **argv) {
  llvm::cl::list<std::string> names(llvm::cl::Positional, llvm::cl::desc("[function ...]"));
  llvm::cl::opt<unsigned> stride("stride", llvm::cl::desc("judge every n-th float"), llvm::cl::init(1));
  llvm::cl::opt<unsigned> jobs("jobs", llvm::cl::desc("threads"),
                               llvm::cl::init(std::max(1u, std::thread::hardware_concurrency())));
  llvm::cl::ParseCommandLineOptions(argc, argv, "runs the generated math on every float\n");
  if (stride == 0 || jobs == 0) {
    llvm::errs() << "tenon-math: expected a stride and a number of threads of at least 1\n";
    return 2;
  }
  return tenon::math::run({names.begin(), names.end()}, stride, jobs);
}
