#include "commands/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/model/instruction_set.h"
#include "anomctl/registry/model_follower.h"
#include "anomctl/registry/run_bundle.h"
#include "commands/bounds.h"
#include "commands/open_model.h"
#include "commands/verify_work/judge_again.h"

namespace anomctl {
namespace {

using namespace verify_work;

constexpr std::size_t kRowsAtOnce = 4096;
constexpr Nanoseconds kFirst = std::numeric_limits<Nanoseconds>::min() + 1;
constexpr Nanoseconds kLast = std::numeric_limits<Nanoseconds>::max();

struct Span {
  std::string asset;
  Nanoseconds from = kFirst, to = kLast;  // both in
};

Nanoseconds stamp_of(const std::string& text, const char* setting, Nanoseconds absent) {
  if (text.empty()) return absent;
  const auto parsed = parse_stamp(text);
  if (!parsed) throw UsageError(fmt::format("{}: '{}' is no stamp, such as 2026-01-02T03:04:05Z", setting, text));
  return parsed->time;
}

std::vector<Span> spans_of(const VerifyOptions& options, const RecordStore& store) {
  std::vector<Span> spans;
  if (!options.verdict.empty()) {
    if (!options.start.empty() || !options.end.empty()) throw UsageError("verdict excludes start and end");
    for (const StoredRow& row : store.with_id(options.verdict))
      if (options.asset.empty() || row.asset == options.asset) spans.push_back({row.asset, row.time, row.time});
    if (spans.empty())
      throw UsageError(fmt::format("{}: no verdict of id '{}'", options.store.string(), options.verdict));
    return spans;
  }
  const Nanoseconds from = stamp_of(options.start, "start", kFirst), to = stamp_of(options.end, "end", kLast);
  if (to < from) throw UsageError("end: it is before the start");
  const std::vector<std::string> assets = store.assets();
  if (!options.asset.empty() && std::ranges::find(assets, options.asset) == assets.end()) {
    const auto near = nearest(options.asset, assets);
    throw UsageError(fmt::format("{}: no asset '{}'{}", options.store.string(), options.asset,
                                 near ? fmt::format(": did you mean '{}'?", *near) : " was judged"));
  }
  for (const std::string& asset : assets)
    if (options.asset.empty() || asset == options.asset) spans.push_back({asset, from, to});
  return spans;
}

std::shared_ptr<const Bundle> bundle_of(const VerifyOptions& options) {
  if (!options.model.empty() && !(options.bundle.empty() && options.run.empty()))
    throw UsageError("--model excludes --bundle and --run: give one of them");
  const fs::path folder = options.model.empty() ? choose_bundle(options.bundle, options.run, options.tracking).folder
                                                : ModelFollower(options.tracking, options.model).start().folder;
  auto bundle = std::make_shared<Bundle>(load_bundle(folder));
  log_info("judging again with {} ({})", bundle->name, folder.string());
  return bundle;
}

// One asset's rows, from the last state before the span on.
void judge_span(const Span& span, const RecordStore& store, JudgeAgain& again, const std::stop_token& stop) {
  Nanoseconds at = store.last_before(span.asset, span.from).value_or(span.from);
  for (bool more = true; more && !stop.stop_requested();) {
    std::vector<StoredRow> rows = store.judged(span.asset, at, span.to, kRowsAtOnce);
    more = rows.size() == kRowsAtOnce && rows.back().time < span.to;
    if (!rows.empty()) at = rows.back().time + 1;
    for (StoredRow& row : rows) again.push(std::move(row));
  }
  again.finish();
}

Json to_json(const Difference& difference) {
  Json json = Json::object();
  json["asset"] = difference.asset;
  json["time"] = format_stamp(difference.time);
  json["id"] = difference.id;
  json["what"] = difference.what;
  json["stored"] = difference.stored;
  json["again"] = difference.again;
  json["after_altered_values"] = difference.after_altered_values;
  return json;
}

std::string sentence(const Difference& difference) {
  const std::string where = fmt::format("{}  {}  ", format_stamp(difference.time), difference.asset);
  if (difference.what == "values")
    return where + "the readings are not those that were judged (the verdict's id is made of others)";
  const std::string after = difference.after_altered_values ? " (after altered readings)" : "";
  if (difference.what == "expected") return where + "expected values are stored otherwise than judged again" + after;
  return fmt::format("{}{}: '{}' is stored, '{}' judged again{}", where, difference.what, difference.stored,
                     difference.again, after);
}

Json counts_of(const Outcome& outcome) {
  Json json = Json::object();
  for (const auto& [name, n] :
       std::initializer_list<std::pair<const char*, std::int64_t>>{{"rows", outcome.rows},
                                                                   {"judged", outcome.judged},
                                                                   {"equal", outcome.equal},
                                                                   {"within", outcome.within},
                                                                   {"at_limit", outcome.at_limit},
                                                                   {"altered_values", outcome.altered_values},
                                                                   {"differ", outcome.differ},
                                                                   {"damaged_states", outcome.damaged_states},
                                                                   {"missing", outcome.missing},
                                                                   {"not_judged", outcome.not_judged_rows()}})
    json[name] = n;
  return json;
}

void tell(const VerifyOptions& options, const Outcome& outcome, Context& context) {
  context.text(
      fmt::format("{} verdicts, {} judged again: {} equal to the last bit, {} within {:g}, {} differ, {} with "
                  "other readings than were judged",
                  outcome.rows, outcome.judged, outcome.equal, outcome.within, kAcrossInstructionSets, outcome.differ,
                  outcome.altered_values));
  for (const auto& [why, n] : outcome.not_judged) context.text(fmt::format("{} not judged again: {}", n, why));
  if (outcome.missing > 0) context.text(fmt::format("{} rows are missing between others", outcome.missing));
  if (outcome.damaged_states > 0)
    context.text(
        fmt::format("{} states of the detector, or its sensors, are not what was kept", outcome.damaged_states));
  const auto shown = std::min(outcome.differences.size(), static_cast<std::size_t>(options.limit));
  for (std::size_t i = 0; i < shown; ++i) context.text("  " + sentence(outcome.differences[i]));
  const std::size_t more = outcome.differences.size() - shown;
  if (more > 0)
    context.text(
        fmt::format("  and {}{} more (--limit)", outcome.differences.size() == kMostDifferences ? "over " : "", more));
}

int run(const VerifyOptions& options, Context& context) {
  std::vector<Bound> bounds;
  for (const std::string& text : options.fail_on) bounds.push_back(parse_bound(text));
  const RecordStore store(options.store, RecordStore::Open::existing);
  const std::vector<Span> spans = spans_of(options, store);
  const std::shared_ptr<const Bundle> bundle = bundle_of(options);
  const auto model = open_model(*bundle, "cpu");
  const std::stop_token stop = context.stop().token();
  Outcome outcome;
  context.progress().begin("judging again", 0, "rows");
  for (const Span& span : spans) {
    if (stop.stop_requested()) break;
    JudgeAgain again(bundle, *model, span.from, outcome);
    judge_span(span, store, again, stop);
    context.progress().update(outcome.rows);
  }
  context.progress().end();
  context.result = counts_of(outcome);
  const auto missed = missed_bounds(bounds, context.result);
  context.result["store"] = options.store.string();
  context.result["bundle_hash"] = bundle->hash;
  context.result["instruction_set"] = instruction_set();
  Json reasons = Json::object();
  for (const auto& [why, n] : outcome.not_judged) reasons[why] = n;
  context.result["not_judged_why"] = std::move(reasons);
  Json differences = Json::array();
  for (std::size_t i = 0; i < outcome.differences.size() && i < static_cast<std::size_t>(options.limit); ++i)
    differences.push_back(to_json(outcome.differences[i]));
  context.result["differences"] = std::move(differences);
  context.result["missed_bounds"] = missed;
  tell(options, outcome, context);
  if (stop.stop_requested()) return context.stop().exit_code(0);
  if (!outcome.good()) return static_cast<int>(ExitCode::failed);
  if (outcome.judged == 0) {
    log_error("{}: not one verdict could be judged again", options.store.string());
    return static_cast<int>(ExitCode::bad_input);
  }
  for (const std::string& line : missed) context.text("Missed: " + line);
  if (!missed.empty()) return static_cast<int>(ExitCode::bound_missed);
  if (outcome.not_judged_rows() > 0)
    log_warning("{} verdicts could not be judged again: nothing is said of them", outcome.not_judged_rows());
  return static_cast<int>(ExitCode::done);
}

}  // namespace

CommandSpec verify_command() {
  return make_command<VerifyOptions>(
      "verify", "Live", "Judge stored verdicts again from their stored readings, and compare",
      {"anomctl verify --store anomctl.store --bundle pump.bundle",
       "anomctl verify --verdict 8c1f0a2b3c4d5e6f8c1f0a2b3c4d5e6f --model pump/3",
       "anomctl verify --asset pump-3 --start 2026-01-02T03:00:00Z --fail-on 'not_judged>0'"},
      run);
}

}  // namespace anomctl
