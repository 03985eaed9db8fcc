// Attention on the simulator, fused and not: a line of JSON for each case, with cycles and traffic.
//
//   attention_bench [HEADS [LENGTH [DEPTH [MACHINE]]]]
//
// Inputs are random: where gathers go, and so which banks they find, is known with data only.
#include "compiler/emit/mortise/attention/Attention.h"
#include "compiler/emit/mortise/attention/UnfusedAttention.h"

#include "sim/Machine.h"
#include "sim/functional/Numbers.h"

#include <cstdio>
#include <cstring>
#include <random>

using namespace tenon;

namespace {

void run(const char *name, const mortise::Program &program, const mortise::Hardware &h, int64_t queries,
         int64_t keys) {
  sim::Machine machine(h, program, {});
  for (const std::string &parameter : program.parameters)
    machine.setParameter(parameter, parameter == "queries" ? queries : keys);
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  for (const char *tensor : {"q", "k", "v"}) {
    std::span<uint8_t> bytes = machine.tensor(tensor);
    for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
      uint16_t bits = sim::toBf16(normal(random));
      std::memcpy(&bytes[i], &bits, 2);
    }
  }
  sim::Statistics s = machine.run();
  std::string line = "{\"case\": \"" + std::string(name) + "\", \"cycles\": " + std::to_string(s.cycles) +
                     ", \"dram_bytes\": " + std::to_string(s.dram.read + s.dram.write) +
                     ", \"macs\": " + std::to_string(s.macs) + "}";
  std::puts(line.c_str());
  std::fflush(stdout);
}

} // namespace

int main(int count, char **arguments) {
  auto number = [&](int i, int64_t otherwise) { return count > i ? std::stoll(arguments[i]) : otherwise; };
  try {
    int64_t heads = number(1, 32), length = number(2, 2048), depth = number(3, 128);
    mortise::Hardware h = mortise::loadHardware(count > 4 ? arguments[4] : "edge-512k");
    npu::AttentionShape shape{1, heads, heads, length, length, depth, false, 0}, causal = shape,
                                                                                 decode = shape;
    causal.causal = true;
    decode.queries = 1;
    run("fused", npu::attentionProgram(shape, h), h, length, length);
    run("causal", npu::attentionProgram(causal, h), h, length, length);
    run("decode", npu::attentionProgram(decode, h), h, 1, length);
    run("serial", npu::unfusedAttention(shape, false, h), h, length, length);
    run("overlapped", npu::unfusedAttention(shape, true, h), h, length, length);
  } catch (const mortise::Error &error) {
    std::fprintf(stderr, "%s: %s\n", error.code().c_str(), error.message().c_str());
    return 1;
  }
}
