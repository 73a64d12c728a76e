#include "anomctl/core/files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string hex(const unsigned char* bytes, std::size_t n) {
  std::string out;
  out.reserve(2 * n);
  for (std::size_t i = 0; i < n; ++i) out += fmt::format("{:02x}", bytes[i]);
  return out;
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void add(const void* data, std::size_t n) { EVP_DigestUpdate(context_.get(), data, n); }
  std::string finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned n = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &n);
    return hex(digest.data(), n);
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

// Calls `sink` with each block of the file.
template <class Sink>
void read_blocks(const fs::path& path, std::uint64_t max_bytes, Sink&& sink) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw input_error(fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
  struct stat info {};
  if (::fstat(file.get(), &info) == 0 && S_ISDIR(info.st_mode)) {
    throw input_error(fmt::format("{} is a folder, a file is needed", path.string()));
  }
  std::uint64_t total = 0;
  std::string block(kMiB, '\0');
  for (;;) {
    const ssize_t n = ::read(file.get(), block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw input_error(fmt::format("cannot read {}: {}", path.string(), std::strerror(errno)));
    if (n == 0) return;
    total += static_cast<std::uint64_t>(n);
    if (total > max_bytes) {
      throw input_error(fmt::format("{} is larger than the {} MiB that are read", path.string(), max_bytes / kMiB));
    }
    sink(block.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  std::string content;
  read_blocks(path, max_bytes, [&](const char* data, std::size_t n) { content.append(data, n); });
  return content;
}

bool is_device(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::is_character_file(status) || fs::is_block_file(status) || fs::is_fifo(status) || fs::is_socket(status);
}

void write_file_atomic(const fs::path& path, std::string_view content, unsigned mode) {
  const auto fail = [&](const char* step) {
    return failed(fmt::format("cannot {} {}: {}", step, path.string(), std::strerror(errno)));
  };
  const auto write_all = [&](int fd) {
    for (std::size_t done = 0; done < content.size();) {
      const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return false;
      done += static_cast<std::size_t>(n);
    }
    return true;
  };
  if (is_device(path)) {
    const Descriptor device(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (device.get() < 0 || !write_all(device.get())) throw fail("write");
    return;
  }
  std::string temporary = path.string() + ".XXXXXX";
  const Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) throw fail("write");
  const auto abandon = [&](const char* step) {
    const Error error = fail(step);
    ::unlink(temporary.c_str());
    return error;
  };
  if (!write_all(file.get())) throw abandon("write");
  if (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0) throw abandon("write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw abandon("replace");
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes.data(), bytes.size());
  return hash.finish();
}

std::string sha256_file(const fs::path& path) {
  Sha256 hash;
  read_blocks(path, ~std::uint64_t{0}, [&](const char* data, std::size_t n) { hash.add(data, n); });
  return hash.finish();
}

std::string random_hex(std::size_t n_bytes) {
  std::string bytes(n_bytes, '\0');
  auto* data = reinterpret_cast<unsigned char*>(bytes.data());
  if (RAND_bytes(data, static_cast<int>(n_bytes)) != 1) throw failed("the system's random source failed");
  return hex(data, n_bytes);
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "anomctl-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw failed(fmt::format("cannot make a temporary folder {}", name));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace anomctl
