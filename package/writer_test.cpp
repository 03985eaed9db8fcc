#include "package/writer.h"

#include "package/digest.h"
#include "package/reader.h"
#include "package/testing/sample_package.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

using namespace tenon::package;
using namespace tenon::package::testing;

namespace {

class TemporaryFolder {
public:
  TemporaryFolder() {
    char name[] = "/tmp/tenon-writer-XXXXXX";
    path = mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  size_t count() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator()));
  }
  std::filesystem::path path;
};

std::vector<uint8_t> readAll(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<uint8_t> written(const Package &package) {
  std::vector<uint8_t> bytes;
  Status status = writeMemory(package, bytes);
  EXPECT_TRUE(status.ok()) << status.message();
  return bytes;
}

} // namespace

TEST(Writer, FileAndMemoryAreEqualAndReadable) {
  TemporaryFolder folder;
  Package package = richPackage();
  std::string path = folder.path / "model.tenon";
  WriteReport report;
  Status status = writeFile(package, path, {}, &report);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(folder.count(), 1u);
  std::vector<uint8_t> bytes = written(package);
  EXPECT_EQ(readAll(path), bytes);
  EXPECT_EQ(report.fileBytes, bytes.size());
  EXPECT_GT(report.debugBytes, 0u);
  AlignedBytes aligned(bytes);
  Reader reader;
  status = Reader::open(aligned.bytes(), systemAllocator(), reader);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(reader.manifest().functions()->size(), 2u);
  EXPECT_TRUE(verifyDigests(reader).ok());
  float weights[3];
  std::memcpy(weights, reader.weight(0).data, sizeof(weights));
  EXPECT_EQ(weights[2], 2.0f);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(reader.weight(0).data) % 4096, 0u);
  const fb::Debug *debug = nullptr;
  ASSERT_TRUE(reader.debug(debug).ok());
  EXPECT_EQ(debug->nodes()->Get(1)->name()->str(), "mul_2");
}

TEST(Writer, StoresEqualWeightsOnce) {
  Package package = addPackage();
  package.weights.push_back(floatWeight("again", 4096));
  package.weights.push_back(floatWeight("other", 10, 5));
  std::vector<uint8_t> bytes;
  WriteReport report;
  ASSERT_TRUE(writeMemory(package, bytes, {}, &report).ok());
  EXPECT_EQ(report.sharedWeightBytes, 4096u * 4);
  EXPECT_EQ(report.weightBytes, 4096u * 4 + 40);
  AlignedBytes aligned(bytes);
  Reader reader;
  ASSERT_TRUE(Reader::open(aligned.bytes(), systemAllocator(), reader).ok());
  EXPECT_EQ(reader.weight(0).data, reader.weight(1).data);
  EXPECT_EQ(reader.weight(2).data - reader.weight(0).data, 4096 * 4);
}

TEST(Writer, LeavesOutTheDebugSectionOnRequest) {
  std::vector<uint8_t> bytes;
  WriteOptions options;
  options.debugSection = false;
  ASSERT_TRUE(writeMemory(addPackage(), bytes, options).ok());
  AlignedBytes aligned(bytes);
  Reader reader;
  ASSERT_TRUE(Reader::open(aligned.bytes(), systemAllocator(), reader).ok());
  const fb::Debug *debug = nullptr;
  ASSERT_TRUE(reader.debug(debug).ok());
  EXPECT_EQ(debug, nullptr);
}

TEST(Writer, DigestsFindAChangedByte) {
  std::vector<uint8_t> bytes = written(addPackage());
  AlignedBytes aligned(bytes);
  Reader reader;
  ASSERT_TRUE(Reader::open(aligned.bytes(), systemAllocator(), reader).ok());
  const_cast<uint8_t *>(reader.weight(0).data)[100] ^= 1;
  EXPECT_EQ(verifyDigests(reader).code(), Code::DigestMismatch);
}

TEST(Writer, FailuresLeaveTheOldFileAlone) {
  TemporaryFolder folder;
  std::string path = folder.path / "model.tenon";
  ASSERT_TRUE(writeFile(addPackage(), path).ok());
  std::vector<uint8_t> before = readAll(path);
  Package package = addPackage();
  package.weights[0].source = [](WeightSink &, std::string &error) {
    error = "the model file went away";
    return false;
  };
  Status status = writeFile(package, path);
  EXPECT_EQ(status.code(), Code::WeightSource);
  EXPECT_NE(std::strstr(status.message(), "went away"), nullptr);
  EXPECT_EQ(readAll(path), before);
  EXPECT_EQ(folder.count(), 1u);
}

TEST(Writer, WeightsMustHaveTheirSize) {
  std::vector<uint8_t> bytes;
  Package package = addPackage();
  package.weights[0].source = fromBytes(std::vector<uint8_t>(100));
  EXPECT_EQ(writeMemory(package, bytes).code(), Code::WeightSource);
  EXPECT_TRUE(bytes.empty());
  package.weights[0].source = fromBytes(std::vector<uint8_t>(100000));
  EXPECT_EQ(writeMemory(package, bytes).code(), Code::WeightSource);
  package.weights[0].source = nullptr;
  EXPECT_EQ(writeMemory(package, bytes).code(), Code::WeightSource);
}

TEST(Writer, ReadsWeightsFromFiles) {
  TemporaryFolder folder;
  std::string path = folder.path / "weights.bin";
  std::ofstream(path, std::ios::binary) << "xx" << std::string(4096 * 4, 'w') << "tail";
  Package package = addPackage();
  package.weights[0].source = fromFile(path, 2, 4096 * 4);
  std::vector<uint8_t> bytes = written(package);
  AlignedBytes aligned(bytes);
  Reader reader;
  ASSERT_TRUE(Reader::open(aligned.bytes(), systemAllocator(), reader).ok());
  EXPECT_EQ(reader.weight(0).data[4096 * 4 - 1], 'w');
  package.weights[0].source = fromFile(path, 100, 4096 * 4);
  EXPECT_EQ(writeMemory(package, bytes).code(), Code::WeightSource);
  package.weights[0].source = fromFile(path + ".none", 0, 4096 * 4);
  EXPECT_EQ(writeMemory(package, bytes).code(), Code::WeightSource);
}

TEST(Writer, UnwritablePlacesAreErrors) {
  TemporaryFolder folder;
  EXPECT_EQ(writeFile(addPackage(), folder.path / "none" / "model.tenon").code(), Code::WriteFailed);
  EXPECT_EQ(writeFile(addPackage(), folder.path).code(), Code::WriteFailed);
  EXPECT_EQ(folder.count(), 0u);
}

TEST(Writer, EntriesMustExistAndImagesBeClosed) {
  std::vector<uint8_t> bytes;
  Package package = addPackage();
  package.kernels[Add].entrySymbols[0] = "test_nothing";
  EXPECT_EQ(writeMemory(package, bytes).code(), Code::MissingEntry);
  package = addPackage();
  package.kernels[Add].entrySymbols.pop_back();
  EXPECT_EQ(writeMemory(package, bytes).code(), Code::BadKernel);
  package = addPackage();
  package.images[0].elf = imageFile("mutable");
  EXPECT_EQ(writeMemory(package, bytes).code(), Code::BadImage);
}
