#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/Npy.h"

#include <cstring>
#include <gtest/gtest.h>

namespace tenon::command {
namespace {

std::string file(const std::string &header, const std::string &data, char version = 1) {
  std::string text("\x93NUMPY");
  text += version;
  text += '\0';
  text += static_cast<char>(header.size() & 255);
  text += static_cast<char>(header.size() >> 8);
  if (version > 1)
    text += std::string(2, '\0');
  return text + header + data;
}

HostTensor parse(const std::string &bytes, tenon_dtype expected = TENON_F32) {
  return parseNpy(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size(), "x.npy", expected);
}

std::string codeOf(const std::string &bytes, tenon_dtype expected = TENON_F32) {
  try {
    parse(bytes, expected);
  } catch (const Failure &failure) {
    return failure.diagnostics().front().code;
  }
  return "";
}

const std::string kHeader = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n";

TEST(Npy, ReadsEachVersion) {
  float values[] = {1.5f, -2};
  std::string data(reinterpret_cast<const char *>(values), sizeof values);
  for (char version : {1, 2, 3}) {
    HostTensor tensor = parse(file(kHeader, data, version));
    EXPECT_EQ(tensor.dtype, TENON_F32);
    EXPECT_EQ(tensor.shape, (std::vector<int64_t>{1, 2}));
    EXPECT_EQ(elementAt(TENON_F32, tensor.data(), 0), 1.5);
    EXPECT_EQ(elementAt(TENON_F32, tensor.data(), 1), -2);
  }
}

TEST(Npy, WritesWhatItReads) {
  TemporaryFolder folder;
  for (int type = TENON_F32; type <= TENON_U4; ++type) {
    tenon_dtype dtype = static_cast<tenon_dtype>(type);
    HostTensor tensor;
    tensor.dtype = dtype;
    tensor.shape = {3, 1};
    tensor.allocate(3);
    for (int i = 0; i < 3; ++i)
      setElement(dtype, tensor.data(), i, dtype == TENON_BOOL ? i % 2 : i);
    std::string path = folder.path() + "/t.npy";
    writeNpy(path, dtype, tensor.shape.data(), 2, tensor.data(), tensor.bytes());
    HostTensor read = readNpy(path, dtype);
    EXPECT_EQ(read.dtype, dtype) << tenon_dtype_name(dtype);
    EXPECT_EQ(read.shape, tensor.shape);
    ASSERT_EQ(read.bytes(), tensor.bytes());
    EXPECT_EQ(std::memcmp(read.data(), tensor.data(), read.bytes()), 0) << tenon_dtype_name(dtype);
  }
}

TEST(Npy, WritesScalarsAndEmptyArrays) {
  TemporaryFolder folder;
  int64_t value = 42, none[] = {0, 4};
  writeNpy(folder.path() + "/scalar.npy", TENON_I64, nullptr, 0, &value, 8);
  HostTensor scalar = readNpy(folder.path() + "/scalar.npy", TENON_I64);
  EXPECT_TRUE(scalar.shape.empty());
  EXPECT_EQ(elementAt(TENON_I64, scalar.data(), 0), 42);
  writeNpy(folder.path() + "/empty.npy", TENON_F32, none, 2, nullptr, 0);
  EXPECT_EQ(readNpy(folder.path() + "/empty.npy", TENON_F32).shape, (std::vector<int64_t>{0, 4}));
}

TEST(Npy, RefusesWhatItCannotRead) {
  std::string data(8, '\0');
  EXPECT_EQ(codeOf(file("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", data)), "TN0507");
  EXPECT_EQ(codeOf(file("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2), }", data)), "TN0507");
  EXPECT_EQ(codeOf(file("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", data)), "TN0507");
  EXPECT_EQ(codeOf(file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", data)),
            "TN0507");
  EXPECT_EQ(codeOf(file(kHeader, data, 4)), "TN0507");
}

TEST(Npy, RefusesMalformedFiles) {
  std::string data(8, '\0');
  EXPECT_EQ(codeOf(""), "TN0506");
  EXPECT_EQ(codeOf("PK\x03\x04 an archive"), "TN0506");
  EXPECT_EQ(codeOf(file(kHeader, data.substr(1))), "TN0506");
  EXPECT_EQ(codeOf(file(kHeader, data + "x")), "TN0506");
  EXPECT_EQ(codeOf(file("{'descr': '<f4', 'shape': (1, 2), }", data)), "TN0506");
  EXPECT_EQ(codeOf(file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }", data)), "TN0506");
  EXPECT_EQ(
      codeOf(file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", data)),
      "TN0506");
  EXPECT_EQ(
      codeOf(file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", data)),
      "TN0506");
  EXPECT_EQ(codeOf(file(kHeader + "junk", data)), "TN0506");
  std::string whole = file(kHeader, data);
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(codeOf(whole.substr(0, length)), "TN0506") << length;
}

TEST(Npy, TakesBitsForTypesWithoutAName) {
  std::string header = "{'descr': '<u2', 'fortran_order': False, 'shape': (1,), }";
  HostTensor tensor = parse(file(header, std::string("\x80\x3f", 2)), TENON_BF16);
  EXPECT_EQ(tensor.dtype, TENON_BF16);
  EXPECT_EQ(elementAt(TENON_BF16, tensor.data(), 0), 1);
  EXPECT_EQ(parse(file(header, std::string(2, '\0')), TENON_F32).dtype, TENON_U16);
}

} // namespace
} // namespace tenon::command
