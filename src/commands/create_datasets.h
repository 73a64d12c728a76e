// create-datasets: sensor readings in any of several forms -> a labelled data set folder.
#pragma once

#include <optional>
#include <stop_token>

#include "anomctl/data/data_set_writer.h"
#include "commands/command.h"
#include "commands/influx_live.h"

namespace anomctl {

struct CreateDatasetsOptions {
  std::string source;
  std::string name;
  fs::path datasets_dir = "datasets";
  fs::path input = "CATS";
  std::vector<fs::path> data;
  std::optional<fs::path> data_csv, anomalies_csv;
  InfluxLiveOptions live;
  std::string time_column, label_column;
  std::vector<std::string> columns, exclude, tag;
  std::string delimiter;
  std::string bad_cells = "error";
  std::optional<Duration> period, max_gap;
  std::string fill = "hold";
  std::optional<double> eval_fraction;
  std::int64_t lead_rows = 200;
  std::int64_t downsample = 1;
  std::string timezone = "UTC";
  std::string active_when;
  Duration settle;
  std::string plant = "pump-loop";
  std::int64_t rows = 20'000;
  std::uint64_t seed = 1;
  std::vector<std::string> fault;
  fs::path store = "anomctl.store";
  std::string asset;

  static void fields(auto& self, auto&& field) {
    field("source", self.source,
          "where readings come from: cats, influx, table, plant (simulated) or store, in any case", Required{});
    field("name", self.name, "name of the data set; left out: cats, influx, or the table's file name");
    field("datasets_dir", self.datasets_dir, "folder that holds the data sets");
    field("input", self.input, "cats: folder with data.csv and metadata.csv");
    field("data", self.data, "table: CSV or Parquet files, or folders of them; each starts a run");
    field("data_csv", self.data_csv, "influx: annotated CSV as the InfluxDB Data Explorer saves it");
    InfluxLiveOptions::fields(self.live, field);
    field("anomalies_csv", self.anomalies_csv, "labelled intervals: start_time,end_time, both ends in");
    field("time_column", self.time_column, "table: column of stamps; left out: guessed");
    field("label_column", self.label_column, "column that is not 0 where a row is anomalous; left out: guessed; none");
    field("columns", self.columns, "columns to take, in this order; left out: all with numbers");
    field("exclude", self.exclude, "columns to leave out");
    field("tag", self.tag, "influx: take only series with this tag, KEY=VALUE; several: all of them", Whole{});
    field("delimiter", self.delimiter, "table: one character, or tab; left out: guessed");
    field("bad_cells", self.bad_cells, "text in a number column: an error, or a missing value",
          OneOf{{"error", "missing"}});
    field("period", self.period,
          "put rows on a grid of this step; left out: influx guesses it, others keep their stamps");
    field("fill", self.fill, "missing values: the last value, a line between neighbours, or drop the row",
          OneOf{{"hold", "interpolate", "drop"}});
    field("max_gap", self.max_gap, "fill no longer than this, and end a run at a longer pause; left out: 5 steps");
    field("eval_fraction", self.eval_fraction,
          "share of rows, the last ones, for eval; left out: train ends before the first anomaly where enough rows do, "
          "else 0.3",
          Between{0.01, 0.99});
    field("lead_rows", self.lead_rows, "normal rows before the first anomaly that go to eval to warm it up",
          AtLeast{0});
    field("downsample", self.downsample, "keep the first of every so many rows", AtLeast{1});
    field("timezone", self.timezone, "zone of stamps without one, in data and anomalies alike");
    field("active_when", self.active_when, "the machine is at work: 'rpm > 100 and valve < 5'; other rows are idle");
    field("settle", self.settle, "rows so soon after idle ones are idle too");
    field("plant", self.plant, "plant: pump-loop, mixing-station, linear-plant or nonlinear-plant");
    field("rows", self.rows, "plant: rows to simulate", AtLeast{100});
    field("seed", self.seed, "plant: the same seed gives the same rows");
    field("fault", self.fault,
          "plant: kind:sensor@start+length, as in stuck:flow@120s+30s; left out: nine in the last two fifths");
    field("store", self.store,
          "store: what manage --store kept; anomalies are those that people confirmed, rows that were idle, in "
          "maintenance or of broken sensors are left out");
    field("asset", self.asset,
          "store: the asset whose rows are taken; left out: the only one; influx: the asset whose anomalies, as people "
          "confirmed them, are taken from --store");
  }
};

// All the work: no flags, no printing. Throws UsageError for options that do not fit the source.
WrittenDataSet create_data_set(const CreateDatasetsOptions& options, Progress& progress, std::stop_token stop = {});
CommandSpec create_datasets_command();

}  // namespace anomctl
