// Numbered records and named values that outlive the process, in one SQLite file with its write-ahead log. Every record
// and value carries a checksum of its own; a file that SQLite can no longer read is searched for whole records and made
// anew. Stored means handed to the operating system (it outlives a killed process), with `durable` on the medium (it
// outlives a power cut). Thread rule: every member is safe from any thread; a change waits for the one before.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anomctl/core/files.h"

namespace anomctl {

struct SpoolOptions {
  fs::path path;
  bool durable = false;
  // Of all records together; the oldest make room, counted by dropped(). The file itself is about a third larger.
  std::uint64_t max_bytes = 1024 * kMiB;
  // Records up to this number are only kept to look back at: to drop or to lose them is no loss.
  std::int64_t settled = 0;
  // Records leave from the front only, so that a missing number is a lost record.
  bool contiguous = true;
};

struct SpoolRecord {
  std::int64_t number = 0;
  std::string bytes;
};

// What was found damaged since the file was opened.
struct SpoolDamage {
  std::int64_t records = 0;  // failed their checksum or are missing
  std::int64_t lost = 0;     // of these beyond `settled`; one too many where the number itself was hit
  std::int64_t values = 0;
  bool rebuilt = false;  // SQLite could not read the file: it was put aside as PATH.damaged and made anew
  bool any() const { return records > 0 || values > 0 || rebuilt; }
};

class SpoolFile {
 public:
  // Throws Error(failed) when the file cannot be made or another process has it open.
  explicit SpoolFile(SpoolOptions options);
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  // The record's number, or nothing: it is not stored, trouble() says why. Numbers only grow.
  std::optional<std::int64_t> append(std::string_view bytes);

  struct Change {
    std::vector<std::string> append;
    std::vector<std::int64_t> erase;
    std::optional<std::int64_t> erase_upto;
    std::vector<std::pair<std::string, std::string>> values;  // name, bytes
  };
  // All of it or nothing: the number of the first appended record (0 for none), or nothing as above. `made_room`: the
  // numbers of the unsettled records that had to go.
  std::optional<std::int64_t> apply(const Change& change, std::vector<std::int64_t>* made_room = nullptr);

  // Whole records from this number on, in order.
  std::vector<SpoolRecord> read(std::int64_t from, std::size_t limit);
  std::optional<std::string> value(const std::string& name);  // nothing: there is none, or it is damaged
  std::vector<std::string> names();                           // of the values
  // Further records get numbers beyond this.
  void continue_after(std::int64_t number);
  void set_settled(std::int64_t number);

  std::int64_t last_number() const;
  std::uint64_t bytes() const;   // of all records
  std::int64_t dropped() const;  // unsettled records that made room
  std::uint64_t room() const;    // bytes by which the file may grow: of the disk, and of a limit on the process
  std::string trouble() const;   // why the last change was not stored; empty after one that was
  SpoolDamage damage() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anomctl
