// Rows of a store on their way into a data set, with what people said of them. Thread rule: one thread an object.
#pragma once

#include <map>
#include <memory>

#include "anomctl/data/anomalies.h"
#include "anomctl/data/source.h"
#include "anomctl/io/store/record_store.h"

namespace anomctl {

// Spans that were judged true, by start: of episodes and of spans alone, each by its last judgement.
std::vector<Anomaly> confirmed_anomalies(const std::vector<StoredLabel>& labels, const RecordStore& store);

// Rows of one asset. What is idle, in maintenance or of broken sensors, and silence, is left out: a run ends there.
class StoreSource : public LabelledSource {
 public:
  // Throws Error(bad_input) where the store has no rows of the asset. `report` must outlive this.
  StoreSource(std::shared_ptr<const RecordStore> store, std::string asset, ReadReport& report);
  const StoredLayout& layout() const { return layout_; }
  const std::vector<std::string>& columns() const override { return names_; }
  bool next(Row& row) override;
  bool starts_run() const override { return starts_run_; }
  std::string where() const override;

 private:
  bool fetch();
  std::shared_ptr<const RecordStore> store_;
  const std::string asset_;
  ReadReport& report_;
  StoredLayout layout_;
  std::vector<std::string> names_;
  StoredRows chunk_;
  std::size_t at_ = 0;
  Nanoseconds last_ = 0;
  bool any_ = false, ended_ = false, started_ = false, starts_run_ = false;
  std::map<std::string, std::int64_t> left_out_;  // why, how many
};

}  // namespace anomctl
