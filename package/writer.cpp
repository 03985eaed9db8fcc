#include "package/writer.h"

#include "package/digest.h"
#include "package/elf_image.h"
#include "package/header.h"
#include "package/output.h"
#include "package/reader.h"
#include "package/verify.h"
#include "package/write_manifest.h"

#include <cstdio>
#include <map>

namespace tenon::package {

using Number = unsigned long long;

namespace {

/// Orders digests for the search of equal weights.
struct DigestLess {
  bool operator()(const DigestBytes &a, const DigestBytes &b) const {
    return std::memcmp(a.bytes, b.bytes, sizeof(a.bytes)) < 0;
  }
};

/// Passes a weight's bytes on to the output and the digest.
class StreamingSink : public WeightSink {
public:
  StreamingSink(Output &output, uint64_t limit) : output_(output), limit_(limit) {}
  bool append(const void *data, size_t size) override {
    if (size > limit_ - count_) {
      tooMany_ = true;
      return false;
    }
    digester_.append(data, size);
    count_ += size;
    status_ = output_.append(data, size);
    return status_.ok();
  }
  Status status() const { return status_; }
  uint64_t count() const { return count_; }
  bool tooMany() const { return tooMany_; }
  DigestBytes finish() { return digester_.finish(); }

private:
  Output &output_;
  uint64_t limit_;
  uint64_t count_ = 0;
  bool tooMany_ = false;
  Digester digester_;
  Status status_;
};

class Writer {
public:
  Writer(const Package &package, const WriteOptions &options, Output &output, WriteReport &report)
      : package_(package), options_(options), output_(output), report_(report) {}
  Status run();

private:
  Status resolveEntries();
  Status placeCode(std::vector<uint8_t> &section);
  Status checkPlan();
  Status writeImages();
  Status writeWeights();
  Status writeWeight(size_t index);
  Status writeDebug();
  Status writeManifest();
  Status padTo(uint64_t alignment);

