#include "anomctl/data/data_set_writer.h"

namespace anomctl {

Json WrittenDataSet::to_json() const {
  Json json = Json::object();
  json["name"] = name;
  json["folder"] = folder.string();
  json["columns"] = Json(columns);
  json["sampling_period_s"] = period_s;
  json["n_train"] = train_rows;
  json["train_runs"] = train_runs;
  json["labelled_rows_inside_train"] = train_labelled;
  json["idle_rows_left_out_of_train"] = idle_train_rows;
  json["n_eval"] = eval_rows;
  json["eval_runs"] = eval_runs;
  json["anomalous_rows_eval"] = eval_labelled;
  json["idle_rows_eval"] = idle_eval_rows;
  json["anomaly_segments"] = segments;
  json["split"] = split;
  json["notes"] = Json(sentences);
  return json;
}

}  // namespace anomctl
