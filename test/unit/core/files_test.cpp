#include "anomctl/core/files.h"

#include <sys/stat.h>

#include "support/catch.h"

using namespace anomctl;

TEST_CASE("a file is replaced, a device or a pipe is written to") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "a";
  write_file_atomic(file, "one");
  write_file_atomic(file, "two", 0600);
  CHECK(read_file(file) == "two");
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  const fs::path link = folder.path() / "null";
  fs::create_symlink("/dev/null", link);
  write_file_atomic(link, "gone");
  CHECK(fs::is_symlink(link));
  CHECK(fs::is_character_file("/dev/null"));
  const fs::path pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(is_device(pipe));
  CHECK_FALSE(is_device(file));
  CHECK_FALSE(is_device(folder.path() / "none"));
}
