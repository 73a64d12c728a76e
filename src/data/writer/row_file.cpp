#include "data/writer/row_file.h"

#include <fmt/core.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr std::size_t kBlockValues = 32 * 1024;
constexpr std::size_t kNumberBytes = 32;  // the longest shortest form of a double has 24

std::FILE* open_for_writing(const fs::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) throw failed(fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
  return file;
}

void write_bytes(std::FILE* file, const fs::path& path, const char* data, std::size_t size) {
  if (std::fwrite(data, 1, size, file) != size) {
    throw failed(fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
  }
}

void close_file(std::FILE*& file, const fs::path& path) {
  std::FILE* closing = file;
  file = nullptr;
  if (std::fclose(closing) != 0) throw failed(fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
}

char* put_number(char* at, double value) {
  if (std::isnan(value)) return at;  // an empty cell
  const double whole = std::trunc(value);
  if (whole == value && std::fabs(value) < 1e15)
    return std::to_chars(at, at + kNumberBytes, static_cast<std::int64_t>(value)).ptr;
  return std::to_chars(at, at + kNumberBytes, value).ptr;
}

struct OpenFile {
  fs::path path;
  std::FILE* file;
  explicit OpenFile(const fs::path& p) : path(p), file(open_for_writing(p)) {}
  OpenFile(OpenFile&& other) noexcept : path(std::move(other.path)), file(std::exchange(other.file, nullptr)) {}
  ~OpenFile() {
    if (file != nullptr) std::fclose(file);
  }
};

}  // namespace

RowFile::RowFile(const fs::path& path, std::size_t columns)
    : path_(path),
      columns_(columns),
      file_(open_for_writing(path)),
      writer_([this](std::stop_token stop) { write_all(stop); }) {}

RowFile::~RowFile() {
  writer_.request_stop();
  blocks_.close();
  if (writer_.joinable()) writer_.join();
  if (file_ != nullptr) std::fclose(file_);
}

void RowFile::write_all(std::stop_token stop) {
  std::vector<char> text;
  try {
    while (auto block = blocks_.pop(stop)) {
      text.resize((block->size() + 1) * (kNumberBytes + 1));
      char* at = text.data();
      for (std::size_t i = 0; i < block->size(); ++i) {
        at = put_number(at, (*block)[i]);
        *at++ = (i + 1) % columns_ == 0 ? '\n' : ',';
      }
      write_bytes(file_, path_, text.data(), static_cast<std::size_t>(at - text.data()));
      block->clear();
      empty_.push(std::move(*block));
    }
  } catch (...) {
    failure_ = std::current_exception();
    blocks_.close();  // the next push fails
  }
}

void RowFile::hand_over() {
  if (!blocks_.push(std::move(filling_))) {
    close();
    throw failed(fmt::format("cannot write {}", path_.string()));
  }
  filling_ = empty_.size() > 0 ? std::move(*empty_.pop()) : Block();
}

void RowFile::push(std::span<const double> row) {
  filling_.insert(filling_.end(), row.begin(), row.end());
  if (filling_.size() >= kBlockValues) hand_over();
}

void RowFile::close() {
  if (!filling_.empty()) blocks_.push(std::move(filling_));
  filling_.clear();
  blocks_.close();
  if (writer_.joinable()) writer_.join();
  if (failure_) std::rethrow_exception(failure_);
  if (file_ != nullptr) close_file(file_, path_);
}

void split_lines(const fs::path& file, const std::vector<fs::path>& targets,
                 const std::function<int(std::int64_t)>& route) {
  std::FILE* in = std::fopen(file.c_str(), "rb");
  if (in == nullptr) throw failed(fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> keep(in, std::fclose);
  std::vector<OpenFile> out;
  for (const fs::path& target : targets) out.emplace_back(target);
  std::vector<char> buffer(1 << 20);
  std::int64_t line = 0;
  int to = route(0);
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), in)) {
    const char* from = buffer.data();  // what is not yet written and goes to `to`
    const char* at = from;
    const char* const end = from + got;
    const auto flush = [&](const char* until) {
      if (to >= 0 && until > from) {
        const OpenFile& target = out[static_cast<std::size_t>(to)];
        write_bytes(target.file, target.path, from, static_cast<std::size_t>(until - from));
      }
      from = until;
    };
    while (at < end &&
           (at = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)))) != nullptr) {
      ++at;
      const int next = route(++line);
      if (next != to) {
        flush(at);
        to = next;
      }
    }
    flush(end);
  }
  if (std::ferror(in) != 0) throw failed(fmt::format("cannot read {}", file.string()));
  for (OpenFile& target : out) close_file(target.file, target.path);
}

void write_labels(const fs::path& path, const std::vector<std::uint8_t>& labels) {
  OpenFile out(path);
  std::vector<char> text;
  text.reserve(2 * labels.size());
  for (const auto label : labels) {
    text.push_back(label != 0 ? '1' : '0');
    text.push_back('\n');
  }
  write_bytes(out.file, path, text.data(), text.size());
  close_file(out.file, path);
}

}  // namespace anomctl
