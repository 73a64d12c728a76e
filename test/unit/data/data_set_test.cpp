#include "anomctl/data/data_set.h"

#include <cmath>

#include "anomctl/core/error.h"
#include "support/catch.h"
#include "support/shared_folder.h"

using namespace anomctl;

namespace {

struct Folder {
  TemporaryFolder temporary;
  fs::path path = temporary.path() / "mine";
  Folder() {
    fs::create_directory(path);
    write("train.csv", "1,2\n3,4\n5,6\n");
    write("train_labels.csv", "0\n0\n0\n");
    write("eval.csv", "1,2\r\n3,\r\n5,6\r\n7,nan\r\n");
    write("eval_labels.csv", "0\n1\n1\n0\n");
  }
  void write(const std::string& name, const std::string& text) const { write_file_atomic(path / name, text); }
  std::string failure() const {
    try {
      load_data_set(path);
    } catch (const Error& e) {
      CHECK(e.code() == ExitCode::bad_input);
      return e.what();
    }
    return "no error";
  }
};

}  // namespace

TEST_CASE("data set: four files made by hand are enough", "[data_set]") {
  const Folder folder;
  const DataSet set = load_data_set(folder.path);
  CHECK(set.name == "mine");
  CHECK_FALSE(set.has_meta);
  CHECK(set.column_names() == std::vector<std::string>{"c0", "c1"});
  CHECK(set.train.values.rows() == 3);
  CHECK(set.train.values(2, 1) == 6);
  CHECK(std::isnan(set.eval.values(1, 1)));
  CHECK(std::isnan(set.eval.values(3, 1)));
  CHECK(set.train.runs == std::vector<RowRange>{{0, 2}});
  CHECK(set.eval.times[1] == 4 * kSecond);
  REQUIRE(set.segments.size() == 1);
  CHECK(set.segments[0].rows == RowRange{1, 2});
}

TEST_CASE("data set: meta.json gives columns, runs, stamps and segments", "[data_set]") {
  const Folder folder;
  folder.write("meta.json", R"({"name":"pump","columns":["a",{"name":"b","unit":"bar","description":"inlet"}],
    "n_train":3,"n_eval":4,"sampling_period_s":0.5,"active_when":"a > 1","settle_s":60,
    "eval_runs":[{"start":0,"end":1,"first_time":"2020-01-01T00:00:00Z"},{"start":3,"end":3}],
    "anomaly_segments":[{"start":1,"end":2,"root_cause":"b","affected":["a","b"]}]})");
  const DataSet set = load_data_set(folder.path);
  CHECK(set.name == "pump");
  CHECK(set.columns[1].unit == "bar");
  CHECK(set.period_s == 0.5);
  CHECK(set.active_when == "a > 1");
  CHECK(set.settle_s == 60);
  CHECK(set.eval.runs == std::vector<RowRange>{{0, 1}, {2, 2}, {3, 3}});
  CHECK(format_stamp(set.eval.times[1]) == "2020-01-01T00:00:00.500Z");
  CHECK(set.segments[0].root_cause == "b");
  CHECK(set.segments[0].affected == std::vector<std::string>{"a", "b"});
  const std::string before = set.hash;
  folder.write("eval_labels.csv", "0\n1\n1\n1\n");
  CHECK(load_data_set(folder.path).hash != before);
}

TEST_CASE("data set: what is wrong is told with file and line", "[data_set]") {
  const Folder folder;
  const auto told = [&](const std::string& file, const std::string& text, const std::string& expected) {
    const std::string before = fs::exists(folder.path / file) ? read_file(folder.path / file) : "";
    folder.write(file, text);
    CHECK_THAT(folder.failure(), Contains(expected));
    if (before.empty())
      fs::remove(folder.path / file);
    else
      folder.write(file, before);
  };
  told("train.csv", "1,2\n3\n", "train.csv:2: 1 values where 2 are expected");
  told("train.csv", "1,2\n3,x\n", "train.csv:2: column 2 holds 'x'");
  told("train.csv", "1,2\n\n3,4\n", "train.csv:2: the line is empty");
  told("train.csv", "", "train.csv holds no rows");
  told("eval.csv", "1,2,3\n", "eval.csv:1: 3 values where 2 are expected");
  told("train_labels.csv", "0\n2\n0\n", "train_labels.csv:2: a label is 0 or 1, found '2'");
  told("train_labels.csv", "0\n0\n", "2 labels for 3 rows of train.csv");
  told("meta.json", R"({"columns":["a"]})", "1 columns named, train.csv has 2");
  told("meta.json", R"({"columns":["a","a"]})", "column 'a' is named twice");
  told("meta.json", R"({"n_train":7})", "n_train is 7, but the file has 3 rows");
  told("meta.json", R"({"anomaly_segments":[{"start":3,"end":4}]})", "3..4 is not a range of rows within 0..3");
  told("meta.json", R"({"eval_runs":[{"start":0,"end":2},{"start":2,"end":3}]})", "overlaps the one before");
  told("meta.json", R"({"sampling_period_s":0})", "sampling_period_s must be above 0");
  fs::remove(folder.path / "eval_labels.csv");
  CHECK_THAT(folder.failure(), Contains("it has no eval_labels.csv"));
}

TEST_CASE("data set: found by name, or the newest", "[data_set]") {
  const Folder folder;
  const fs::path root = folder.temporary.path();
  CHECK(find_data_set(root, "mine") == root / "mine");
  CHECK(find_data_set(root, "") == root / "mine");
  CHECK_THROWS_WITH(find_data_set(root, "other"), Contains("no data set 'other'") && Contains("there are mine"));
  fs::copy(root / "mine", root / "later");
  fs::last_write_time(root / "later" / "train.csv",
                      fs::last_write_time(root / "mine" / "train.csv") + std::chrono::hours(1));
  CHECK(find_data_set(root, "") == root / "later");
  CHECK_THROWS_WITH(find_data_set(root / "none", ""), Contains("no data set in"));
}

TEST_CASE("data set: the shared examples load", "[data_set]") {
  struct Expected {
    const char* name;
    std::size_t columns, train, eval, segments, runs;
  };
  for (const Expected& e : {Expected{"skab_valve1", 8, 6400, 11760, 16, 16}, Expected{"msl_c1", 55, 2158, 2264, 2, 1},
                            Expected{"smap_e11", 25, 2880, 8514, 2, 1}, Expected{"smap_p1", 25, 2872, 8505, 3, 1},
                            Expected{"tep_a", 52, 1460, 1120, 4, 4}, Expected{"cats_like", 17, 6000, 6000, 12, 1}}) {
    const auto folder = shared_path(std::string("data/") + e.name);
    if (!folder) continue;
    const DataSet set = load_data_set(*folder);
    CHECK(set.columns.size() == e.columns);
    CHECK(set.train.values.rows() == e.train);
    CHECK(set.eval.values.rows() == e.eval);
    CHECK(set.segments.size() == e.segments);
    CHECK(set.eval.runs.size() == e.runs);
    std::int64_t labelled = 0, in_segments = 0;
    for (const auto label : set.eval.labels) labelled += label;
    for (const Segment& s : set.segments) in_segments += s.rows.size();
    CHECK(labelled > 0);
    CHECK(labelled <= in_segments);
  }
}