  const Package &package_;
  const WriteOptions &options_;
  Output &output_;
  WriteReport &report_;
  Layout layout_;
  FileHeader header_ = {};
  std::map<DigestBytes, size_t, DigestLess> weightOf_; // the first weight of each content
};

Status Writer::padTo(uint64_t alignment) {
  static const uint8_t zeros[kPageSize] = {};
  uint64_t rest = output_.size() % alignment;
  return rest ? output_.append(zeros, alignment - rest) : Status();
}

Status Writer::resolveEntries() {
  std::vector<ElfImage> images(package_.images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const CodeImage &image = package_.images[i];
    TENON_TRY(ElfImage::parse({image.elf.data(), image.elf.size()}, image.machine, images[i]));
    TENON_TRY(images[i].checkNoUndefinedSymbols());
  }
  for (const Kernel &kernel : package_.kernels) {
    std::vector<uint64_t> &entries = layout_.entries.emplace_back(images.size(), UINT64_MAX);
    if (kernel.program != kNone && kernel.entrySymbols.empty())
      continue;
    if (kernel.entrySymbols.size() != images.size())
      return Status::error(Code::BadKernel, "kernel %s has %zu entry symbols, expected one per image (%zu)",
                           kernel.name.c_str(), kernel.entrySymbols.size(), images.size());
    for (size_t i = 0; i < images.size(); ++i)
      if (!kernel.entrySymbols[i].empty())
        TENON_TRY(images[i].findSymbol(kernel.entrySymbols[i].c_str(), entries[i]));
  }
  return {};
}

/// Lays out images and programs in their section.
Status Writer::placeCode(std::vector<uint8_t> &section) {
  auto place = [&](const std::vector<uint8_t> &bytes, uint64_t alignment, Placement &placement) {
    if (!alignUp(section.size(), alignment, placement.offset))
      return Status::error(Code::TooLarge, "the code images are too large");
    placement.digest = digest(bytes.data(), bytes.size());
    section.resize(placement.offset);
    section.insert(section.end(), bytes.begin(), bytes.end());
    return Status();
  };
  layout_.images.resize(package_.images.size());
  layout_.programs.resize(package_.programs.size());
  for (size_t i = 0; i < package_.images.size(); ++i)
    TENON_TRY(place(package_.images[i].elf, kPageSize, layout_.images[i]));
  for (size_t i = 0; i < package_.programs.size(); ++i)
    TENON_TRY(place(package_.programs[i].bytes, kTensorAlignment, layout_.programs[i]));
  return {};
}

/// Builds the manifest with provisional offsets: its size is final, and all but the offsets is verified
/// before any weight is asked for.
Status Writer::checkPlan() {
  uint64_t weightBytes = 0;
  layout_.weights.resize(package_.weights.size());
  std::vector<uint8_t> images;
  TENON_TRY(placeCode(images));
  for (size_t i = 0; i < package_.weights.size(); ++i) {
    layout_.weights[i].offset = weightBytes;
    uint64_t end = 0;
    if (__builtin_add_overflow(weightBytes, package_.weights[i].size, &end) ||
        !alignUp(end, kTensorAlignment, weightBytes))
      return Status::error(Code::TooLarge, "the weights are too large");
  }
  flatbuffers::FlatBufferBuilder builder;
  TENON_TRY(buildManifest(package_, layout_, builder));
  header_.manifestSize = builder.GetSize();
  return verifyManifest(*fb::GetManifest(builder.GetBufferPointer()), builder.GetSize(),
                        {images.data(), images.size()}, {nullptr, weightBytes}, systemAllocator());
}

Status Writer::writeImages() {
  TENON_TRY(padTo(kPageSize));
  header_.imagesOffset = output_.size();
  for (size_t i = 0; i < package_.images.size(); ++i) {
    TENON_TRY(padTo(kPageSize));
    layout_.images[i].offset = output_.size() - header_.imagesOffset;
    TENON_TRY(output_.append(package_.images[i].elf.data(), package_.images[i].elf.size()));
  }
  for (size_t i = 0; i < package_.programs.size(); ++i) {
    TENON_TRY(padTo(kTensorAlignment));
    layout_.programs[i].offset = output_.size() - header_.imagesOffset;
    TENON_TRY(output_.append(package_.programs[i].bytes.data(), package_.programs[i].bytes.size()));
  }
  header_.imagesSize = report_.imageBytes = output_.size() - header_.imagesOffset;
  return {};
}

Status Writer::writeWeight(size_t index) {
  const Weight &weight = package_.weights[index];
  TENON_TRY(padTo(kTensorAlignment));
  uint64_t start = output_.size();
  StreamingSink sink(output_, weight.size);
  std::string error;
  bool ok = weight.source && weight.source(sink, error);
  TENON_TRY(sink.status());
  if (sink.tooMany() || (ok && sink.count() != weight.size))
    return Status::error(Code::WeightSource, "weight %s: its source gave %s bytes than the expected %llu",
                         weight.name.c_str(), sink.tooMany() ? "more" : "fewer", (Number)weight.size);
  if (!ok)
    return Status::error(Code::WeightSource, "weight %s: %s", weight.name.c_str(),
                         weight.source ? error.c_str() : "it has no source");
  layout_.weights[index] = {start - header_.weightsOffset, sink.finish()};
  auto [found, isNew] = weightOf_.emplace(layout_.weights[index].digest, index);
  if (isNew || package_.weights[found->second].size != weight.size)
    return {};
  layout_.weights[index].offset = layout_.weights[found->second].offset;
  report_.sharedWeightBytes += weight.size;
  return output_.truncate(start);
}

Status Writer::writeWeights() {
  TENON_TRY(padTo(kPageSize));
  header_.weightsOffset = output_.size();
  for (size_t i = 0; i < package_.weights.size(); ++i)
    TENON_TRY(writeWeight(i));
  header_.weightsSize = report_.weightBytes = output_.size() - header_.weightsOffset;
  return {};
}

Status Writer::writeDebug() {
  if (!options_.debugSection)
    return {};
  flatbuffers::FlatBufferBuilder builder;
  buildDebug(package_.debug, builder);
  flatbuffers::FlatBufferBuilder manifest;
  TENON_TRY(buildManifest(package_, layout_, manifest));
  TENON_TRY(verifyDebug(*flatbuffers::GetRoot<fb::Debug>(builder.GetBufferPointer()),
                        *fb::GetManifest(manifest.GetBufferPointer())));
  TENON_TRY(padTo(kTensorAlignment));
  header_.debugSize = report_.debugBytes = builder.GetSize();
  return output_.append(builder.GetBufferPointer(), builder.GetSize());
}

Status Writer::writeManifest() {
  flatbuffers::FlatBufferBuilder builder;
  TENON_TRY(buildManifest(package_, layout_, builder));
  if (builder.GetSize() != header_.manifestSize)
    return Status::error(Code::WriteFailed, "the manifest's size changed from %llu to %u bytes",
                         (Number)header_.manifestSize, builder.GetSize());
  report_.manifestBytes = builder.GetSize();
  report_.fileBytes = output_.size();
  std::memcpy(header_.magic, kMagic, sizeof(kMagic));
  header_.formatVersion = kFormatVersion;
  TENON_TRY(output_.overwrite(0, &header_, sizeof(header_)));
  return output_.overwrite(sizeof(header_), builder.GetBufferPointer(), builder.GetSize());
}

Status Writer::run() {
  TENON_TRY(resolveEntries());
  TENON_TRY(checkPlan());
  std::vector<uint8_t> reserved(sizeof(FileHeader) + header_.manifestSize);
  TENON_TRY(output_.append(reserved.data(), reserved.size()));
  TENON_TRY(writeImages());
  TENON_TRY(writeWeights());
  TENON_TRY(writeDebug());
  return writeManifest();
}

} // namespace

Status writeFile(const Package &package, const std::string &path, const WriteOptions &options,
                 WriteReport *report) {
  WriteReport unused;
  FileOutput output;
  TENON_TRY(output.open(path));
  TENON_TRY(Writer(package, options, output, report ? *report : unused).run());
  return output.commit();
}

Status writeMemory(const Package &package, std::vector<uint8_t> &bytes, const WriteOptions &options,
                   WriteReport *report) {
  WriteReport unused;
  bytes.clear();
  MemoryOutput output(bytes);
  Status status = Writer(package, options, output, report ? *report : unused).run();
  if (!status.ok())
    bytes.clear();
  return status;
}

} // namespace tenon::package
