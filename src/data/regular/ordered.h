// Input rows whose stamps advance within a run. Thread rule: one thread.
#pragma once

#include <memory>
#include <string>

#include "anomctl/data/source.h"

namespace anomctl {

struct InputRow {
  Row row;
  bool label = false, starts_run = false;
  std::int64_t file = 0;
  bool complete = false;  // no value is missing
};

class Ordered {
 public:
  Ordered(std::unique_ptr<LabelledSource> input, ReadReport& report) : input_(std::move(input)), report_(report) {}
  // False at the end.
  bool next(InputRow& out);
  const LabelledSource& source() const { return *input_; }

 private:
  void check_share() const;

  std::unique_ptr<LabelledSource> input_;
  ReadReport& report_;
  Nanoseconds last_ = 0;
  bool any_ = false;
  std::int64_t rows_ = 0, dropped_ = 0;
};

}  // namespace anomctl
