#include "io/store/record_store_impl.h"

namespace anomctl {

using sqlite::Statement;

bool is_label_kind(const std::string& kind) {
  return kind == "true" || kind == "false" || kind == "none" || kind == "acknowledged" || kind == "comment";
}

std::string judgement(const std::vector<StoredLabel>& labels) {
  std::string last = "none";
  for (const StoredLabel& label : labels)
    if (label.kind == "true" || label.kind == "false" || label.kind == "none") last = label.kind;
  return last;
}

std::vector<StoredLabel> RecordStore::Impl::select_labels(const char* where, const std::string& text) const {
  return reading([&] {
    Statement select(database, fmt::format("SELECT number, time, asset, episode, start, end, kind, comment, author "
                                           "FROM labels WHERE {} ORDER BY number",
                                           where)
                                   .c_str());
    select.bind_text(1, text);
    std::vector<StoredLabel> labels;
    while (select.step())
      labels.push_back({select.number(0), select.number(1), select.text(2), select.text(3), select.number(4),
                        select.number(5), select.text(6), select.text(7), select.text(8)});
    return labels;
  });
}

std::int64_t RecordStore::add_label(const StoredLabel& label) {
  return impl_->reading([&] {
    Statement insert(
        impl_->database,
        "INSERT INTO labels(time, asset, episode, start, end, kind, comment, author) VALUES(?,?,?,?,?,?,?,?)");
    insert.bind(1, label.time).bind_text(2, label.asset).bind_text(3, label.episode).bind(4, label.start);
    insert.bind(5, label.end).bind_text(6, label.kind).bind_text(7, label.comment).bind_text(8, label.author);
    insert.finish();
    return impl_->one("SELECT last_insert_rowid()");
  });
}

std::vector<StoredLabel> RecordStore::labels(const std::string& asset) const {
  return impl_->select_labels("length(?1) = 0 OR asset = ?1", asset);
}

std::vector<StoredLabel> RecordStore::labels_of_episode(const std::string& episode) const {
  return impl_->select_labels("episode = ?1", episode);
}

}  // namespace anomctl
