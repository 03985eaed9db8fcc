// Compiles the example of tenon.h as C99 (see CMakeLists.txt), links it with the shared library and runs it.

#include "package/testing/sample_package.h"
#include "package/writer.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

using namespace tenon::package;
using namespace tenon::package::testing;

extern "C" int example(void);

namespace {

/// y[A, B] = x[A, B] * 2
Package doubling() {
  Package package = kernelsOnly();
  FunctionBuilder f("main");
  Slot a = f.symbol("A"), b = f.symbol("B"), two = f.constant(2), n = f.expr(ExprOp::Mul, a, b),
       bytes = f.bytes(n, 4);
  BufferId x = f.buffer(Region::Input, f.input("x", DType::F32, {a, b}), bytes);
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {a, b}), bytes);
  f.dispatch(Scale, {x, y}, n, {two});
  package.functions = {f.finish()};
  return package;
}

} // namespace

TEST(Example, RunsAsItStandsInTheHeader) {
  char folder[] = "/tmp/tenon-example-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  EXPECT_EQ(example(), 1); // no model yet: a message on stderr
  ASSERT_TRUE(writeFile(doubling(), "model.tenon").ok());
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(example(), 0);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "6 values, the first is 2\n");
  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder);
}
