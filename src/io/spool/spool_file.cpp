#include "anomctl/io/spool/spool_file.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <mutex>

#include "anomctl/core/error.h"
#include "io/spool/store.h"

namespace anomctl {

using namespace spool;

namespace {
// The newest number that was ever given to a record; records after it may all be gone.
const std::string kNewest = "\x01newest";
}  // namespace

struct SpoolFile::Impl {
  explicit Impl(SpoolOptions o) : options(std::move(o)) {
    // A limit on the size of files is a write that fails, not the end of the program.
    std::signal(SIGXFSZ, SIG_IGN);
    fs::create_directories(options.path.parent_path());
    std::string log;
    if (fs::exists(log_of(options.path))) log = read_file(log_of(options.path), 4 * 1024 * kMiB);
    try {
      store = std::make_unique<Store>(options.path, options.durable);
      store->check();
      look_through();
    } catch (const SqliteError& error) {
      if (!error.damaged()) throw;
      rebuild();
    }
    take_in_cut_off(log);
  }

  void look_through() {
    std::vector<std::int64_t> bad;
    std::int64_t expected = 0;
    store->each(0, [&](std::int64_t number, std::string_view bytes) {
      const auto frame = read_frame(bytes);
      if (frame && frame->number == number && frame->kind == FrameKind::record) {
        if (options.contiguous && expected != 0)
          for (; expected < number; ++expected) miss(expected);
        size += bytes.size();
      } else {
        bad.push_back(number);
        if (!options.contiguous) miss(number);
        return true;
      }
      last = std::max(last, number);
      expected = number + 1;
      return true;
    });
    if (options.contiguous)
      for (const std::int64_t number : bad)
        if (number > last) miss(number);
    for (const std::int64_t number : bad) store->erase(number);
    if (const auto newest = named(kNewest)) last = std::max(last, static_cast<std::int64_t>(std::stoll(*newest)));
  }
  void miss(std::int64_t number) {
    ++damage.records;
    damage.lost += number > options.settled;
  }

  // SQLite ends its log at the first damaged page and says nothing of what comes after it.
  void take_in_cut_off(std::string_view log) {
    Found found;
    find_frames(log, found);
    const std::int64_t before = last;
    for (auto i = found.records.upper_bound(before); i != found.records.end(); ++i) {
      const std::string frame = make_frame(FrameKind::record, i->first, i->second);
      if (options.contiguous && last != 0)
        for (std::int64_t n = last + 1; n < i->first && n - last < 1'000'000; ++n) miss(n);
      store->insert(i->first, frame);
      size += frame.size();
      last = i->first;
    }
    // What a killed process was writing and had not committed is nobody's loss.
    Found committed;
    find_frames(committed_part(log), committed);
    for (auto i = committed.broken.upper_bound(last); i != committed.broken.end(); ++i) miss(*i);
  }

  void rebuild() {
    const Found found = take_apart(options.path, std::move(store));
    store = std::make_unique<Store>(options.path, options.durable);
    damage.rebuilt = true;
    size = 0;
    store->begin();
    std::int64_t expected = 0;
    for (const auto& [number, payload] : found.records) {
      // Records that had been erased come to light again; what is missing among those tells nothing.
      if (options.contiguous && expected > options.settled)
        for (; expected < number && number - expected < 1'000'000; ++expected) miss(expected);
      const std::string frame = make_frame(FrameKind::record, number, payload);
      store->insert(number, frame);
      size += frame.size();
      last = std::max(last, number);
      expected = number + 1;
    }
    for (const std::int64_t number : found.broken)
      if (!options.contiguous || number > last) miss(number);
    for (const auto& [name, bytes] : found.values) put(name, bytes);
    store->commit();
  }

  void put(const std::string& name, std::string_view bytes) {
    std::string payload = name;
    payload += '\0';
    payload += bytes;
    store->put(name, make_frame(FrameKind::value, 0, payload));
  }
  std::optional<std::string> named(const std::string& name) {
    const auto bytes = store->get(name);
    if (!bytes) return std::nullopt;
    const auto frame = read_frame(*bytes);
    if (!frame || frame->kind != FrameKind::value || frame->payload.substr(0, name.size()) != name) {
      ++damage.values;
      return std::nullopt;
    }
    return std::string(frame->payload.substr(name.size() + 1));
  }

  // Within a transaction.
  void make_room(std::uint64_t wanted) {
    if (size + wanted <= options.max_bytes) return;
    const std::uint64_t aim = options.max_bytes - options.max_bytes / 16;
    std::uint64_t left = size;
    std::int64_t upto = 0;
    store->each_size([&](std::int64_t number, std::uint64_t bytes) {
      if (left + wanted <= aim) return false;
      left -= bytes;
      upto = number;
      if (number <= options.settled) return true;
      ++dropped;
      if (made_room != nullptr) made_room->push_back(number);
      return true;
    });
    size -= store->erase_upto(upto);
  }

