#include "anomctl/data/data_set_writer.h"

#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

// `rows` rows a second apart: the row number, and 1 while at work. Runs start where `starts` says.
class Counted : public LabelledSource {
 public:
  std::int64_t rows = 1000;
  std::vector<RowRange> labelled, resting;
  std::vector<std::int64_t> starts = {0};
  bool zone_shift = false;

  const std::vector<std::string>& columns() const override { return names_; }
  bool next(Row& row) override {
    if (at_ + 1 == rows) return false;
    ++at_;
    row.time = at_ * kSecond;
    row.values = {static_cast<double>(at_) + 0.25, inside(resting) ? 0.0 : 1.0};
    return true;
  }
  bool label() const override { return inside(labelled); }
  bool starts_run() const override { return std::find(starts.begin(), starts.end(), at_) != starts.end(); }
  std::string where() const override { return "counted:" + std::to_string(at_ + 1); }

 private:
  bool inside(const std::vector<RowRange>& ranges) const {
    for (const RowRange& range : ranges) {
      if (range.contains(at_)) return true;
    }
    return false;
  }
  std::vector<std::string> names_ = {"count", "on"};
  std::int64_t at_ = -1;
};

struct Written {
  TemporaryFolder temporary;
  DataSetPlan plan;
  ReadReport report;
  WrittenDataSet written;
  DataSet set;
  Written() {
    plan.folder = temporary.path() / "sets" / "mine";
    plan.name = "mine";
    plan.columns = {{"count", "pieces", ""}, {"on", "", ""}};
  }
  void write(Counted source) {
    NoProgress progress;
    written = write_data_set(source, plan, report, progress);
    set = load_data_set(plan.folder);
  }
  std::string told() const {
    std::string all = written.split + "\n";
    for (const std::string& s : written.sentences) all += s + "\n";
    return all;
  }
};

Anomaly anomaly(double start, double end) {
  return {static_cast<Nanoseconds>(start * 1e9),
          static_cast<Nanoseconds>(end * 1e9),
          "count",
          {"count", "on"},
          3,
          "list:2"};
}

}  // namespace

TEST_CASE("writer: train ends before the first anomaly, both ends of an interval are in", "[writer]") {
  Written w;
  w.plan.have_anomalies = true;
  w.plan.anomalies = {anomaly(800, 810), anomaly(900, 900)};
  w.write({});
  CHECK(w.written.train_rows == 640);  // 160 lead up to it: a fifth
  CHECK(w.written.eval_rows == 360);
  CHECK(w.set.train.values(639, 0) == 639.25);
  CHECK(w.set.eval.values(0, 0) == 640.25);
  REQUIRE(w.set.segments.size() == 2);
  CHECK(w.set.segments[0].rows == RowRange{160, 170});
  CHECK(w.set.segments[1].rows == RowRange{260, 260});
  CHECK(w.set.segments[0].affected == std::vector<std::string>{"count", "on"});
  std::int64_t labelled = 0;
  for (const auto label : w.set.eval.labels) labelled += label;
  CHECK(labelled == 12);
  CHECK(w.set.eval.labels[160] == 1);
  CHECK(w.set.eval.labels[171] == 0);
  CHECK(w.set.eval.times[160] == 800 * kSecond);
  CHECK(w.set.columns[0].unit == "pieces");
  CHECK(w.set.meta.at("n_train").as_int() == 640);
}

TEST_CASE("writer: where too few normal rows come first, eval is the last part and labels stay in train", "[writer]") {
  Written w;
  w.plan.have_anomalies = true;
  w.plan.anomalies = {anomaly(100, 119), anomaly(690, 709), anomaly(900, 910)};
  w.write({});
  CHECK(w.written.train_rows == 700);
  CHECK(w.written.train_labelled == 30);
  CHECK_THAT(w.told(), Contains("only 100 normal rows come before the first anomaly"));
  CHECK_THAT(w.told(), Contains("30 rows of train are labelled anomalous"));
  REQUIRE(w.set.segments.size() == 2);
  CHECK(w.set.segments[0].rows == RowRange{0, 9});
  w.plan.eval_fraction = 0.5;
  w.report = {};
  w.write({});
  CHECK(w.written.train_rows == 500);
}

