#include "sim/Hazards.h"
#include "sim/Machine.h"

#include <gtest/gtest.h>
#include <map>
#include <random>

using namespace tenon::sim;
using namespace tenon::mortise;

namespace {

const char *const kHead =
    ".tensor x, in, i8, 4096, 0\n.tensor y, out, i8, 4096, 4096\n"
    "dseti d0.n0, 4096\ndseti d0.l0, 1\ndseti d0.g0, 1\nli r1, 0\nli r2, @x\nli r3, @y\n";

std::string errorOf(const std::string &body, double bandwidth = 32) {
  Program program = assemble(kHead + body);
  Hardware h = loadHardware("edge-512k");
  h.dram.bytesPerCycle = bandwidth;
  try {
    Machine(h, program, {}).run();
  } catch (const Error &error) {
    return error.code() + ": " + error.message();
  }
  return "none";
}

TEST(Hazards, aReadOfWhatADmaStillWritesIsFoundWhateverTheTiming) {
  for (double bandwidth : {0.5, 32.0, 4096.0}) {
    std::string error = errorOf(
        "dma in0, d0, r1, r2\nvset r1, r1\nvrun k\nhalt\nk: vld.w v0, [r1+0], 0, p0\nret\n", bandwidth);
    EXPECT_TRUE(error.starts_with("TN1201")) << error;
    EXPECT_NE(error.find("engine vector"), std::string::npos);
    EXPECT_NE(error.find("written by engine in0, instruction 6 'dma in0, d0, r1, r2'"), std::string::npos)
        << error;
  }
}

/// What `Shadow` must find, byte by byte, with every access kept.
class EveryByte {
public:
  bool touch(int64_t address, int64_t bytes, const Access &access, const Clock &clock) {
    for (int64_t at = address; at < address + bytes; ++at) {
      for (const Access &before : bytes_[at])
        if (before.engine != access.engine && clock.epochs[before.engine] < before.epoch &&
            (before.write || access.write))
          return true;
      bytes_[at].push_back(access);
    }
    return false;
  }

private:
  std::map<int64_t, std::vector<Access>> bytes_;
};

TEST(Hazards, theShadowFindsWhatEveryByteFinds) {
  std::mt19937_64 random(9);
  int races = 0;
  for (int round = 0; round < 400; ++round) {
    Shadow shadow;
    EveryByte exact;
    std::array<Clock, 3> clocks;
    for (unsigned engine = 0; engine < 3; ++engine)
      clocks[engine].epochs[engine] = 1;
    for (int step = 0; step < 40; ++step) {
      auto engine = unsigned(random() % 3);
      for (unsigned other = 0; other < 3; ++other) {
        if (other == engine || random() % 32 == 0)
          continue;
        // The engine learns all that the other has done.
        ++clocks[other].epochs[other];
        Clock known = clocks[other];
        --known.epochs[other];
        clocks[engine].join(known, 3);
      }
      int64_t address = int64_t(random() % 3) * 4096, bytes = 4096 * int64_t(1 + random() % 2);
      if (random() % 2) {
        address += int64_t(random() % 4096);
        bytes = 1 + int64_t(random() % 200);
      }
      Access access{uint16_t(engine), random() % 2 == 0, clocks[engine].epochs[engine], uint32_t(step)};
      bool expected = exact.touch(address, bytes, access, clocks[engine]);
      Race found = shadow.touchRun(address, bytes, access, clocks[engine]);
      ASSERT_EQ(found.found, expected) << "round " << round << ", step " << step;
      if (!expected)
        continue;
      EXPECT_TRUE(found.address >= address && found.address < address + bytes);
      ++races;
      break;
    }
  }
  EXPECT_GT(races, 100);
  EXPECT_LT(races, 390);
}

TEST(Hazards, aSemaphoreOrdersThem) {
  EXPECT_EQ(errorOf("dma in0, d0, r1, r2\nrel in0, s0, 1\nacq out0, s0, 1\ndma out0, d0, r1, r3\nhalt\n"),
            "none");
  EXPECT_TRUE(errorOf("dma in0, d0, r1, r2\ndma out0, d0, r1, r3\nhalt\n").starts_with("TN1201"));
  EXPECT_EQ(errorOf("dma in0, d0, r1, r2\nfence\ndma out0, d0, r1, r3\nhalt\n"), "none");
}

TEST(Hazards, writesWithoutOrderAreARaceAndDisjointBytesAreNot) {
  EXPECT_TRUE(errorOf("dma in0, d0, r1, r2\ndma in1, d0, r1, r2\nhalt\n").starts_with("TN1201"));
  // Bytes 0..31 and 32..63 share a line of 64.
  EXPECT_EQ(errorOf("dseti d0.n0, 32\ndma in0, d0, r1, r2\nli r1, 32\ndma in1, d0, r1, r2\nhalt\n"), "none");
  EXPECT_TRUE(errorOf("dseti d0.n0, 33\ndma in0, d0, r1, r2\nli r1, 32\ndma in1, d0, r1, r2\nhalt\n")
                  .starts_with("TN1201"));
}

TEST(Hazards, deadlocksAreReported) {
  std::string error = errorOf("acq out0, s5, 1\ndma out0, d0, r1, r3\nhalt\n");
  EXPECT_TRUE(error.starts_with("TN1202")) << error;
  EXPECT_NE(error.find("out0 at instruction 6 'acq out0, s5, 1' (the semaphore is at 0)"), std::string::npos)
      << error;
}

TEST(Hazards, semaphoresMustMatch) {
  EXPECT_TRUE(errorOf("dma in0, d0, r1, r2\nrel in0, s0, 1\nhalt\n").starts_with("TN1203"));
  EXPECT_TRUE(errorOf("rel in0, s0, 1\nrel in1, s0, 1\nacq out0, s0, 2\nhalt\n").starts_with("TN1203"));
  EXPECT_TRUE(errorOf("rel in0, s0, 2\nacq out0, s0, 1\nacq in1, s0, 1\nhalt\n").starts_with("TN1203"));
  EXPECT_TRUE(errorOf("sem.init s0, 1\nsem.init s0, 1\nhalt\n").starts_with("TN1203"));
}

TEST(Hazards, accessesOutOfRangeStop) {
  EXPECT_TRUE(errorOf("li r1, 524287\ndma in0, d0, r1, r2\nhalt\n").starts_with("TN1204"));
  EXPECT_TRUE(errorOf("li r2, 4097\ndma in0, d0, r1, r2\nhalt\n").starts_with("TN1204"));
  EXPECT_TRUE(errorOf("dma out0, d0, r1, r2\nhalt\n").starts_with("TN1204")); // x is an input
  EXPECT_TRUE(errorOf("dseti d0.n0, 70000\ndma in0, d0, r1, r2\nhalt\n").starts_with("TN1205"));
  EXPECT_TRUE(errorOf("dma in5, d0, r1, r2\nhalt\n").starts_with("TN1205"));
  EXPECT_TRUE(errorOf("ret\n").starts_with("TN1206"));
  EXPECT_TRUE(errorOf("nop\n").starts_with("TN1206"));
}

TEST(Hazards, endlessLoopsEnd) {
  Program program = assemble("again: jmp again\n");
  Hardware h = loadHardware("edge-512k");
  Options options;
  options.maxCycles = 10000;
  try {
    Machine(h, program, options).run();
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), "TN1207");
  }
}

