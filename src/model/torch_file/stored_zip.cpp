#include "model/torch_file/stored_zip.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "anomctl/core/error.h"

namespace anomctl::torch_file {
namespace {

constexpr std::size_t kEndSize = 22, kLocatorSize = 20, kEnd64Size = 56, kCentralSize = 46, kLocalSize = 30;
constexpr std::uint32_t kEndMark = 0x06054b50, kLocatorMark = 0x07064b50, kEnd64Mark = 0x06064b50;
constexpr std::uint32_t kCentralMark = 0x02014b50, kLocalMark = 0x04034b50;
constexpr std::uint16_t kEncrypted = 0x2041;  // bits 0, 6 and 13: encryption in its three kinds
constexpr std::uint16_t kAtHead = 0xFFFF;     // "the value stands in a zip64 field"

struct Entry {
  std::string name;
  std::uint64_t begin = 0, end = 0;  // of its header and of its data
  std::string_view data;
  std::uint32_t crc = 0;
};

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t n = 0; n < 256; ++n) {
    std::uint32_t c = n;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1U) != 0 ? 0xEDB88320U ^ c >> 1 : c >> 1;
    table[n] = c;
  }
  return table;
}
constexpr auto kCrcTable = crc_table();

std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t c = 0xFFFFFFFFU;
  for (const char byte : bytes) c = kCrcTable[(c ^ static_cast<unsigned char>(byte)) & 0xFFU] ^ c >> 8;
  return ~c;
}

class Archive {
 public:
  Archive(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  std::vector<Entry> entries() {
    read_end();
    std::vector<Entry> found;
    std::uint64_t at = directory_;
    for (std::uint64_t i = 0; i < count_; ++i) found.push_back(read_entry(at));
    if (at != directory_ + directory_size_) throw bad("the archive's directory has another size than it says");
    std::sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < found.size(); ++i)
      if (found[i].begin < found[i - 1].end)
        throw bad(fmt::format("'{}' and '{}' overlap", found[i - 1].name, found[i].name));
    for (const Entry& entry : found)
      if (crc32(entry.data) != entry.crc) throw bad(fmt::format("'{}' is damaged: its CRC-32 differs", entry.name));
    return found;
  }

 private:
  Error bad(const std::string& what) const { return input_error(fmt::format("{}: {}", where_, what)); }

  // Requires: the range lies within the bytes.
  template <class T>
  T number(std::uint64_t at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }

  // The end of the directory is the end of the file, and the directory lies right before it.
  void read_end() {
    if (bytes_.size() < kEndSize || number<std::uint32_t>(bytes_.size() - kEndSize) != kEndMark)
      throw bad("the file does not end as a zip archive does: it is cut off, or no torch file");
    const std::uint64_t end = bytes_.size() - kEndSize;
    if (number<std::uint16_t>(end + 4) != 0 || number<std::uint16_t>(end + 6) != 0)
      throw bad("the archive has several parts");
    count_ = number<std::uint16_t>(end + 10);
    directory_size_ = number<std::uint32_t>(end + 12);
    directory_ = number<std::uint32_t>(end + 16);
    if (count_ == kAtHead || number<std::uint16_t>(end + 8) != count_)
      throw bad("the number of entries is not sensible");
    std::uint64_t directory_end = end;
    // torch writes the zip64 form of the end too; it must say the same.
    if (end >= kLocatorSize + kEnd64Size && number<std::uint32_t>(end - kLocatorSize) == kLocatorMark) {
      directory_end = end - kLocatorSize - kEnd64Size;
      if (number<std::uint64_t>(end - kLocatorSize + 8) != directory_end ||
          number<std::uint32_t>(directory_end) != kEnd64Mark || number<std::uint64_t>(directory_end + 24) != count_ ||
          number<std::uint64_t>(directory_end + 32) != count_ ||
          number<std::uint64_t>(directory_end + 40) != directory_size_ ||
          number<std::uint64_t>(directory_end + 48) != directory_)
        throw bad("the two ends of the archive differ");
    }
    if (directory_ + directory_size_ != directory_end) throw bad("the archive's directory is not where it should be");
  }

