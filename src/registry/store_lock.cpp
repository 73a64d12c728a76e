#include "registry/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

#include "anomctl/core/error.h"

namespace anomctl {

void make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw failed("cannot create folder " + folder.string() + ": " + error.message());
}

void write_value(const fs::path& folder, const std::string& name, const std::string& text, const fs::path& beside) {
  const fs::path target = folder / name, fresh = beside / (".value-" + random_hex(6));
  make_folders(target.parent_path());
  write_file_atomic(fresh, text);
  std::error_code error;
  fs::rename(fresh, target, error);
  if (error) throw failed("cannot write " + target.string() + ": " + error.message());
}

StoreLock::StoreLock(const fs::path& root)
    : fd_(::open((root / ".anomctl.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0 || ::flock(fd_, LOCK_EX) != 0)
    throw failed("cannot lock " + (root / ".anomctl.lock").string() + ": " + std::strerror(errno));
}

StoreLock::~StoreLock() { ::close(fd_); }

std::int64_t StoreLock::next_start(std::int64_t now_ms) const {
  char text[32] = {};
  const auto n = ::pread(fd_, text, sizeof text - 1, 0);
  std::int64_t last = 0;
  if (n > 0) std::from_chars(text, text + n, last);
  const auto start = std::max(now_ms, last + 1);
  const std::string out = std::to_string(start) + "\n";
  if (::pwrite(fd_, out.data(), out.size(), 0) != static_cast<ssize_t>(out.size()))
    throw failed(std::string("cannot write the lock file of the run store: ") + std::strerror(errno));
  return start;
}

}  // namespace anomctl
