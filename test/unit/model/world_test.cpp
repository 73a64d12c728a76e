#include "anomctl/model/world.h"

#include <map>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

World from(const std::map<std::string, std::string>& set) {
  return world_from([&](const std::string& name) -> std::optional<std::string> {
    const auto found = set.find(name);
    return found == set.end() ? std::nullopt : std::optional(found->second);
  });
}

}  // namespace

TEST_CASE("a process without a launcher is alone") {
  CHECK(from({}).size == 1);
  CHECK(from({{"MASTER_PORT", "what a cluster leaves about"}}).leads());
  CHECK(from({{"WORLD_SIZE", "1"}, {"RANK", "0"}, {"TORCHELASTIC_RESTART_COUNT", "2"}}).attempt == 2);
  CHECK(from({{"WORLD_SIZE", "1"}}).size == 1);
}

TEST_CASE("a process of several knows its place") {
  std::map<std::string, std::string> set = {{"WORLD_SIZE", "4"},
                                            {"RANK", "3"},
                                            {"LOCAL_RANK", "1"},
                                            {"LOCAL_WORLD_SIZE", "2"},
                                            {"MASTER_ADDR", "machine.one"},
                                            {"MASTER_PORT", "29500"}};
  World w = from(set);
  CHECK(w.name() == "rank 3 of 4");
  CHECK_FALSE(w.leads());
  CHECK((w.local_rank == 1 && w.local_size == 2));
  CHECK((w.master_address == "machine.one" && w.master_port == 29500));
  CHECK_FALSE(w.agent_store);
  set["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  CHECK(from(set).agent_store);
  set.erase("LOCAL_RANK");
  CHECK(from(set).local_rank == 1);  // from the rank
  for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) {
    auto half = set;
    half.erase(name);
    CHECK_THROWS_AS(from(half), UsageError);
  }
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"RANK", "4"}, {"RANK", "-1"}, {"WORLD_SIZE", "0"}, {"MASTER_PORT", "65536"}, {"LOCAL_RANK", "2"}}) {
    auto wrong = set;
    wrong[name] = value;
    CHECK_THROWS_WITH(from(wrong), Contains(name) && Contains(value));
  }
}

TEST_CASE("each process of a machine takes the GPU of its place") {
  World w;
  CHECK(device_for(w, "cuda:3", 4) == "cuda:3");
  CHECK(device_for(w, "auto", 4) == "auto");
  w.size = 4, w.rank = 3, w.local_size = 2, w.local_rank = 1;
  CHECK(device_for(w, "cuda", 2) == "cuda:1");
  CHECK(device_for(w, "auto", 2) == "cuda:1");
  CHECK(device_for(w, "auto", 1) == "cpu");  // on all of them alike
  CHECK(device_for(w, "cpu", 2) == "cpu");
  CHECK_THROWS_AS(device_for(w, "cuda:0", 2), UsageError);
  w.local_size = 1, w.local_rank = 0;
  CHECK(device_for(w, "cuda:2", 4) == "cuda:2");
}
