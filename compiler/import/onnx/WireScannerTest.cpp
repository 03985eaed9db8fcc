//===- WireScannerTest.cpp - weights found in wire format -------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/WireScanner.h"
#include "onnx-ml.pb.h"
#include <gtest/gtest.h>

using namespace tenon::importer;

namespace {

onnx::ModelProto modelWith(size_t floats, bool raw) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  auto *t = model.mutable_graph()->add_initializer();
  t->set_name("w");
  t->set_data_type(onnx::TensorProto::FLOAT);
  t->add_dims(static_cast<int64_t>(floats));
  t->set_doc_string("0"); // must not be taken for the scanner's mark
  std::vector<float> data(floats);
  for (size_t i = 0; i < floats; ++i)
    data[i] = static_cast<float>(i);
  if (raw)
    t->set_raw_data(data.data(), floats * sizeof(float));
  else
    for (float f : data)
      t->add_float_data(f);
  return model;
}

TEST(WireScanner, FindsRawAndPackedData) {
  for (bool raw : {true, false}) {
    std::string bytes = modelWith(1000, raw).SerializeAsString();
    ScannedModel scanned;
    std::string message;
    ASSERT_EQ(scanModel(bytes, ScanLimits(), scanned, message), ScanError::None) << message;
    ASSERT_EQ(scanned.payloads.size(), 1u);
    EXPECT_EQ(scanned.payloads[0].length, 4000u);
    EXPECT_EQ(scanned.payloads[0].kind, raw ? Payload::Kind::Raw : Payload::Kind::Float);
    float value;
    memcpy(&value, bytes.data() + scanned.payloads[0].offset + 4 * 7, 4);
    EXPECT_EQ(value, 7.0f);
    onnx::ModelProto reduced;
    ASSERT_TRUE(reduced.ParseFromString(scanned.reduced));
    EXPECT_EQ(reduced.graph().initializer(0).doc_string(), "0");
    EXPECT_EQ(reduced.graph().initializer(0).raw_data(), "");
    EXPECT_EQ(reduced.graph().initializer(0).dims(0), 1000);
  }
}

TEST(WireScanner, KeepsSmallDataAndDropsForeignMarks) {
  std::string bytes = modelWith(4, true).SerializeAsString();
  ScannedModel scanned;
  std::string message;
  ASSERT_EQ(scanModel(bytes, ScanLimits(), scanned, message), ScanError::None);
  EXPECT_TRUE(scanned.payloads.empty());
  onnx::ModelProto reduced;
  ASSERT_TRUE(reduced.ParseFromString(scanned.reduced));
  EXPECT_EQ(reduced.graph().initializer(0).raw_data().size(), 16u);
  EXPECT_FALSE(reduced.graph().initializer(0).has_doc_string());
}

TEST(WireScanner, FindsDataOfConstantsInSubgraphs) {
  onnx::ModelProto model;
  auto *node = model.mutable_graph()->add_node();
  auto *branch = node->add_attribute();
  auto *inner = branch->mutable_g()->add_node();
  inner->add_attribute()->mutable_t()->set_raw_data(std::string(5000, 'x'));
  std::string bytes = model.SerializeAsString();
  ScannedModel scanned;
  std::string message;
  ASSERT_EQ(scanModel(bytes, ScanLimits(), scanned, message), ScanError::None);
  ASSERT_EQ(scanned.payloads.size(), 1u);
  EXPECT_EQ(bytes[scanned.payloads[0].offset], 'x');
  EXPECT_LT(scanned.reduced.size(), 100u);
}

TEST(WireScanner, RefusesEveryTruncation) {
  std::string bytes = modelWith(300, true).SerializeAsString();
  onnx::ModelProto parsed;
  for (size_t length = 0; length < bytes.size(); ++length) {
    ScannedModel scanned;
    std::string message;
    ScanError error = scanModel(llvm::StringRef(bytes).take_front(length), ScanLimits(), scanned, message);
    // A cut between two fields of the model itself leaves a smaller model.
    if (error == ScanError::None)
      EXPECT_TRUE(parsed.ParseFromString(bytes.substr(0, length))) << length;
    else
      EXPECT_FALSE(message.empty());
  }
}

TEST(WireScanner, RefusesDeepNestingAndTooManyMessages) {
  std::string inner; // graph -> node -> attribute -> graph -> ...
  for (int i = 0; i < 200; ++i) {
    uint8_t field = i % 3 == 0 ? 0x32 : i % 3 == 1 ? 0x2a : 0x0a; // attribute.g, node.attribute, graph.node
    std::string outer(1, static_cast<char>(field));
    for (size_t n = inner.size();; n >>= 7) {
      outer.push_back(static_cast<char>(n < 128 ? n : (n & 127) | 128));
      if (n < 128)
        break;
    }
    inner = outer + inner;
  }
  std::string model = "\x3a";
  for (size_t n = inner.size();; n >>= 7) {
    model.push_back(static_cast<char>(n < 128 ? n : (n & 127) | 128));
    if (n < 128)
      break;
  }
  model += inner;
  ScannedModel scanned;
  std::string message;
  ScanError error = scanModel(model, ScanLimits(), scanned, message);
  EXPECT_NE(error, ScanError::Truncated) << message;
  ScanLimits few;
  few.maxMessages = 2;
  EXPECT_EQ(scanModel(model, few, scanned, message), ScanError::TooLarge);
  ScanLimits shallow;
  shallow.maxDepth = 1;
  EXPECT_EQ(scanModel(model, shallow, scanned, message), ScanError::TooLarge);
  EXPECT_NE(message.find("nested"), std::string::npos) << message;
}

TEST(WireScanner, RefusesDataGivenTwice) {
  onnx::ModelProto model = modelWith(1000, true);
  for (int i = 0; i < 1000; ++i)
    model.mutable_graph()->mutable_initializer(0)->add_float_data(1);
  ScannedModel scanned;
  std::string message;
  EXPECT_EQ(scanModel(model.SerializeAsString(), ScanLimits(), scanned, message), ScanError::Malformed);
}

} // namespace
