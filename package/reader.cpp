#include "package/reader.h"

#include "package/verify.h"

namespace tenon::package {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packages are little endian and read in place");

static uint64_t debugOffset(const FileHeader &header) {
  // The sum cannot overflow: checkHeader bounds it by the file's size before anyone asks.
  return (header.weightsOffset + header.weightsSize + kTensorAlignment - 1) & ~(kTensorAlignment - 1);
}

static Status checkSection(const char *section, uint64_t offset, uint64_t size, uint64_t after,
                           uint64_t fileSize) {
  if (offset % kPageSize != 0)
    return Status::error(Code::SectionLayout,
                         "the %s section starts at byte %llu, expected a multiple of %llu", section,
                         (unsigned long long)offset, (unsigned long long)kPageSize);
  if (offset < after)
    return Status::error(Code::SectionLayout,
                         "the %s section starts at byte %llu, inside the one before, which ends at %llu",
                         section, (unsigned long long)offset, (unsigned long long)after);
  if (offset > fileSize || size > fileSize - offset)
    return Status::error(
        Code::Truncated,
        "the %s section needs %llu bytes from byte %llu, but the file has %llu; copy the package again",
        section, (unsigned long long)size, (unsigned long long)offset, (unsigned long long)fileSize);
  return {};
}

static Status checkHeader(Bytes file, FileHeader &header) {
  if (file.size < sizeof(FileHeader))
    return Status::error(Code::Truncated, "expected at least %zu bytes of package, found %llu",
                         sizeof(FileHeader), (unsigned long long)file.size);
  std::memcpy(&header, file.data, sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0)
    return Status::error(Code::NotAPackage, "not a tenon package: the file does not start with TENONPKG");
  if (header.formatVersion != kFormatVersion)
    return Status::error(Code::FormatVersion,
                         "package format %u, expected %u; compile the model again with this version",
                         header.formatVersion, kFormatVersion);
  if (header.reserved != 0)
    return Status::error(Code::FormatVersion, "the reserved header field is %u, expected 0", header.reserved);
  if (header.manifestSize > file.size - sizeof(FileHeader))
    return Status::error(Code::Truncated,
                         "the manifest needs %llu bytes, but the file has %llu; copy the package again",
                         (unsigned long long)header.manifestSize, (unsigned long long)file.size);
  TENON_TRY(checkSection("images", header.imagesOffset, header.imagesSize,
                         sizeof(FileHeader) + header.manifestSize, file.size));
  TENON_TRY(checkSection("weights", header.weightsOffset, header.weightsSize,
                         header.imagesOffset + header.imagesSize, file.size));
  if (header.debugSize == 0)
    return {};
  uint64_t end = header.weightsOffset + header.weightsSize, start = 0;
  if (!alignUp(end, kTensorAlignment, start) || start > file.size || header.debugSize > file.size - start)
    return Status::error(Code::Truncated, "the debug section needs %llu bytes, but the file has %llu",
                         (unsigned long long)header.debugSize, (unsigned long long)file.size);
  return {};
}

Status Reader::open(Bytes file, const Allocator &allocator, Reader &result) {
  result = Reader();
  if (reinterpret_cast<uintptr_t>(file.data) % kTensorAlignment != 0)
    return Status::error(Code::Misaligned,
                         "the package lies at an address that is no multiple of %llu; load a copy",
                         (unsigned long long)kTensorAlignment);
  Reader reader;
  reader.file_ = file;
  TENON_TRY(checkHeader(file, reader.header_));
  Bytes manifest = reader.manifestSection();
  if (manifest.size >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return Status::error(Code::ManifestCorrupt, "the manifest has %llu bytes, expected less than 2 GiB",
                         (unsigned long long)manifest.size);
  flatbuffers::Verifier verifier(manifest.data, manifest.size);
  if (!fb::VerifyManifestBuffer(verifier))
    return Status::error(Code::ManifestCorrupt, "the manifest is corrupt; copy or compile the package again");
  reader.manifest_ = fb::GetManifest(manifest.data);
  TENON_TRY(verifyManifest(*reader.manifest_, manifest.size, reader.imagesSection(), reader.weightsSection(),
                           allocator));
  result = reader;
  return {};
}

Bytes Reader::manifestSection() const { return {file_.data + sizeof(FileHeader), header_.manifestSize}; }
Bytes Reader::imagesSection() const { return {file_.data + header_.imagesOffset, header_.imagesSize}; }
Bytes Reader::weightsSection() const { return {file_.data + header_.weightsOffset, header_.weightsSize}; }

Bytes Reader::debugSection() const {
  return header_.debugSize ? Bytes{file_.data + debugOffset(header_), header_.debugSize} : Bytes{};
}

Bytes Reader::image(uint32_t index) const {
  const fb::CodeImage *image = manifest_->images()->Get(index);
  return {imagesSection().data + image->offset(), image->size()};
}

Bytes Reader::weight(uint32_t index) const {
  const fb::Weight *weight = manifest_->weights()->Get(index);
  return {weightsSection().data + weight->offset(), weight->size()};
}

Bytes Reader::program(uint32_t index) const {
  const fb::Program *program = manifest_->programs()->Get(index);
  return {imagesSection().data + program->offset(), program->size()};
}

Status Reader::debug(const fb::Debug *&result) const {
  result = nullptr;
  Bytes section = debugSection();
  if (section.size == 0)
    return {};
  if (section.size >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return Status::error(Code::DebugCorrupt, "the debug section has %llu bytes, expected less than 2 GiB",
                         (unsigned long long)section.size);
  constexpr uint32_t depth = 8,
                     tables = 16u << 20; // an origin per operation of the model, a listing per kernel
  flatbuffers::Verifier verifier(section.data, section.size, depth, tables);
  if (!verifier.VerifyBuffer<fb::Debug>(nullptr))
    return Status::error(Code::DebugCorrupt,
                         "the debug section is corrupt; copy or compile the package again");
  const fb::Debug *root = flatbuffers::GetRoot<fb::Debug>(section.data);
  TENON_TRY(verifyDebug(*root, *manifest_));
  result = root;
  return {};
}

} // namespace tenon::package
