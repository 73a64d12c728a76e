#include "commands/command_line.h"

#include "anomctl/core/error.h"
#include "commands/program.h"
#include "support/catch.h"

namespace anomctl {
namespace {

struct Options {
  std::string dataset, password;
  int epochs = 30, run = -1;
  bool use_gatv2 = true, details = false;
  std::vector<std::string> columns;
  std::string bundle;
  static void fields(auto& self, auto&& field) {
    field("dataset", self.dataset, "data set", Alias{"data"});
    field("mosquitto_pass", self.password, "password", Secret{});
    field("epochs", self.epochs, "epochs", Between{1, 100});
    field("run", self.run, "run");
    field("use_gatv2", self.use_gatv2, "attention");
    field("details", self.details, "details");
    field("columns", self.columns, "columns");
    field("bundle", self.bundle, "bundle", Positional{});
  }
};

using Texts = std::vector<std::string>;

GivenFlags split(const Texts& arguments) {
  Options options;
  return split_command_line(arguments, describe(options));
}

CommandSpec named(const std::string& name) {
  CommandSpec spec;
  spec.name = name;
  return spec;
}

}  // namespace

TEST_CASE("a flag's name may be written with hyphens, underscores and in capitals") {
  for (const char* name : {"--use-gatv2=false", "--use_gatv2=false", "--Use-Gatv2=false"}) {
    CHECK(split({name}).at("use_gatv2") == Texts{"false"});
  }
  CHECK(split({"--data", "CATS"}).at("dataset") == Texts{"CATS"});
}

TEST_CASE("true|false settings take a word only when it is one") {
  CHECK(split({"--use-gatv2"}).at("use_gatv2") == Texts{"true"});
  CHECK(split({"--no-use-gatv2"}).at("use_gatv2") == Texts{"false"});
  CHECK(split({"--use-gatv2", "false"}).at("use_gatv2") == Texts{"false"});
  const auto flags = split({"--details", "some/folder"});
  CHECK(flags.at("details") == Texts{"true"});
  CHECK(flags.at("bundle") == Texts{"some/folder"});
  CHECK_THROWS_AS(split({"--no-details=true"}), UsageError);
}

TEST_CASE("negative numbers are values, with their flag and alone") {
  CHECK(split({"--run", "-1"}).at("run") == Texts{"-1"});
  CHECK(split({"--run=-2"}).at("run") == Texts{"-2"});
  CHECK(split({"-1"}).at("bundle") == Texts{"-1"});
  CHECK(split({"--mosquitto_pass", "--odd"}).at("mosquitto_pass") == Texts{"--odd"});
}

TEST_CASE("repeated flags add to lists and replace single values") {
  CHECK(split({"--columns", "a,b", "--columns", "c"}).at("columns") == Texts{"a,b", "c"});
  CHECK(split({"--epochs", "3", "--epochs", "4"}).at("epochs") == Texts{"4"});
}

TEST_CASE("what follows -- is positional") { CHECK(split({"--", "--epochs"}).at("bundle") == Texts{"--epochs"}); }

TEST_CASE("a misspelt flag is an error that names the nearest") {
  CHECK_THROWS_WITH(split({"--epocs", "3"}), Contains("--epochs"));
  CHECK_THROWS_WITH(split({"--use-gatv3"}), Contains("did you mean --use-gatv2?"));
  CHECK_THROWS_WITH(split({"-x"}), Contains("unknown flag -x"));
  CHECK_THROWS_WITH(split({"--epochs"}), Contains("needs a value (whole number)"));
  CHECK_THROWS_WITH(split({"--dataset", "--epochs", "3"}), Contains("--dataset needs a value"));
  CHECK_THROWS_WITH(split({"one", "two"}), Contains("unexpected argument 'two'"));
}

TEST_CASE("global flags may stand before the command") {
  GlobalOptions globals;
  const auto fields = describe(globals);
  CHECK(find_command_word({"--config", "a.toml", "--json", "train", "--epochs", "1"}, fields) == 3);
  CHECK(find_command_word({"--log-level=debug", "train"}, fields) == 1);
  CHECK(find_command_word({"--json", "false", "train"}, fields) == 2);
  CHECK(find_command_word({"--json"}, fields) == 1);
}

TEST_CASE("commands are found by one or two words, and the nearest is named") {
  const std::vector<CommandSpec> commands = {named("train"), named("create-datasets"), named("models import"),
                                             named("models list")};
  const auto found = [&](const Texts& words, std::size_t behind) {
    std::size_t at = 0;
    const CommandSpec* spec = find_command(words, at, commands);
    CHECK(at == behind);
    return spec == nullptr ? std::string("group") : spec->name;
  };
  CHECK(found({"train", "--epochs"}, 1) == "train");
  CHECK(found({"create_datasets"}, 1) == "create-datasets");
  CHECK(found({"models", "list", "x"}, 2) == "models list");
  CHECK(found({"models", "--help"}, 1) == "group");
  std::size_t at = 0;
  CHECK_THROWS_WITH(find_command({"trian"}, at, commands), Contains("did you mean 'train'?"));
  CHECK_THROWS_WITH(find_command({"models", "lst"}, at, commands), Contains("did you mean 'models list'?"));
  CHECK_THROWS_WITH(find_command({"xyzzy"}, at, commands), Contains("see anomctl --help"));
}

TEST_CASE("a table of the settings file that is no command is an error") {
  const std::vector<CommandSpec> commands = {named("train"), named("models import")};
  CHECK_NOTHROW(check_tables(parse_toml("json = true\n[train]\nepochs = 1\n[models-import]\n[train.more]\n", "a.toml"),
                             commands));
  CHECK_THROWS_WITH(check_tables(parse_toml("[trian]\nepochs = 1\n", "a.toml"), commands),
                    Contains("a.toml:2: table [trian] names no command: did you mean [train]?"));
}

}  // namespace anomctl
