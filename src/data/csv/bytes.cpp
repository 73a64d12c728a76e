#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "anomctl/data/csv.h"

namespace anomctl {
namespace {

class FileBytes : public ByteSource {
 public:
  explicit FileBytes(const fs::path& path) : name_(path.string()) {
    if (path == "-") {
      file_ = stdin;
      return;
    }
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) throw input_error(fmt::format("{} is a folder, not a file", name_));
    file_ = std::fopen(name_.c_str(), "rb");
    if (file_ == nullptr) throw input_error(fmt::format("cannot open {}: {}", name_, std::strerror(errno)));
    std::setvbuf(file_, nullptr, _IONBF, 0);  // the reader's own buffer is larger
  }
  ~FileBytes() override {
    if (file_ != stdin) std::fclose(file_);
  }
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  std::size_t read(char* out, std::size_t size) override {
    const std::size_t got = std::fread(out, 1, size, file_);
    if (got == 0 && std::ferror(file_) != 0) {
      throw input_error(fmt::format("cannot read {}: {}", name_, std::strerror(errno)));
    }
    return got;
  }

 private:
  std::string name_;
  std::FILE* file_ = nullptr;
};

class TextBytes : public ByteSource {
 public:
  explicit TextBytes(std::string text) : text_(std::move(text)) {}
  std::size_t read(char* out, std::size_t size) override {
    const std::size_t n = std::min(size, text_.size() - at_);
    std::memcpy(out, text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> open_bytes(const fs::path& path) { return std::make_unique<FileBytes>(path); }
std::unique_ptr<ByteSource> bytes_of(std::string text) { return std::make_unique<TextBytes>(std::move(text)); }

}  // namespace anomctl
