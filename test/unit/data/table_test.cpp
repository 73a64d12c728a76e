#include "anomctl/data/table.h"

#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/data/anomalies.h"
#include "support/catch.h"
#include "support/shared_folder.h"

using namespace anomctl;

namespace {

struct Folder {
  TemporaryFolder temporary;
  fs::path write(const std::string& name, const std::string& text) const {
    write_file_atomic(temporary.path() / name, text);
    return temporary.path() / name;
  }
};

struct Read {
  TableLayout layout;
  std::vector<std::vector<double>> rows;
  std::vector<Nanoseconds> times;
  std::vector<bool> labels, starts;
  ReadReport report;
};

Read read(TableSettings settings) {
  Read out;
  out.layout = guess_layout(settings, out.report);
  const auto source = open_table(settings, out.layout, out.report);
  Row row;
  while (source->next(row)) {
    out.rows.push_back(row.values);
    out.times.push_back(row.time);
    out.labels.push_back(source->label());
    out.starts.push_back(source->starts_run());
  }
  return out;
}

std::string failure(const TableSettings& settings) {
  try {
    read(settings);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("table: time, label and number columns are found", "[table]") {
  const Folder folder;
  const fs::path file =
      folder.write("t.csv",
                   "site;pressure [bar];Time Stamp;is_anomaly;on;changepoint\r\n"
                   "north;1,5;2020-01-01 00:00:00;0;true;0\r\nnorth;;2020-01-01 00:00:02;1;false;0\r\n"
                   "north;3;2020-01-01T00:00:04Z;;true;1\r\n");
  const Read r = read({.files = {file}});
  CHECK(r.layout.delimiter == ';');
  CHECK(r.layout.names == std::vector<std::string>{"pressure [bar]", "on"});
  CHECK(r.layout.shape.period == 2 * kSecond);
  REQUIRE(r.rows.size() == 3);
  CHECK(r.rows[0] == std::vector<double>{1.5, 1});
  CHECK(std::isnan(r.rows[1][0]));
  CHECK(r.rows[2] == std::vector<double>{3, 1});
  CHECK(format_stamp(r.times[2]) == "2020-01-01T00:00:04Z");
  CHECK(r.labels == std::vector<bool>{false, true, false});
  CHECK(r.starts == std::vector<bool>{true, false, false});
  CHECK(r.report.missing_cells.count == 1);
  std::string notes;
  for (const auto& note : r.report.notes) notes += note + "\n";
  for (const char* told : {"time column: 'Time Stamp'", "label column: 'is_anomaly'", "they hold text: site ('north')",
                           "look like labels: changepoint", "decimal comma"}) {
    CHECK_THAT(notes, Contains(told));
  }
}

TEST_CASE("table: without stamps, without header, with epochs", "[table]") {
  const Folder folder;
  Read r = read({.files = {folder.write("a.csv", "a,b\n1,2\n3,4\n")}, .period = kMinute});
  CHECK(r.times == std::vector<Nanoseconds>{0, kMinute});
  r = read({.files = {folder.write("b.csv", "1,2\n3,4\n")}});
  CHECK(r.layout.names == std::vector<std::string>{"c0", "c1"});
  CHECK(r.rows.size() == 2);
  r = read({.files = {folder.write("c.csv", "time,a\n1577836800.5,1\n1577836801.5,2\n")}});
  CHECK(format_stamp(r.times[0]) == "2020-01-01T00:00:00.500Z");
  r = read(
      {.files = {folder.write("d.csv", "when,a\n2020/01/01 00:00,1\n2020/01/01 00:01,2\n")}, .time_column = "when"});
  CHECK(r.layout.shape.period == kMinute);
}

TEST_CASE("table: columns are chosen and left out by name", "[table]") {
  const Folder folder;
  const fs::path file = folder.write("t.csv", "time,a,b,c\n2020-01-01,1,2,3\n2020-01-02,4,5,6\n");
  CHECK(read({.files = {file}, .columns = {"c", "a"}}).rows[0] == std::vector<double>{3, 1});
  CHECK(read({.files = {file}, .exclude = {"b"}}).layout.names == std::vector<std::string>{"a", "c"});
  CHECK(read({.files = {file}, .label_column = "b"}).labels == std::vector<bool>{true, true});
  for (const auto& wrong :
       {TableSettings{.files = {file}, .columns = {"d"}}, TableSettings{.files = {file}, .exclude = {"d"}},
        TableSettings{.files = {file}, .time_column = "tume"}, TableSettings{.files = {file}, .label_column = "d"}}) {
    CHECK_THROWS_AS(read(wrong), UsageError);
  }
  CHECK_THAT(failure({.files = {file}, .time_column = "tume"}),
             Contains("--time-column: no column 'tume': did you mean 'time'?"));
}

TEST_CASE("table: several files are runs, in natural order", "[table]") {
  const Folder folder;
  for (const char* name : {"10.csv", "2.csv", "1.csv"}) {
    folder.write(name, std::string("time,a\n2020-01-01 00:00:00,") + std::to_string(std::atoi(name)) +
                           "\n2020-01-01 00:00:01,0\n");
  }
  folder.write("readme.md", "no table");
  const auto files = expand_files({folder.temporary.path()}, {".csv"});
  REQUIRE(files.size() == 3);
  const Read r = read({.files = files});
  REQUIRE(r.rows.size() == 6);
  CHECK(r.rows[0][0] == 1);
  CHECK(r.rows[2][0] == 2);
  CHECK(r.rows[4][0] == 10);
  CHECK(r.starts == std::vector<bool>{true, false, true, false, true, false});
  folder.write("3.csv", "time,b\n2020-01-01,1\n");
  CHECK_THAT(failure({.files = expand_files({folder.temporary.path()}, {".csv"})}),
             Contains("3.csv:1: the columns differ from"));
  CHECK_THROWS_WITH(expand_files({folder.temporary.path() / "none"}, {".csv"}), Contains("there is no"));
  CHECK_THROWS_WITH(expand_files({folder.temporary.path()}, {".tsv"}), Contains("holds no table"));
}

TEST_CASE("table: a file without labels is normal, and columns are found by their names", "[table]") {
  const Folder folder;
  const auto plain = folder.write("normal.csv", "time,a,b\n2020-01-01 00:00:00,1,2\n2020-01-01 00:00:01,3,4\n");
  const auto labelled = folder.write("fault.csv", "b,time,a,anomaly,changepoint\n6,2020-02-01 00:00:00,5,1,1\n");
  for (const auto& files : {std::vector{plain, labelled}, std::vector{labelled, plain}}) {
    const bool plain_first = files.front() == plain;
    const Read r = read({.files = files});
    CHECK(r.layout.names == (std::vector<std::string>{"b", "a"}));
    REQUIRE(r.rows.size() == 3);
    CHECK(r.rows[plain_first ? 2 : 0] == std::vector<double>{6, 5});
    CHECK(r.rows[plain_first ? 0 : 1] == std::vector<double>{2, 1});
    CHECK(r.labels == (plain_first ? std::vector<bool>{false, false, true} : std::vector<bool>{true, false, false}));
  }
}

TEST_CASE("table: what cannot be used is told with file and line", "[table]") {
  const Folder folder;
  const auto told = [&](const std::string& text, const std::string& expected, BadCells bad = BadCells::error) {
    CHECK_THAT(failure({.files = {folder.write("t.csv", text)}, .bad_cells = bad}), Contains(expected));
  };
  told("", "t.csv is empty");
  told("time,a\n", "has a header line but no rows");
  told("time,a\n2020-01-01,1\n2020-01-02\n", "t.csv:3: 1 values where 2 are expected");
  told("time,a\n2020-01-01,1\nyesterday,2\n", "t.csv:3: 'yesterday' in 'time' is no time stamp");
  told("time,a\n2020-01-01,1\n2020-01-02,off\n", "t.csv:3: column 'a' holds 'off'");
  told("time,a\n2020-01-01,1\n2020-01-02,off\n", "no error", BadCells::missing);
  told("time,a,a\n2020-01-01,1,2\n", "column 'a' is there twice");
  told("time,a,label\n2020-01-01,1,0\n2020-01-02,1,maybe\n", "t.csv:3: a label is 0 or 1, found 'maybe' in 'label'");
  told("time,site\n2020-01-01,north\n", "no column with numbers is left");
}

TEST_CASE("table: stamps of a zone with summer time", "[table]") {
  const Folder folder;
  std::string text = "time,a\n";
  for (const char* stamp : {"01:59:58", "01:59:59", "03:00:00", "03:00:01"})
    text += std::string("2020-03-29 ") + stamp + ",1\n";
  Read r = read({.files = {folder.write("spring.csv", text)}, .zone = TimeZone::named("Europe/Berlin")});
  CHECK(format_stamp(r.times[0]) == "2020-03-29T00:59:58Z");
  for (std::size_t i = 1; i < 4; ++i) CHECK(r.times[i] - r.times[i - 1] == kSecond);
  CHECK(r.report.skipped_hour.count == 0);
  r = read({.files = {folder.write("gap.csv", "time,a\n2020-03-29 01:00:00,1\n2020-03-29 02:30:00,1\n")},
            .zone = TimeZone::named("Europe/Berlin")});
  CHECK(format_stamp(r.times[1]) == "2020-03-29T01:00:00Z");
  CHECK(r.report.skipped_hour.count == 1);
  CHECK_THAT(r.report.skipped_hour.first, Contains("gap.csv:3"));

  text = "time,a\n";
  for (int minute = 100; minute < 300;
       ++minute) {  // two hours before the repeat to an hour after it, by the wall clock
    const int wall = minute < 180 ? minute : minute - 60;
    text += "2020-10-25 0" + std::to_string(wall / 60) + ":" + (wall % 60 < 10 ? "0" : "") + std::to_string(wall % 60) +
            ":00,1\n";
  }
  r = read({.files = {folder.write("autumn.csv", text)}, .zone = TimeZone::named("Europe/Berlin")});
  REQUIRE(r.times.size() == 200);
  std::size_t uneven = 0;
  for (std::size_t i = 1; i < r.times.size(); ++i) uneven += r.times[i] - r.times[i - 1] != kMinute;
  CHECK(uneven == 0);
  CHECK(r.report.repeated_hour.count == 120);
}

TEST_CASE("anomalies: intervals as CATS writes them, and plainer ones", "[anomalies]") {
  const Folder folder;
  ReadReport report;
  auto list = read_anomalies(folder.write("m.csv",
                                          "category,end_time,root_cause,affected,start_time\n"
                                          "5.0,2023-01-01 01:46:13,bed2,\"['bed2', 'ced1']\",2023-01-01 01:45:29\n"
                                          ",2023-01-01 00:00:10,,['bso3'],2023-01-01 00:00:00\n"),
                             {}, report);
  REQUIRE(list.size() == 2);
  CHECK(format_stamp(list[0].start) == "2023-01-01T00:00:00Z");
  CHECK(list[0].affected == std::vector<std::string>{"bso3"});
  CHECK(list[0].category.is_null());
  CHECK(list[1].root_cause == "bed2");
  CHECK(list[1].affected == std::vector<std::string>{"bed2", "ced1"});
  CHECK(list[1].category.as_int() == 5);
  CHECK_THAT(list[1].where, Contains("m.csv:2"));
  list = read_anomalies(
      folder.write("n.csv", "2023-01-01T00:00:00Z;2023-01-01T01:01:00+01:00\n2023-01-02;2023-01-02\n"), {}, report);
  CHECK(list.size() == 2);
}

TEST_CASE("anomalies: mistakes are told with their line, repeated hours are taken in whole", "[anomalies]") {
  const Folder folder;
  ReadReport report;
  const auto told = [&](const std::string& text, const std::string& expected) {
    CHECK_THROWS_WITH(read_anomalies(folder.write("m.csv", text), {}, report), Contains(expected));
  };
  told("", "m.csv is empty");
  told("a,b\n1,2\n", "m.csv:1: expected the columns start_time and end_time");
  told("start_time,end_time\n2020-01-02,2020-01-01\n", "m.csv:2: the anomaly ends at 2020-01-01 before it starts");
  told("start_time,end_time\n2020-01-02,soon\n", "m.csv:2: 'soon' is no time stamp");
  told("start_time,end_time\n2020-01-02\n", "m.csv:2: 1 values where 2");
  const auto list =
      read_anomalies(folder.write("m.csv", "start_time,end_time\n2020-10-25 02:10:00,2020-10-25 02:20:00\n"),
                     TimeZone::named("Europe/Berlin"), report);
  CHECK(format_stamp(list[0].start) == "2020-10-25T00:10:00Z");
  CHECK(format_stamp(list[0].end) == "2020-10-25T01:20:00Z");
  CHECK(report.repeated_hour.count == 2);
}

TEST_CASE("table: SKAB as published", "[table]") {
  if (const auto file = shared_path("data/raw/skab/valve1/0.csv")) {
    const Read r = read({.files = {*file}});
    CHECK(r.layout.names.size() == 8);
    CHECK(r.rows.size() == 1147);
    CHECK(r.layout.shape.period == kSecond);
    std::size_t labelled = 0;
    for (const bool label : r.labels) labelled += label;
    CHECK(labelled == 401);
  }
}