TEST_CASE("writer: labels of the source, without anomalies at all", "[writer]") {
  Written w;
  Counted source;
  source.labelled = {{700, 720}, {800, 805}};
  source.starts = {0, 803};
  w.write(source);
  CHECK(w.written.train_rows == 560);
  REQUIRE(w.set.segments.size() == 3);  // the border of a run ends a segment
  CHECK(w.set.segments[2].rows == RowRange{243, 245});
  CHECK(w.set.eval.runs == std::vector<RowRange>{{0, 242}, {243, 439}});
  w.report = {};
  w.write({});
  CHECK_THAT(w.told(), Contains("no row is labelled anomalous: eval is the last 0.3 of the rows"));
  CHECK_THAT(w.told(), Contains("is replaced"));
  CHECK(w.written.train_rows == 700);
}

TEST_CASE("writer: idle rows are no training rows, with the time to settle", "[writer]") {
  Written w;
  w.plan.have_anomalies = true;
  w.plan.anomalies = {anomaly(800, 810)};
  w.plan.active_when = "on > 0";
  w.plan.settle_s = 10;
  Counted source;
  source.resting = {{100, 149}, {700, 709}};
  w.write(source);
  CHECK(w.written.idle_train_rows == 60);
  CHECK(w.written.train_rows == 640 - 60);
  CHECK(w.written.idle_eval_rows == 20);
  CHECK(w.set.train.runs == std::vector<RowRange>{{0, 99}, {100, 579}});
  CHECK(w.set.train.times[100] == 160 * kSecond);
  CHECK(w.set.eval.values.rows() == 360);
  CHECK(w.set.active_when == "on > 0");
  CHECK(w.set.settle_s == 10);
  w.plan.active_when = "off > 0";
  CHECK_THROWS_AS(w.write(source), UsageError);
}

TEST_CASE("writer: of so many rows the first stays, counted from each start of a run", "[writer]") {
  Written w;
  w.plan.downsample = 4;
  Counted source;
  source.starts = {0, 402};
  source.labelled = {{960, 963}, {961, 962}};
  w.write(source);
  CHECK(w.written.period_s == 4);
  CHECK(w.written.train_rows + w.written.eval_rows == 101 + 150);
  CHECK(w.set.train.runs[0] == RowRange{0, 100});
  CHECK(w.set.train.values(101, 0) == 402.25);
  CHECK_THAT(w.told(), Contains("749 rows thinned out"));
}

TEST_CASE("writer: anomalies outside the data are told, and refused when none is inside", "[writer]") {
  Written w;
  w.plan.have_anomalies = true;
  w.plan.anomalies = {anomaly(-10, -5), anomaly(800, 810), anomaly(900.2, 900.8), anomaly(5000, 5001)};
  w.write({});
  CHECK_THAT(w.told(), Contains("2 of 4 anomalies lie outside the data"));
  CHECK_THAT(w.told(), Contains("1 of 4 anomalies cover no row that is kept (first at list:2)"));
  CHECK(w.written.segments == 1);
  w.plan.anomalies = {anomaly(5000, 5001)};
  CHECK_THROWS_WITH(w.write({}), Contains("list:2: none of the 1 anomalies covers a row") && Contains("--timezone"));
}

TEST_CASE("writer: labels that lie in no interval are counted", "[writer]") {
  Written w;
  w.plan.have_anomalies = true;
  w.plan.anomalies = {anomaly(800, 810)};
  Counted source;
  source.labelled = {{800, 815}};
  w.write(source);
  CHECK_THAT(w.told(), Contains("5 rows are labelled in the data but lie in no interval") && Contains("counted:812"));
}

TEST_CASE("writer: nothing is left behind when it fails, and nothing foreign is deleted", "[writer]") {
  Written w;
  Counted source;
  source.rows = 1;
  CHECK_THROWS_WITH(w.write(source), Contains("1 rows are left"));
  std::stop_source stop;
  stop.request_stop();
  Counted many;
  many.rows = 200'000;
  NoProgress progress;
  CHECK_THROWS_WITH(write_data_set(many, w.plan, w.report, progress, stop.get_token()), Contains("stopped"));
  CHECK(fs::is_empty(w.plan.folder.parent_path()));
  w.write({});
  write_file_atomic(w.plan.folder / "mine.txt", "precious");
  CHECK_THROWS_WITH(w.write({}), Contains("holds mine.txt"));
  CHECK(fs::exists(w.plan.folder / "mine.txt"));
}
