//===- ObjectCacheTest.cpp - compiled kernels kept on disk --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/ObjectCache.h"
#include "llvm/Support/FileSystem.h"
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>

namespace tenon::cpu {
namespace {

namespace fs = std::filesystem;

class ObjectCacheTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "cacheXXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
    folder = root + "/objects";
  }
  void TearDown() override { fs::remove_all(root); }

  std::vector<fs::path> entries() const {
    std::vector<fs::path> result;
    for (const auto &entry : fs::directory_iterator(folder))
      result.push_back(entry.path());
    return result;
  }

  std::string root, folder;
  CpuTarget target{"x86-64-v3", "x86_64-unknown-linux-gnu", "x86-64-v3", ""};
  std::vector<uint8_t> object = std::vector<uint8_t>(1000, 7);
};

TEST_F(ObjectCacheTest, KeepsAcrossInstances) {
  std::vector<uint8_t> found;
  std::string key;
  {
    ObjectCache cache(folder);
    key = cache.key("kernel", target);
    EXPECT_FALSE(cache.find(key, found));
    cache.put(key, object);
  }
  ObjectCache cache(folder);
  ASSERT_TRUE(cache.find(key, found));
  EXPECT_EQ(found, object);
  EXPECT_EQ(entries().size(), 1u); // no temporary file is left
}

TEST_F(ObjectCacheTest, KeysTellEverythingApart) {
  ObjectCache cache(folder);
  std::string key = cache.key("kernel", target);
  EXPECT_EQ(key, cache.key("kernel", target));
  EXPECT_EQ(key.size(), 64u);
  EXPECT_NE(key, cache.key("kernel2", target));
  CpuTarget other = target;
  other.features = "+avxvnni";
  EXPECT_NE(key, cache.key("kernel", other));
  other = target;
  other.emulate = true;
  EXPECT_NE(key, cache.key("kernel", other));
  other = target;
  other.vectorBits = 512;
  EXPECT_NE(key, cache.key("kernel", other));
}

TEST_F(ObjectCacheTest, IgnoresCorruptedEntries) {
  ObjectCache cache(folder);
  std::string key = cache.key("kernel", target);
  std::vector<uint8_t> found;
  cache.put(key, object);
  ASSERT_EQ(entries().size(), 1u);
  fs::path path = entries()[0];
  auto size = fs::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size) - 1);
    file.put(8);
  }
  EXPECT_FALSE(cache.find(key, found));
  for (uint64_t length : {uint64_t{0}, uint64_t{5}, uint64_t{40}, size - 1}) {
    cache.put(key, object);
    ASSERT_TRUE(cache.find(key, found));
    fs::resize_file(path, length);
    EXPECT_FALSE(cache.find(key, found)) << length;
  }
  cache.put(key, object); // and mends them
  EXPECT_TRUE(cache.find(key, found));
}

TEST_F(ObjectCacheTest, EvictsWhatWasNotUsedForLongest) {
  std::vector<std::string> keys;
  {
    ObjectCache cache(folder);
    for (int i = 0; i < 5; ++i) {
      keys.push_back(cache.key("kernel" + std::to_string(i), target));
      cache.put(keys.back(), object);
      fs::path path = folder + "/" + keys.back() + ".tno";
      fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(10 - i));
    }
    std::vector<uint8_t> found;
    ASSERT_TRUE(cache.find(keys[0], found)); // now the youngest
  }
  std::vector<uint8_t> found;
  {
    ObjectCache cache(folder, 3 * (object.size() + 40));
    keys.push_back(cache.key("last", target));
    cache.put(keys.back(), object);
  }
  ObjectCache cache(folder);
  EXPECT_EQ(entries().size(), 3u);
  EXPECT_TRUE(cache.find(keys[0], found));
  EXPECT_FALSE(cache.find(keys[1], found));
  EXPECT_FALSE(cache.find(keys[3], found));
  EXPECT_TRUE(cache.find(keys[4], found));
  EXPECT_TRUE(cache.find(keys[5], found));
}

TEST_F(ObjectCacheTest, TidiesOnceForASixteenthOfTheBound) {
  ObjectCache cache(folder);
  constexpr uint64_t bound = 1 << 20;
  int due = 0;
  for (int i = 0; i < 1600; ++i) {
    std::string key = cache.key("kernel" + std::to_string(i), target);
    due += ObjectCache::tidies(key, bound / 160, bound);
    EXPECT_TRUE(ObjectCache::tidies(key, bound / 16, bound));
    EXPECT_FALSE(ObjectCache::tidies(key, 0, bound));
  }
  EXPECT_GT(due, 100); // 160 are expected
  EXPECT_LT(due, 220);
}

TEST_F(ObjectCacheTest, UnusableFoldersAreNoCache) {
  std::vector<uint8_t> found;
  ObjectCache off("");
  off.put(off.key("kernel", target), object);
  EXPECT_FALSE(off.find(off.key("kernel", target), found));

  std::ofstream(root + "/file") << "x";
  ObjectCache blocked(root + "/file/objects");
  blocked.put(blocked.key("kernel", target), object);
  EXPECT_FALSE(blocked.find(blocked.key("kernel", target), found));

  // Anyone could have put code there.
  fs::create_directory(folder);
  ASSERT_EQ(chmod(folder.c_str(), 0777), 0);
  ObjectCache open(folder);
  open.put(open.key("kernel", target), object);
  EXPECT_FALSE(open.find(open.key("kernel", target), found));
  EXPECT_TRUE(entries().empty());
}

TEST_F(ObjectCacheTest, ServesSeveralThreads) {
  ObjectCache cache(folder);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        std::vector<uint8_t> mine(500, static_cast<uint8_t>(i)), found;
        std::string key = cache.key(std::to_string(i), target);
        cache.put(key, mine);
        wrong += !cache.find(key, found) || found != mine;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(entries().size(), 20u);
}

TEST(ObjectCache, DefaultDirectoryFollowsTheEnvironment) {
  ASSERT_EQ(setenv("XDG_CACHE_HOME", "/somewhere", 1), 0);
  EXPECT_EQ(ObjectCache::defaultDirectory(), "/somewhere/tenon");
  ASSERT_EQ(unsetenv("XDG_CACHE_HOME"), 0);
  ASSERT_EQ(setenv("HOME", "/me", 1), 0);
  EXPECT_EQ(ObjectCache::defaultDirectory(), "/me/.cache/tenon");
}

} // namespace
} // namespace tenon::cpu