  Entry read_entry(std::uint64_t& at) const {
    const std::uint64_t end = directory_ + directory_size_;
    if (end - at < kCentralSize || number<std::uint32_t>(at) != kCentralMark)
      throw bad("the archive's directory is cut off");
    const auto flags = number<std::uint16_t>(at + 8);
    const auto method = number<std::uint16_t>(at + 10);
    const std::uint64_t name_size = number<std::uint16_t>(at + 28);
    const std::uint64_t more = number<std::uint16_t>(at + 30) + std::uint64_t{number<std::uint16_t>(at + 32)};
    if (end - at - kCentralSize < name_size + more) throw bad("the archive's directory is cut off");
    Entry entry;
    entry.name = std::string(bytes_.substr(at + kCentralSize, name_size));
    check_name(entry.name);
    if ((flags & kEncrypted) != 0) throw bad(fmt::format("'{}' is encrypted", entry.name));
    const std::uint64_t size = number<std::uint32_t>(at + 20);
    if (method != 0 || size != number<std::uint32_t>(at + 24))
      throw bad(fmt::format("'{}' is compressed, which torch.save never does", entry.name));
    entry.crc = number<std::uint32_t>(at + 16);
    entry.begin = number<std::uint32_t>(at + 42);
    locate(entry, size);
    at += kCentralSize + name_size + more;
    return entry;
  }

  // The data, behind a header that says the same name.
  void locate(Entry& entry, std::uint64_t size) const {
    if (entry.begin > directory_ || directory_ - entry.begin < kLocalSize ||
        number<std::uint32_t>(entry.begin) != kLocalMark)
      throw bad(fmt::format("'{}' is not where the directory says", entry.name));
    const std::uint64_t name_size = number<std::uint16_t>(entry.begin + 26);
    const std::uint64_t data = entry.begin + kLocalSize + name_size + number<std::uint16_t>(entry.begin + 28);
    if (data > directory_ || directory_ - data < size)
      throw bad(fmt::format("'{}' of {} bytes reaches beyond the file's data", entry.name, size));
    if (bytes_.substr(entry.begin + kLocalSize, name_size) != entry.name || number<std::uint16_t>(entry.begin + 8) != 0)
      throw bad(fmt::format("'{}' has another name or form at its head than in the directory", entry.name));
    entry.data = bytes_.substr(data, size);
    entry.end = data + size;
  }

  void check_name(const std::string& name) const {
    const bool printable =
        std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127 && c != '\\'; });
    if (name.empty() || !printable || name.front() == '/' || ('/' + name + '/').find("/../") != std::string::npos)
      throw bad("the archive has an entry whose name leads elsewhere or is not plain text");
  }

  std::string_view bytes_;
  const std::string& where_;
  std::uint64_t count_ = 0, directory_ = 0, directory_size_ = 0;
};

}  // namespace

std::map<std::string, std::string_view, std::less<>> stored_entries(std::string_view bytes, const std::string& where) {
  std::map<std::string, std::string_view, std::less<>> found;
  std::string folder;
  for (const Entry& entry : Archive(bytes, where).entries()) {
    const std::size_t slash = entry.name.find('/');
    if (folder.empty()) folder = entry.name.substr(0, slash);
    if (slash == std::string::npos || entry.name.compare(0, slash, folder) != 0)
      throw input_error(fmt::format("{}: '{}' lies outside the folder '{}'", where, entry.name, folder));
    if (!found.emplace(entry.name.substr(slash + 1), entry.data).second)
      throw input_error(fmt::format("{}: '{}' stands twice", where, entry.name));
  }
  return found;
}

}  // namespace anomctl::torch_file
