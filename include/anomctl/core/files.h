// Files: whole reads with a size limit, atomic writes, SHA-256. Thread rule: free functions, safe from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace anomctl {

namespace fs = std::filesystem;

inline constexpr std::uint64_t kMiB = 1024 * 1024;

// Throws Error(bad_input) naming the file when it is missing, unreadable or larger than `max_bytes`.
std::string read_file(const fs::path& path, std::uint64_t max_bytes = 256 * kMiB);
// A terminal, /dev/null, a pipe: something to write to that no file may take the place of.
bool is_device(const fs::path& path);
// Writes beside the target, syncs, renames over it: readers see the old or the new content, never a part; a device is
// written to as it is. Throws Error(failed).
void write_file_atomic(const fs::path& path, std::string_view content, unsigned mode = 0644);
// Lower-case hex SHA-256.
std::string sha256_hex(std::string_view bytes);
std::string sha256_file(const fs::path& path);
// Cryptographically random bytes as lower-case hex, 2 * n characters.
std::string random_hex(std::size_t n_bytes);
// A fresh directory below the system's temporary folder, removed with all it holds when the object goes.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace anomctl
