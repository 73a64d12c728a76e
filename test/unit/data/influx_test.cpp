#include "anomctl/data/influx.h"

#include <cmath>

#include "anomctl/core/error.h"
#include "support/catch.h"
#include "support/shared_folder.h"

using namespace anomctl;

namespace {

struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<double>> rows;
  std::vector<Nanoseconds> times;
  std::vector<bool> starts, labels;
  SourceShape shape;
  ReadReport report;
};

void drain(InfluxSource source, Table& out) {
  out.columns = source.rows->columns();
  out.shape = source.shape;
  Row row;
  while (source.rows->next(row)) {
    out.rows.push_back(row.values);
    out.times.push_back(row.time);
    out.starts.push_back(source.rows->starts_run());
    out.labels.push_back(source.rows->label());
  }
}

Table read(const std::string& text, const InfluxSettings& settings = {}) {
  Table out;
  drain(open_influx(bytes_of(text), "export.csv", settings, out.report), out);
  return out;
}

std::string failure(const std::string& text, const InfluxSettings& settings = {}) {
  try {
    read(text, settings);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

// A block as the Data Explorer writes it; each row is "table,time,value,field,tag" (or field|tag).
std::string block(const std::string& type, const std::vector<std::string>& rows, const std::string& tag = "unit") {
  std::string text =
      "#group,false,false,true,true,false,false,true,true,true\r\n#datatype,string,long,dateTime:RFC3339,"
      "dateTime:RFC3339,dateTime:RFC3339," +
      type +
      ",string,string,string\r\n#default,mean,,,,,,,,\r\n"
      ",result,table,_start,_stop,_time,_value,_field,_measurement," +
      tag + "\r\n";
  for (const std::string& row : rows) {
    const auto comma = row.find(',');
    const auto last = row.find('|') == std::string::npos ? row.rfind(',') : row.find('|');
    text += ",," + row.substr(0, comma) + ",2020-01-01T00:00:00Z,2020-01-02T00:00:00Z," +
            row.substr(comma + 1, last - comma - 1) + ",plant," + row.substr(last + 1) + "\r\n";
  }
  return text + "\r\n";
}

std::string stamp(int second) { return format_stamp(1'577'836'800 * kSecond + second * kSecond); }

bool missing(double v) { return std::isnan(v); }

}  // namespace

TEST_CASE("influx: tables of one block, a second block of another type, different rates", "[influx]") {
  std::vector<std::string> doubles, longs;
  for (int i = 0; i < 10; ++i)
    doubles.push_back("0," + stamp(i) + "," + std::to_string(i) + ".5,flow|\"a, \"\"b\"\"\"");
  for (int i = 0; i < 10; ++i)
    doubles.push_back("1," + stamp(i) + "," + std::to_string(i) + ",pressure|\"a, \"\"b\"\"\"");
  for (int i = 0; i < 10; i += 5)
    longs.push_back("2," + stamp(i) + "," + std::to_string(100 + i) + ",rpm|\"a, \"\"b\"\"\"");
  const Table table = read(block("double", doubles) + block("long", longs));
  CHECK(table.columns == std::vector<std::string>{"flow", "pressure", "rpm"});
  REQUIRE(table.rows.size() == 10);
  CHECK(table.rows[5] == std::vector<double>{5.5, 5, 105});
  CHECK(missing(table.rows[6][2]));
  CHECK(table.shape.period == kSecond);
  CHECK(table.shape.column_period == std::vector<Nanoseconds>{kSecond, kSecond, 5 * kSecond});
  CHECK(table.report.rows_read == 22);
  CHECK(table.starts[0]);
}

TEST_CASE("influx: tags that differ name the columns, runs that follow one another are one column", "[influx]") {
  std::vector<std::string> rows;
  for (int i = 0; i < 5; ++i) rows.push_back("0," + stamp(i) + ",1,flow,u1");
  for (int i = 0; i < 5; ++i) rows.push_back("1," + stamp(i) + ",2,flow,u2");
  for (int i = 0; i < 5; ++i) rows.push_back("2," + stamp(i) + ",3,pressure,u1");
  Table table = read(block("double", rows));
  CHECK(table.columns == std::vector<std::string>{"flow@u1", "flow@u2", "pressure"});
  table = read(block("double", rows), {.tags = {"unit=u2"}});
  CHECK(table.columns == std::vector<std::string>{"flow"});
  CHECK(table.rows[0][0] == 2);
  CHECK_THROWS_WITH(read(block("double", rows), {.tags = {"unit=u3"}}), Contains("no series has it; 'unit' is u1, u2"));

  rows.clear();
  for (int i = 0; i < 5; ++i) rows.push_back("0," + stamp(i) + ",1,flow,monday");
  for (int i = 0; i < 5; ++i) rows.push_back("1," + stamp(1000 + i) + ",2,flow,tuesday");
  for (int i = 0; i < 5; ++i) rows.push_back("2," + stamp(i) + ",3,pressure,monday");
  for (int i = 0; i < 5; ++i) rows.push_back("3," + stamp(1000 + i) + ",4,pressure,tuesday");
  table = read(block("double", rows, "run"));
  CHECK(table.columns == std::vector<std::string>{"flow", "pressure"});
  REQUIRE(table.rows.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) CHECK(table.starts[i] == (i == 0 || i == 5));
  CHECK(table.rows[5] == std::vector<double>{2, 4});
}

TEST_CASE("influx: text and labels are left out and said, choices are kept in order", "[influx]") {
  std::vector<std::string> rows, texts;
  for (int i = 0; i < 4; ++i) {
    for (const char* field : {"flow", "pressure", "changepoint", "anomaly"}) {
      rows.push_back("0," + stamp(i) + "," + std::to_string(i % 2) + "," + field + ",u1");
    }
    texts.push_back("9," + stamp(i) + ",\"ok, \"\"q\"\"\",message,u1");
  }
  // Rows of a table belong together; here each row is a table of its own.
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = std::to_string(i) + rows[i].substr(1);
  Table table = read(block("string", texts) + block("double", rows));
  CHECK(table.columns == std::vector<std::string>{"flow", "pressure"});
  CHECK(table.labels == std::vector<bool>{false, true, false, true});
  std::string notes;
  for (const auto& note : table.report.notes) notes += note + "\n";
  CHECK_THAT(notes, Contains("they hold text: message ('ok, \"q\"')"));
  CHECK_THAT(notes, Contains("look like labels: changepoint"));
  table = read(block("double", rows), {.columns = {"pressure", "changepoint"}, .label_column = "none"});
  CHECK(table.columns == std::vector<std::string>{"pressure", "changepoint"});
  CHECK(read(block("double", rows), {.exclude = {"flow"}}).columns == std::vector<std::string>{"pressure"});
  CHECK_THROWS_WITH(read(block("double", rows), {.exclude = {"flaw"}}), Contains("did you mean 'flow'"));
}

TEST_CASE("influx: points out of order are sorted, repeated ones counted, nulls are missing", "[influx]") {
  const Table table = read(block("double", {"0," + stamp(2) + ",2,flow,u", "0," + stamp(1) + ",1,flow,u",
                                            "0," + stamp(2) + ",9,flow,u", "0," + stamp(3) + ",,flow,u"}));
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[1][0] == 2);
  CHECK(table.report.duplicate_stamps.count == 1);
  CHECK(table.report.missing_cells.count == 1);
  CHECK(table.report.missing_cells.first == "export.csv:8");
}

TEST_CASE("influx: answers without annotations, and pivoted ones", "[influx]") {
  Table table = read(
      ",result,table,_time,_value,_field\n,_result,0,2020-01-01T00:00:00Z,1,flow\n,_result,0,2020-01-01T00:00:01Z,2,"
      "flow\n");
  CHECK(table.columns == std::vector<std::string>{"flow"});
  CHECK(table.rows.size() == 2);
  table = read(
      "#group,false,false,false,true,false,false\n#datatype,string,long,dateTime:RFC3339,string,double,boolean\n"
      "#default,_result,,,,,\n,result,table,_time,unit,flow,valve\n,,0,2020-01-01T00:00:00Z,u1,1.5,true\n"
      ",,0,2020-01-01T00:00:01Z,u1,2.5,false\n");
  CHECK(table.columns == std::vector<std::string>{"flow", "valve"});
  CHECK(table.rows[0] == std::vector<double>{1.5, 1});
}

TEST_CASE("influx: what is no export is told with its line", "[influx]") {
  CHECK_THAT(failure("\r\n"), Contains("export.csv holds no table with rows"));
  CHECK_THAT(failure(""), Contains("holds no table with rows"));
  CHECK_THAT(failure("a,b\n1,2\n"), Contains("export.csv:1: no column _time"));
  CHECK_THAT(failure(block("double", {"0," + stamp(0) + ",x,flow,u"})),
             Contains("export.csv:5: field 'flow' holds 'x'"));
  CHECK_THAT(failure(block("double", {"0,yesterday,1,flow,u"})), Contains("'yesterday' in _time is no time stamp"));
  CHECK_THAT(failure(block("double", {"0," + stamp(0) + ",1,flow,u"}).append("")), Contains("no error"));
  CHECK_THAT(failure(",result,table,_time,_value,_field\n,a,0,2020-01-01T00:00:00Z,1\n"),
             Contains("export.csv:2: 5 values where 6"));
  CHECK_THAT(failure("error,reference\nfailed to query,897\n"),
             Contains("an error of the database instead of a table: ") && Contains("failed to query"));
}

TEST_CASE("influx: real exports", "[influx]") {
  if (const auto file = shared_path("data/raw/influx_skab/export.csv")) {
    Table table;
    drain(open_influx(*file, {}, table.report), table);
    CHECK(table.columns.size() == 8);
    CHECK(table.columns.back() == "Volume Flow RateRMS");
    std::size_t starts = 0;
    for (const bool s : table.starts) starts += s;
    CHECK(starts == 2);
    CHECK(table.shape.period == kSecond);
    CHECK(table.rows.size() == 2292);
  }
  struct Expected {
    const char* name;
    std::vector<std::string> columns;
  };
  for (const Expected& e : {Expected{"builder", {"pressure", "temp"}}, Expected{"createEmpty_nulls", {}},
                            Expected{"pivoted", {}}, Expected{"raw_mixed_types", {}}}) {
    const auto file = shared_path(std::string("protocols/influx/data_explorer_") + e.name + ".csv");
    if (!file) continue;
    Table table;
    drain(open_influx(*file, {}, table.report), table);
    INFO(e.name);
    CHECK(table.rows.size() >= 2);
    if (!e.columns.empty()) CHECK(table.columns == e.columns);
    for (const auto& name : table.columns) CHECK(name != "msg");
  }
}
