#include "package/reader.h"

#include "package/testing/sample_package.h"
#include "package/writer.h"

#include <gtest/gtest.h>
#include <random>

using namespace tenon::package;
using namespace tenon::package::testing;

namespace {

class ReaderTest : public ::testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(writeMemory(richPackage(), bytes_).ok()); }

  Status open(const std::vector<uint8_t> &bytes) {
    AlignedBytes aligned(bytes);
    Reader reader;
    return Reader::open(aligned.bytes(), systemAllocator(), reader);
  }
  template <typename Change> Status withHeader(Change change) {
    std::vector<uint8_t> bytes = bytes_;
    FileHeader header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    change(header);
    std::memcpy(bytes.data(), &header, sizeof(header));
    return open(bytes);
  }

  std::vector<uint8_t> bytes_;
};

} // namespace

TEST_F(ReaderTest, AcceptsWhatTheWriterWrites) {
  Status status = open(bytes_);
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST_F(ReaderTest, HeaderErrorsHaveTheirCodes) {
  EXPECT_EQ(open({}).code(), Code::Truncated);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.magic[0] = 'X'; }).code(), Code::NotAPackage);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.formatVersion = 99; }).code(), Code::FormatVersion);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.reserved = 1; }).code(), Code::FormatVersion);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.manifestSize = UINT64_MAX; }).code(), Code::Truncated);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.imagesOffset += 1; }).code(), Code::SectionLayout);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.imagesOffset = 0; }).code(), Code::SectionLayout);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.imagesSize = UINT64_MAX; }).code(), Code::Truncated);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.weightsOffset = h.imagesOffset; }).code(), Code::SectionLayout);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.weightsSize = UINT64_MAX - 4096; }).code(), Code::Truncated);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.debugSize = UINT64_MAX; }).code(), Code::Truncated);
  EXPECT_EQ(withHeader([](FileHeader &h) { h.manifestSize = 8; }).code(), Code::ManifestCorrupt);
}

TEST_F(ReaderTest, ErrorsNameTheCode) {
  Status status = withHeader([](FileHeader &h) { h.formatVersion = 99; });
  EXPECT_EQ(std::string(status.message()).substr(0, 8), "TN0802: ");
}

TEST_F(ReaderTest, UnalignedMemoryIsRefused) {
  AlignedBytes aligned(bytes_);
  Reader reader;
  EXPECT_EQ(Reader::open({aligned.data() + 8, aligned.size() - 8}, systemAllocator(), reader).code(),
            Code::Misaligned);
}

TEST_F(ReaderTest, ADebugSectionCanBeCutOff) {
  std::vector<uint8_t> bytes = bytes_;
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.debugSize = 0;
  std::memcpy(bytes.data(), &header, sizeof(header));
  bytes.resize(header.weightsOffset + header.weightsSize);
  EXPECT_TRUE(open(bytes).ok());
}

TEST_F(ReaderTest, ACorruptDebugSectionIsAnError) {
  AlignedBytes aligned(bytes_);
  Reader reader;
  ASSERT_TRUE(Reader::open(aligned.bytes(), systemAllocator(), reader).ok());
  Bytes section = reader.debugSection();
  std::memset(const_cast<uint8_t *>(section.data), 0xff, 16);
  const fb::Debug *debug = nullptr;
  EXPECT_EQ(reader.debug(debug).code(), Code::DebugCorrupt);
}

TEST_F(ReaderTest, TruncationsAreErrors) {
  for (size_t size = 0; size < bytes_.size(); size += 97)
    EXPECT_FALSE(open({bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(size)}).ok()) << size;
}

TEST_F(ReaderTest, CorruptionsNeverCrash) {
  std::mt19937 random(7);
  FileHeader header;
  std::memcpy(&header, bytes_.data(), sizeof(header));
  AlignedBytes aligned(bytes_);
  for (int i = 0; i < 3000; ++i) {
    size_t position = sizeof(header) + random() % header.manifestSize;
    uint8_t old = aligned.data()[position];
    aligned.data()[position] = static_cast<uint8_t>(random());
    Reader reader;
    Status status = Reader::open(aligned.bytes(), systemAllocator(), reader);
    EXPECT_TRUE(status.ok() || status.message()[0] == 'T');
    aligned.data()[position] = old;
  }
}
