// What a manager keeps in a store for people. Private to manage. Thread rule: one thread.
#pragma once

#include <memory>

#include "anomctl/io/store/store_writer.h"
#include "anomctl/roles/manage.h"

namespace anomctl::manage {

class History {
 public:
  // Without a file nothing is kept.
  explicit History(const ManageSettings& settings);
  // The caller's parts, with what is to be kept taken on its way.
  ManageParts watched(const ManageParts& parts);
  void tell(ManageHealth& health) const;
  // Writes what waits, and closes.
  void finish(ManageCounts& done);

 private:
  StoreWriterCounts counts() const { return writer_ ? writer_->counts() : StoreWriterCounts{}; }
  void keep(const JudgedRow& row);
  std::unique_ptr<StoreWriter> writer_;
  bool has_layout_ = false, by_server_ = false;
  std::string hash_, name_;  // of the bundle in the layout
};

}  // namespace anomctl::manage
