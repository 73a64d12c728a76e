#include "anomctl/core/config.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {
struct Options {
  std::int64_t window_size = 100;
  double gamma = 1;
  std::string name;
  std::string password;
  std::vector<std::string> columns;
  Duration period = seconds(5);
  static void fields(auto& self, auto&& field) {
    field("window_size", self.window_size, "rows a window", Between{2, 1000});
    field("gamma", self.gamma, "weight");
    field("name", self.name, "name");
    field("password", self.password, "secret", Secret{});
    field("columns", self.columns, "columns");
    field("period", self.period, "period");
  }
};
Environment environment_of(std::map<std::string, std::string> values) {
  return [values](const std::string& name) -> std::optional<std::string> {
    const auto it = values.find(name);
    return it == values.end() ? std::nullopt : std::optional(it->second);
  };
}
}  // namespace

TEST_CASE("precedence: default < TOML < environment < flag") {
  const TomlFile file = parse_toml("[train]\nwindow_size = 20\ngamma = 0.5\n", "f.toml");
  for (int strongest = 0; strongest < 4; ++strongest) {
    Options o;
    Sources s{.command = "train"};
    if (strongest >= 1) s.file = &file;
    if (strongest >= 2) s.environment = environment_of({{"ANOMCTL_WINDOW_SIZE", "30"}});
    if (strongest >= 3) s.flags["window_size"] = {"40"};
    const auto origin = resolve(describe(o), s);
    const std::vector<std::int64_t> expected = {100, 20, 30, 40};
    const std::vector<std::string> from = {"default", "file", "environment", "flag"};
    CHECK(o.window_size == expected[static_cast<std::size_t>(strongest)]);
    CHECK(origin.at("window_size") == from[static_cast<std::size_t>(strongest)]);
  }
}

TEST_CASE("unknown keys name the nearest setting") {
  Options o;
  const TomlFile file = parse_toml("[train]\nwindow_siez = 20\n", "f.toml");
  Sources s{.command = "train", .file = &file};
  CHECK_THROWS_WITH(resolve(describe(o), s), "f.toml:2: key 'window_siez' is unknown: did you mean 'window_size'?");
  Sources flags{.command = "train", .flags = {{"gama", {"1"}}}};
  CHECK_THROWS_WITH(resolve(describe(o), flags), "--gama is unknown: did you mean 'gamma'?");
}

TEST_CASE("other than ASCII characters stand in quotes and comments only") {
  const TomlFile file = parse_toml(R"(# é
[train]
name = "é \" é" # é
password = '''
é '''
columns = ["é", 'é\', """é
é""""" ])",
                                   "f.toml");
  CHECK(file.tables.at("train").at("name").texts[0] == "é \" é");
  CHECK(file.tables.at("train").at("columns").texts[2] == "é\né\"\"");
  CHECK(file.tables.at("train").at("columns").texts[0] == "é");
  CHECK(parse_toml("a = '~C3~ ~~C3~A9~'\n\"~é\" = 1", "f.toml").tables.at("").at("a").texts[0] == "~C3~ ~~C3~A9~");
  CHECK(parse_toml("\"~é\" = 1", "f.toml").tables.at("").contains("~é"));
  CHECK_THROWS_WITH(parse_toml("[train]\nnamé = 1\n", "f.toml"), Contains("f.toml:2:4: "));
  CHECK_THROWS_WITH(parse_toml("a = 'é' é", "f.toml"), Contains("f.toml:1:9: "));
  CHECK_THROWS_WITH(parse_toml("a = \"é\\é\"", "f.toml"), Contains("f.toml:1:8: "));
  for (const char* wrong : {"a = '\xc3'", "a = '\xed\xa0\x80'", "a = '\xc0\x80'", "a = '\xf4\x90\x80\x80'", "# \xff"})
    CHECK_THROWS_WITH(parse_toml(wrong, "f.toml"), "f.toml: this is no text in UTF-8");
}

TEST_CASE("bad values say where they stand, secrets never show") {
  Options o;
  Sources s{.command = "train", .flags = {{"window_size", {"1"}}}};
  CHECK_THROWS_WITH(resolve(describe(o), s), "--window-size: 1 is outside 2 to 1000");
  s.flags = {{"period", {"soon"}}};
  CHECK_THROWS_AS(resolve(describe(o), s), UsageError);
  s.flags = {{"password", {"hunter2"}}};
  resolve(describe(o), s);
  CHECK(o.password == "hunter2");
  for (const Field& f : describe(o)) CHECK(f.get().find("hunter2") == std::string::npos);
}

TEST_CASE("lists, durations and secrets from files") {
  const TemporaryFolder folder;
  write_file_atomic(folder.path() / "p", "from file\n");
  Options o;
  Sources s{
      .command = "train",
      .flags = {{"columns", {"a,b", "c"}}, {"period", {"250ms"}}, {"password_file", {(folder.path() / "p").string()}}}};
  resolve(describe(o), s);
  CHECK(o.columns == std::vector<std::string>{"a", "b", "c"});
  CHECK(o.period == milliseconds(250));
  CHECK(o.password == "from file");
}

TEST_CASE("the nearest name is suggested only when it is near") {
  CHECK(nearest("trian", {"train", "evaluate"}) == "train");
  CHECK_FALSE(nearest("zzzzzz", {"train", "evaluate"}));
}