TEST(Hazards, aTransferBeyondTheLimitIsNotBegun) {
  // Counts of 65535 in four dimensions, all strides 0: in range, but for ever.
  std::string error =
      errorOf("dseti d0.n0, 65535\ndseti d0.n1, 65535\ndseti d0.n2, 65535\ndseti d0.n3, 65535\n"
              "dseti d0.l0, 0\ndseti d0.g0, 0\ndma in0, d0, r1, r2\nhalt\n");
  EXPECT_TRUE(error.starts_with("TN1207")) << error;
}

TEST(Hazards, aLineMayReachAcrossTensors) {
  // Elements 4032 bytes apart: two in x, the third in y.
  Program program =
      assemble(std::string(kHead) + "dseti d0.n0, 3\ndseti d0.g0, 4032\ndma in0, d0, r1, r2\nfence\n"
                                    "dseti d0.n0, 4096\ndseti d0.g0, 1\ndma out0, d0, r1, r3\nhalt\n");
  Hardware h = loadHardware("edge-512k");
  Machine machine(h, program, {});
  machine.tensor("x")[0] = 7;
  machine.tensor("x")[4032] = 8;
  machine.tensor("y")[8064 - 4096] = 9;
  machine.run();
  EXPECT_EQ(machine.tensor("y")[0], 7);
  EXPECT_EQ(machine.tensor("y")[1], 8);
  EXPECT_EQ(machine.tensor("y")[2], 9);
}

TEST(Hazards, lanesThatAreOffMayLieAnywhere) {
  EXPECT_EQ(errorOf("li r1, -1\nlih r1, r1, 0x7fffffff\nvset r1, r1\nvrun k\nhalt\n"
                    "k: li r2, 0\nptail p1, r2\nvld.w v0, [r1+0], 0, p1\nret\n"),
            "none");
}

TEST(Hazards, addressesOfAnySizeAreRefused) {
  for (const char *far : {"li r1, -1\nlih r1, r1, 0x7fffffff\n", "li r1, 0\nlih r1, r1, -2147483648\n"}) {
    std::string load(far);
    for (const char *use :
         {"dma in0, d0, r1, r2\n", "dma in0, d0, r2, r1\n", "lds r5, [r1+4]\n", "mm.load d0, r1\n",
          "vset r1, r1\nvrun k\n", "dseti d0.k, 4\nli r4, 0\nmm.load d0, r4\nmm.mul d0, r4, r1, swap\n",
          "drain d0, r1, r4\n"}) {
      std::string error = errorOf(load + use + "halt\nk: vld.w v0, [r1+0], 8, p0\nret\n");
      EXPECT_TRUE(error.starts_with("TN1204") || error.starts_with("TN1205")) << use << error;
    }
  }
}

TEST(Hazards, coresShareMemoryAndSemaphores) {
  Hardware h = loadHardware("edge-512k");
  h.cores = 2;
  // Core 0 fills its scratchpad and releases; core 1 writes the other half of the result.
  std::string body =
      "core r9\nli r10, 0\nbne r9, r10, other\n"
      "dma in0, d0, r1, r2\nrel in0, s0, 1\nacq out0, s0, 1\ndseti d0.n0, 2048\ndma out0, d0, r1, r3\nhalt\n"
      "other: dma in0, d0, r1, r2\nrel in0, s1, 1\nacq out0, s1, 1\ndseti d0.n0, 2048\n"
      "addi r1, r1, 2048\naddi r3, r3, 2048\ndma out0, d0, r1, r3\nhalt\n";
  Program program = assemble(kHead + body);
  Machine machine(h, program, {});
  for (size_t i = 0; i < 4096; ++i)
    machine.tensor("x")[i] = uint8_t(i * 7);
  machine.run();
  EXPECT_TRUE(
      std::equal(machine.tensor("x").begin(), machine.tensor("x").end(), machine.tensor("y").begin()));
}

} // namespace
