#include "package/certify.h"

#include "package/testing/sample_package.h"

#include <gtest/gtest.h>

using namespace tenon::package;
using namespace tenon::package::testing;

TEST(Certify, FollowsConflictsAndScratch) {
  FunctionBuilder f("f");
  Slot n = f.symbol("N", 1, 103, 4), bytes = f.bytes(n, 4);
  BufferId a = f.arena(bytes), b = f.arena(bytes, {a});
  f.arena(bytes, {b});
  f.dispatch(RowSum, {a, b}, n, {n});
  f.lastDispatch().scratch = bytes;
  Function function = f.finish();
  Certificate certificate;
  ASSERT_TRUE(certify(function, certificate).ok());
  EXPECT_EQ(certificate.arenaBytes, 448 + 448 + 400); // N = 100
  EXPECT_EQ(certificate.scratchBytesPerWorker, 400);
  ASSERT_TRUE(memoryAt(function, {4}, certificate).ok());
  EXPECT_EQ(certificate.arenaBytes, 64 + 64 + 16);
}

TEST(Certify, UnboundedSymbolsHaveNoBound) {
  Package package = addPackage();
  Certificate certificate;
  ASSERT_TRUE(certify(package.functions[0], certificate).ok());
  EXPECT_EQ(certificate.arenaBytes, 4096 * 4);
  package.functions[0].symbols[0].max = kUnbounded;
  ASSERT_TRUE(certify(package.functions[0], certificate).ok());
  EXPECT_EQ(certificate.arenaBytes, kUnbounded);
}

TEST(Certify, ImpossibleSizesAreErrors) {
  FunctionBuilder f("f");
  Slot n = f.symbol("N");
  f.arena(f.expr(ExprOp::Sub, n, f.constant(10)));
  Function function = f.finish();
  Certificate certificate;
  EXPECT_EQ(memoryAt(function, {3}, certificate).code(), Code::BadRange);
  EXPECT_EQ(memoryAt(function, {INT64_MIN}, certificate).code(), Code::Arithmetic);
  EXPECT_EQ(memoryAt(function, {}, certificate).code(), Code::BadSymbol);
}
