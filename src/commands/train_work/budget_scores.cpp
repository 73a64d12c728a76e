#include "commands/train_work/budget_scores.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/detection/replay.h"
#include "commands/train_work/train_rows.h"

namespace anomctl {
namespace {

constexpr std::int64_t kBlocks = 5;
constexpr std::int64_t kGap = 100;  // rows beside a block that its fit leaves out, for rows resemble their neighbours

bool has_network(const Bundle& bundle) {
  return bundle.runs_network() || (bundle.panel != nullptr && bundle.panel->network);
}

// The bundle with its panel fitted to the rows outside of the block.
std::shared_ptr<const Bundle> without_block(const StrangerParts& p, const RowRange& block) {
  if (p.bundle->panel == nullptr) return p.bundle;
  std::vector<std::uint8_t> use = p.use;
  const auto n = static_cast<std::int64_t>(use.size());
  const std::int64_t first = std::max<std::int64_t>(0, block.first - kGap), end = std::min(n, block.last + 1 + kGap);
  std::fill(use.begin() + first, use.begin() + end, std::uint8_t{0});
  auto panel = std::make_shared<PanelModel>(fit_panel(p.train.values, p.train.runs, use, p.bundle->panel->settings));
  panel->take_network(p.bundle->panel->network);
  auto bundle = std::make_shared<Bundle>(*p.bundle);
  bundle->panel = std::move(panel);
  return bundle;
}

}  // namespace

StrangerScores stranger_scores(const StrangerParts& p) {
  StrangerScores out;
  const auto n = static_cast<std::int64_t>(p.train.values.rows());
  std::vector<RowRange> blocks;
  if (has_network(*p.bundle)) {
    // The relation network keeps the panel's calibration rows from its fit, MTAD-GAT its validation rows.
    const double share = p.bundle->runs_network() ? p.held_share : p.bundle->panel->settings.holdout;
    const std::int64_t held = std::max<std::int64_t>(2, static_cast<std::int64_t>(share * static_cast<double>(n)));
    blocks.push_back({n - held, n - held / 2 - 1});
    blocks.push_back({n - held / 2, n - 1});
    out.source = fmt::format("the last {:.0f} % of the train rows, which were held out", 100 * share);
  } else {
    for (std::int64_t b = 0; b < kBlocks; ++b) blocks.push_back({n * b / kBlocks, n * (b + 1) / kBlocks - 1});
    out.source = fmt::format("cross-fitted over {} blocks of the train rows", kBlocks);
  }
  const auto model = open_window_model(*p.bundle, 1);
  for (const RowRange& block : blocks) {
    if (p.stop.stop_requested()) return out;
    std::shared_ptr<const Bundle> bundle;
    try {
      bundle = without_block(p, block);
    } catch (const Error&) {
      continue;
    }
    ReplayOptions replay;
    replay.stop = p.stop;
    replay.use.assign(p.use.begin() + block.first, p.use.begin() + block.last + 1);
    const std::vector<double> scores = score_rows(bundle, *model, slice(p.train, block.first, block.last), replay);
    out.scores.insert(out.scores.end(), scores.begin(), scores.end());
    // No cluster goes on from one block to the next.
    out.scores.insert(out.scores.end(), 100, std::numeric_limits<double>::quiet_NaN());
  }
  return out;
}

}  // namespace anomctl