  // Runs `change` as one transaction, once more after a rebuild where that is what it takes.
  template <class F>
  bool transaction(F change) {
    for (bool again = true;; again = false) {
      const std::uint64_t size_before = size;
      const std::int64_t last_before = last, dropped_before = dropped;
      std::string why;
      bool damaged = false;
      try {
        store->begin();
        change();
        store->commit();
        trouble.clear();
        return true;
      } catch (const SqliteError& error) {
        why = error.what();
        damaged = error.damaged();
      }
      store->roll_back();
      if (made_room != nullptr) made_room->clear();
      size = size_before;
      last = last_before;
      dropped = dropped_before;
      trouble = fmt::format("{}: {} (is there room on the disk?)", options.path.string(), why);
      if (!damaged || !again) return false;
      try {
        rebuild();
      } catch (const std::exception& error) {
        trouble = fmt::format("{}: {}", options.path.string(), error.what());
        return false;
      }
    }
  }
  void add(std::string_view bytes) {
    const std::string frame = make_frame(FrameKind::record, last + 1, bytes);
    make_room(frame.size());
    store->insert(last + 1, frame);
    ++last;
    size += frame.size();
  }

  SpoolOptions options;
  mutable std::mutex mutex;
  std::unique_ptr<Store> store;
  std::int64_t last = 0, dropped = 0;
  std::uint64_t size = 0;
  std::vector<std::int64_t>* made_room = nullptr;  // of the change under way: whose records had to go
  std::string trouble;
  SpoolDamage damage;
};

SpoolFile::SpoolFile(SpoolOptions options) {
  const std::string path = options.path.string();
  try {
    impl_ = std::make_unique<Impl>(std::move(options));
  } catch (const SqliteError& error) {
    if (error.busy())
      throw failed(fmt::format("{}: another process has it open (each manage needs a state-dir of its own)", path));
    throw failed(fmt::format("{}: {}", path, error.what()));
  } catch (const fs::filesystem_error& error) {
    throw failed(fmt::format("{}: {}", path, error.code().message()));
  }
}
SpoolFile::~SpoolFile() = default;

std::optional<std::int64_t> SpoolFile::append(std::string_view bytes) {
  std::lock_guard lock(impl_->mutex);
  if (!impl_->transaction([&] { impl_->add(bytes); })) return std::nullopt;
  return impl_->last;
}

std::optional<std::int64_t> SpoolFile::apply(const Change& change, std::vector<std::int64_t>* made_room) {
  std::lock_guard lock(impl_->mutex);
  Impl& impl = *impl_;
  impl.made_room = made_room;
  const bool stored = impl.transaction([&] {
    if (change.erase_upto) impl.size -= impl.store->erase_upto(*change.erase_upto);
    for (const std::int64_t number : change.erase) impl.size -= impl.store->erase(number);
    for (const std::string& bytes : change.append) impl.add(bytes);
    for (const auto& [name, bytes] : change.values) impl.put(name, bytes);
    if (!change.append.empty()) impl.put(kNewest, std::to_string(impl.last));
  });
  impl.made_room = nullptr;
  if (!stored) return std::nullopt;
  return change.append.empty() ? 0 : impl.last - static_cast<std::int64_t>(change.append.size()) + 1;
}

std::vector<SpoolRecord> SpoolFile::read(std::int64_t from, std::size_t limit) {
  std::lock_guard lock(impl_->mutex);
  std::vector<SpoolRecord> records;
  const auto take = [&](std::int64_t number, std::string_view bytes) {
    const auto frame = read_frame(bytes);
    if (frame && frame->number == number)
      records.push_back({number, std::string(frame->payload)});
    else
      impl_->miss(number);
    return records.size() < limit;
  };
  if (limit == 0) return records;
  try {
    impl_->store->each(from, take);
  } catch (const SqliteError& error) {
    if (!error.damaged()) throw failed(fmt::format("{}: {}", impl_->options.path.string(), error.what()));
    impl_->rebuild();
    records.clear();
    impl_->store->each(from, take);
  }
  return records;
}

std::optional<std::string> SpoolFile::value(const std::string& name) {
  std::lock_guard lock(impl_->mutex);
  try {
    return impl_->named(name);
  } catch (const SqliteError&) {
    ++impl_->damage.values;
    return std::nullopt;
  }
}

std::vector<std::string> SpoolFile::names() {
  std::lock_guard lock(impl_->mutex);
  std::vector<std::string> names;
  try {
    names = impl_->store->names();
  } catch (const SqliteError&) {
    ++impl_->damage.values;
  }
  std::erase(names, kNewest);
  return names;
}

void SpoolFile::continue_after(std::int64_t number) {
  std::lock_guard lock(impl_->mutex);
  impl_->last = std::max(impl_->last, number);
}
void SpoolFile::set_settled(std::int64_t number) {
  std::lock_guard lock(impl_->mutex);
  impl_->options.settled = number;
}
std::int64_t SpoolFile::last_number() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->last;
}
std::uint64_t SpoolFile::bytes() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->size;
}
std::int64_t SpoolFile::dropped() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->dropped;
}
std::uint64_t SpoolFile::room() const {
  const fs::path& path = impl_->options.path;
  std::error_code ignored;
  std::uint64_t room = fs::space(path.parent_path(), ignored).available;  // all bits set: unknown
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return room;
  for (const fs::path& file : {path, log_of(path)}) {
    const std::uintmax_t file_size = fs::file_size(file, ignored);
    if (!ignored)
      room = std::min<std::uint64_t>(room, limit.rlim_cur - std::min<std::uint64_t>(limit.rlim_cur, file_size));
  }
  return room;
}
std::string SpoolFile::trouble() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->trouble;
}
SpoolDamage SpoolFile::damage() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->damage;
}

}  // namespace anomctl
