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

TEST_CASE("the libraries of this process are found, and programs report their exit code") {
  CHECK(loaded_libraries().size() > 2);
  CHECK(run_program({"true"}) == 0);
  CHECK(run_program({"sh", "-c", "exit 7"}) == 7);
  CHECK_THROWS_AS(run_program({"no-such-program-here"}), Error);
}
