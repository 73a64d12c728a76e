#include "commands/label.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/time.h"
#include "anomctl/io/store/record_store.h"

namespace anomctl {
namespace {

Nanoseconds stamp_of(const std::string& text, const char* setting) {
  const auto parsed = parse_stamp(text);
  if (!parsed) throw UsageError(fmt::format("{}: '{}' is no stamp, such as 2026-01-02T03:04:05Z", setting, text));
  return parsed->time;
}

std::string author_of(const LabelOptions& options) {
  if (!options.author.empty()) return options.author;
  return process_environment()("USER").value_or("anomctl");
}

// A label of rows that are not there is a typing error, or of rows that went already.
void check_span(const StoredLabel& label, const LabelOptions& options, const RecordStore& store) {
  const std::vector<std::string> assets = store.assets();
  if (std::ranges::find(assets, label.asset) == assets.end()) {
    const auto near = nearest(label.asset, assets);
    throw UsageError(fmt::format("{}: no asset '{}'{}", options.store.string(), label.asset,
                                 near ? fmt::format(": did you mean '{}'?", *near) : " was judged"));
  }
  RowQuery query;
  query.asset = label.asset;
  query.from = label.start;
  query.to = label.end;
  query.limit = 1;
  if (store.rows(query).rows.empty())
    log_warning("{} holds no row of {} from {} to {}", options.store.string(), label.asset, format_stamp(label.start),
                format_stamp(label.end));
}

int add_label(const LabelOptions& options, RecordStore& store, Context& context) {
  StoredLabel label;
  label.kind = options.as;
  label.comment = options.comment;
  label.author = author_of(options);
  label.time = system_clock().now();
  if (!is_label_kind(label.kind))
    throw UsageError(fmt::format("as: '{}' is none of true, false, none, acknowledged, comment", label.kind));
  if (label.kind == "comment" && label.comment.empty()) throw UsageError("as comment: give the words with --comment");
  if (!options.episode.empty()) {
    if (!options.start.empty() || !options.end.empty()) throw UsageError("episode excludes start and end");
    const auto found = store.episodes({options.asset, options.episode, std::nullopt, 1});
    if (found.empty())
      throw UsageError(
          fmt::format("{}: no episode '{}' (anomctl label lists them)", options.store.string(), options.episode));
    label.episode = found.front().id;
    label.asset = found.front().asset;
    label.start = found.front().start;
    label.end = found.front().end;
  } else {
    if (options.asset.empty() || options.start.empty() || options.end.empty())
      throw UsageError("as: say what is judged, with --episode ID, or with --asset, --start and --end");
    label.asset = options.asset;
    label.start = stamp_of(options.start, "start");
    label.end = stamp_of(options.end, "end");
    if (label.end < label.start) throw UsageError("end: it is before the start");
    check_span(label, options, store);
  }
  label.number = store.add_label(label);
  context.result["number"] = label.number;
  context.result["asset"] = label.asset;
  context.result["episode"] = label.episode;
  context.result["start"] = format_stamp(label.start);
  context.result["end"] = format_stamp(label.end);
  context.result["kind"] = label.kind;
  context.text(
      fmt::format("{} from {} to {}: {}", label.asset, format_stamp(label.start), format_stamp(label.end), label.kind));
  return 0;
}

Json to_json(const StoredLabel& label) {
  Json json = Json::object();
  json["time"] = format_stamp(label.time);
  json["asset"] = label.asset;
  json["episode"] = label.episode;
  json["start"] = format_stamp(label.start);
  json["end"] = format_stamp(label.end);
  json["kind"] = label.kind;
  json["comment"] = label.comment;
  json["author"] = label.author;
  return json;
}

int list(const LabelOptions& options, const RecordStore& store, Context& context) {
  std::map<std::string, std::vector<StoredLabel>> labels;
  Json spans = Json::array(), episodes = Json::array();
  for (StoredLabel& label : store.labels(options.asset)) {
    if (label.episode.empty()) spans.push_back(to_json(label));
    labels[label.episode].push_back(std::move(label));
  }
  for (const StoredEpisode& episode :
       store.episodes({options.asset, options.episode, std::nullopt, static_cast<std::size_t>(options.limit)})) {
    const std::vector<StoredLabel>& said = labels[episode.id];
    const std::string judged = judgement(said);
    if (options.unjudged && judged != "none") continue;
    Json json = Json::object();
    json["alert"] = Json::parse(episode.body, "alert");
    json["judgement"] = judged;
    json["labels"] = Json::array();
    for (const StoredLabel& label : said) json["labels"].push_back(to_json(label));
    context.text(fmt::format("{}  {}  {}  {:<6} {:<7} {}", episode.id, format_stamp(episode.start), episode.asset,
                             episode.closed ? "over" : "open", judged == "none" ? "-" : judged,
                             json["alert"].string_or("reason", "")));
    episodes.push_back(std::move(json));
  }
  for (const StoredLabel& label : labels[""])
    context.text(fmt::format("{:<16}  {}  {}  until {}: {}", "span", format_stamp(label.start), label.asset,
                             format_stamp(label.end), label.kind));
  context.result["episodes"] = std::move(episodes);
  context.result["spans"] = std::move(spans);
  return 0;
}

int run(const LabelOptions& options, Context& context) {
  RecordStore store(options.store, RecordStore::Open::existing);
  if (!options.as.empty()) return add_label(options, store, context);
  if (!options.comment.empty() || !options.start.empty() || !options.end.empty())
    throw UsageError("as: say what it was (true, false, none, acknowledged, comment)");
  return list(options, store, context);
}

}  // namespace

CommandSpec label_command() {
  return make_command<LabelOptions>(
      "label", "Live", "List alerts, and note which were real",
      {"anomctl label --unjudged", "anomctl label --episode 8c1f0a2b3c4d5e6f --as false --comment 'filter changed'",
       "anomctl label --asset pump-3 --start 2026-01-02T03:00:00Z --end 2026-01-02T03:20:00Z --as true"},
      run);
}

}  // namespace anomctl
