#include "anomctl/deploy/env_file.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {
std::string value_of(const std::string& line) { return EnvFile(line, ".env").value("ORG"); }
}  // namespace

TEST_CASE("a value of .env is what Compose reads") {
  for (const char* line :
       {"ORG=plant", "ORG=\"plant\"", "ORG='plant'", "ORG=plant # note", "ORG=\"plant\" # note", "export ORG=plant",
        " ORG = plant ", "ORG: plant", "ORG=plant\r\n", "ORG=old\n#ORG=x\nORG=plant"})
    CHECK(value_of(line) == "plant");
  CHECK(value_of("ORG=a#b") == "a#b");
  CHECK(value_of("ORG='a$b # c'") == "a$b # c");
  CHECK(value_of("ORG=") == "");
  CHECK(value_of("# ORG=plant") == "");
  CHECK(value_of("exportORG=plant") == "");
  CHECK_FALSE(EnvFile("#ORG=x", ".env").names("ORG"));
  CHECK(EnvFile("ORG=", ".env").names("ORG"));
}

TEST_CASE("what Compose would read otherwise is refused") {
  for (const char* line : {"ORG=a$b", "ORG=\"${A}\"", "ORG", "ORG=# note", "ORG=a\tb", "ORG=\"a", "ORG='a\nb'",
                           "ORG=\"a\"b", "ORG=\"a\\nb\"", "ORG x=a", "=a"})
    CHECK_THROWS_WITH(value_of(line), Contains(".env"));
  // A line that nobody asks for is its writer's own.
  CHECK(value_of("OTHER=${A}\nORG=plant") == "plant");
}

TEST_CASE("what is set stands once and the rest stays") {
  EnvFile env("# first\r\nexport ORG=\"a\" # note\nSENSOR='x y'\nORG=b", ".env");
  env.set("ORG", "c");
  env.set("NEW", "1");
  CHECK(env.text() == "# first\nORG=c\nSENSOR='x y'\nNEW=1\n");
  CHECK(env.value("ORG") == "c");
}

TEST_CASE("a value that needs quotes is none to be written") {
  CHECK(env_takes("plant-1"));
  for (const char* value : {"a$b", "a\"b", "a'b", "a\\b", "a#b", "a\tb", "a\n", " a", "a "})
    CHECK_FALSE(env_takes(value));
}
