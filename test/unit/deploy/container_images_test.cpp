#include "anomctl/deploy/container_images.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

TEST_CASE("templates are filled, other at signs stay") {
  CHECK(render_template("FROM @BASE@\nuser@host @x@\n", {{"BASE", "scratch"}}) == "FROM scratch\nuser@host @x@\n");
  CHECK_THROWS_WITH(render_template("@MISSING@", {}), Contains("MISSING"));
  CHECK(render_template("", {}).empty());
}

TEST_CASE("two stagings of the same folder are equal in content, mode and time") {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "in/sub");
  write_file_atomic(folder.path() / "in/sub/a", "1", 0600);
  for (const char* out : {"one", "two"}) stage_folder(folder.path() / "in", folder.path() / out);
  const auto stamp = [&](const char* out) { return fs::last_write_time(folder.path() / out / "sub/a"); };
  CHECK(stamp("one") == stamp("two"));
  CHECK(fs::status(folder.path() / "one/sub/a").permissions() == fs::perms(0644));
  write_file_atomic(folder.path() / "in/other", "x");
  stage_folder(folder.path() / "in", folder.path() / "part", {"other", "absent"});
  CHECK(fs::exists(folder.path() / "part/other"));
  CHECK_FALSE(fs::exists(folder.path() / "part/sub"));
  CHECK_THROWS_AS(stage_folder(folder.path() / "nothing", folder.path() / "x"), Error);
}

TEST_CASE("a runtime holds the program, its modules and time zones, all of one time") {
  const TemporaryFolder folder;
  write_file_atomic(folder.path() / "program", "p", 0755);
  write_file_atomic(folder.path() / "module.so", "m", 0600);
  const fs::path context = folder.path() / "context", root = context / "root";
  stage_runtime(context, folder.path() / "program", {}, {folder.path() / "module.so"});
  CHECK(fs::exists(root / "usr/bin/anomctl"));
  CHECK(fs::status(root / "usr/lib/anomctl/modules/module.so").permissions() == fs::perms(0644));
  CHECK(fs::exists(root / "usr/share/zoneinfo/Europe/Berlin"));
  CHECK_FALSE(fs::exists(root / "usr/share/zoneinfo/right"));
  const fs::file_time_type one = fs::last_write_time(root);
  for (const auto& entry : fs::recursive_directory_iterator(context)) {
    INFO(entry.path());
    CHECK(fs::last_write_time(entry.path()) == one);
  }
}

TEST_CASE("the libraries of this process are found, and programs report their exit code") {
  CHECK(loaded_libraries().size() > 2);
  CHECK(run_program({"true"}) == 0);
  CHECK(run_program({"sh", "-c", "exit 7"}) == 7);
  CHECK_THROWS_AS(run_program({"no-such-program-here"}), Error);
}
