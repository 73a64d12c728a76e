#include <ATen/Parallel.h>
#include <algorithm>

#include <cmath>
#include <iostream>
#include <limits>
#include <random>

#include "anomctl/core/error.h"
#include "anomctl/model/mtad_gat_network.h"
#include "anomctl/model/native_model.h"
#include "mtad_gat/adam.h"
#include "mtad_gat/losses.h"
#include "mtad_gat/torch_device.h"
#include "mtad_gat/torch_trainer.h"
#include "mtad_gat/training_session.h"
#include "support/catch.h"
#include "support/golden_model.h"

using namespace anomctl;

namespace {

at::Tensor tensor_of(const Tensor& t) {
  return at::from_blob(const_cast<float*>(t.values.data()), t.shape, at::kFloat).clone();
}

double largest_difference(const at::Tensor& a, const Tensor& b) {
  REQUIRE(a.numel() == b.size());
  return (a.detach().to(at::kCPU).flatten() - tensor_of(b).flatten()).abs().max().item<double>();
}

// Where and how the network is run: the CPU's own kernels; what a GPU runs, on the CPU; and a GPU where there is one.
struct Way {
  std::string name;
  at::Device device = at::kCPU;
  TensorPath path;
};

std::vector<Way> all_ways() {
  at::set_num_threads(1);  // small tensors: two threads would wait for each other more than they work
  std::vector<Way> ways = {{"kernels", at::kCPU, {}},
                           {"ATen", at::kCPU, {.own_kernels = false}},
                           {"ATen, in pieces", at::kCPU, {.own_kernels = false, .attention_bytes = 1 << 18}}};
  if (usable_devices().size() > 1)
    ways.push_back({"GPU", at::Device(at::kCUDA, 0), {}});
  else
    std::cout << "skipped: 1 way to run the network (this machine has no GPU)\n";
  return ways;
}

// Forward, gradients and three Adam steps against the reference (ML4ITS's losses where there are targets).
void check_case(const golden::Case& c, const Way& way) {
  INFO(c.name << ", " << way.name);
  const auto on_device = [&](const char* batch, const char* what) {
    return tensor_of(c.vectors.at(std::string(batch) + what)).to(way.device);
  };
  const bool aligned = !c.settings.target_dims.empty();
  Parameters parameters = make_parameters(c.weights, way.device);
  {
    const at::NoGradGuard no_gradient;
    TensorBackend backend(parameters, 0, false, {}, way.path);
    const at::Tensor x = on_device("batch0", ".x");
    const auto encoded = mtad_gat_encode(backend, c.settings, x);
    CHECK(largest_difference(encoded.conv, c.vectors.at("fwd.conv_out")) < 2e-6);
    CHECK(largest_difference(encoded.h_feat, c.vectors.at("fwd.h_feat")) < 2e-6);
    CHECK(largest_difference(encoded.h_temp, c.vectors.at("fwd.h_temp")) < 2e-6);
    CHECK(largest_difference(encoded.h_end, c.vectors.at("fwd.h_end")) < 2e-6);
    CHECK(largest_difference(mtad_gat_forecast(backend, c.settings, encoded.h_end, x), c.vectors.at("fwd.preds")) <
          2e-6);
    CHECK(largest_difference(mtad_gat_reconstruct(backend, c.settings, encoded.h_end, false),
                             c.vectors.at("fwd.recons")) < 2e-6);
  }
  Adam adam(parameters);
  const auto& steps = c.json.at("steps").as_array();
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string batch = "batch" + std::to_string(i);
    TensorBackend backend(parameters, 0, true, {}, way.path);
    const Losses l = mtad_gat_losses(backend, c.settings, on_device(batch.c_str(), ".x"),
                                     on_device(batch.c_str(), ".y").select(1, 0), aligned, 0);
    CHECK(l.forecast.item<double>() == Approx(steps[i].at("forecast_loss").as_double()).margin(1e-5));
    CHECK(l.reconstruction.item<double>() == Approx(steps[i].at("recon_loss").as_double()).margin(1e-5));
    (l.forecast + l.reconstruction).backward();
    if (i == 0) {
      for (const auto& [name, p] : parameters) {
        INFO(name);
        if (const auto expected = c.vectors.find("grad0." + name); expected != c.vectors.end()) {
          CHECK(largest_difference(p.grad(), expected->second) < 1e-6);
        }
      }
    }
    adam.step(steps[i].at("lr").as_double());
  }
  for (const auto& [name, p] : parameters) {
    INFO(name);
    if (const auto expected = c.vectors.find("after3." + name); expected != c.vectors.end()) {
      CHECK(largest_difference(p, expected->second) < 1e-4);
    }
  }
}

// A small series that a network can learn: sines with an offset in phase.
Matrix<float> waves(std::size_t rows) {
  Matrix<float> m(rows, 3);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < 3; ++c)
      m(r, c) = static_cast<float>(std::sin(0.2 * static_cast<double>(r) + static_cast<double>(c)));
  }
  return m;
}

MtadGatSettings small() {
  MtadGatSettings s;
  s.n_features = s.out_dim = 3;
  s.window_size = 10;
  s.gru_hid_dim = s.fc_hid_dim = s.recon_hid_dim = 8;
  return s;
}

TrainingInput input_of(const Matrix<float>& rows, const TrainerOptions& o) {
  TrainingInput in;
  in.rows = &rows;
  const std::vector<std::pair<std::int64_t, std::int64_t>> runs = {{0, static_cast<std::int64_t>(rows.rows()) - 1}};
  const WindowSplit split = split_windows(window_starts(runs, 10, 1, {}), 10, o);
  in.train = split.train;
  in.validation = split.validation;
  in.columns = {"a", "b", "c"};
  return in;
}

}  // namespace

TEST_CASE("outputs, gradients and three Adam steps of every golden case") {
  for (const Way& way : all_ways())
    for (const std::string& name : golden::small_cases()) check_case(golden::load_case(name), way);
}

TEST_CASE("the default network's training steps") {
  if (golden::large_cases().empty()) {
    std::cout << "skipped: 1 golden case (default_w100_k17 is not beside the checkout)\n";
    return;
  }
  for (const Way& way : all_ways()) check_case(golden::load_case("default_w100_k17", golden::large_cases()), way);
}

TEST_CASE("the six epochs of the reference, with --compat reference") {
  const golden::Case c = golden::load_case("traj_small");
  const Tensor& series = c.vectors.at("series");
  Matrix<float> rows(static_cast<std::size_t>(series.shape[0]), static_cast<std::size_t>(series.shape[1]));
  std::copy(series.values.begin(), series.values.end(), rows.data());
  TrainerOptions o;
  o.compat = "reference";
  o.shuffle = false;
  o.epochs = c.json.at("epochs").as_int();
  o.batch_size = c.json.at("batch_size").as_int();
  o.step_lr = c.json.at("step_lr").as_int();
  o.gamma_lr = c.json.at("gamma_lr").as_double();
  TrainingInput in;
  in.rows = &rows;
  in.initial_weights = &c.weights;
  const std::vector<std::pair<std::int64_t, std::int64_t>> runs = {{0, 499}};
  const WindowSplit split =
      split_windows(window_starts(runs, c.settings.window_size, 1, {}), c.settings.window_size, o);
  in.train = split.train;
  in.validation = split.validation;
  const Way way = GENERATE(from_range(all_ways()));
  INFO(way.name);
  const TrainerOptions resolved = o.resolved();
  const TrainingOutput out = TrainingSession(c.settings, resolved, in, {way.device, nullptr, way.path}).run();
  REQUIRE(out.epochs.size() == 6);
  const Json& losses = c.json.at("losses");
  for (std::size_t e = 0; e < 6; ++e) {
    const auto expected = [&](const char* key) {
      return Approx(losses.at(key).as_array()[e].as_double()).margin(1e-5);
    };
    CHECK(out.epochs[e].train_forecast == expected("train_fc_loss"));
    CHECK(out.epochs[e].train_reconstruction == expected("train_rc_loss"));
    CHECK(out.epochs[e].train_total == expected("total_train_loss"));
    CHECK(out.epochs[e].val_forecast == expected("val_fc_loss"));
    CHECK(out.epochs[e].val_reconstruction == expected("val_rc_loss"));
  }
  double worst = 0;
  for (const auto& [name, t] : out.weights) {
    for (const auto* prefix : {"final.", "after6.", "after."}) {
      const auto expected = c.vectors.find(prefix + name);
      if (expected != c.vectors.end()) worst = std::max(worst, largest_difference(tensor_of(t), expected->second));
    }
  }
  CHECK(worst < 3e-4);
}

TEST_CASE("a run repeats bit for bit, and goes on after a stop as if nothing had happened") {
  const Matrix<float> rows = waves(300);
  TrainerOptions o;
  o.epochs = 4;
  o.batch_size = 32;
  o.threads = 1;
  o.patience = 10;
  TorchTrainer trainer;
  const TrainingOutput once = trainer.train(small(), o, input_of(rows, o));
  const TrainingOutput twice = trainer.train(small(), o, input_of(rows, o));
  CHECK(once.weights.at("gru.gru.weight_hh_l0").values == twice.weights.at("gru.gru.weight_hh_l0").values);
  CHECK(once.epochs.back().val_total < once.epochs.front().val_total);

  const TemporaryFolder folder;
  TrainerOptions first = o;
  first.epochs = 2;
  TrainingInput in = input_of(rows, o);
  in.checkpoint = folder.path();
  trainer.train(small(), first, in);
  in.resume = true;
  const TrainingOutput resumed = trainer.train(small(), o, in);
  CHECK(resumed.epochs.size() == 4);
  CHECK(resumed.weights.at("gru.gru.weight_hh_l0").values == once.weights.at("gru.gru.weight_hh_l0").values);
}

TEST_CASE("a loss that is not finite names the column") {
  Matrix<float> rows = waves(100);
  rows(50, 1) = std::numeric_limits<float>::infinity();
  TrainerOptions o;
  o.epochs = 1;
  CHECK_THROWS_WITH(TorchTrainer().train(small(), o, input_of(rows, o)), Contains("column 'b'"));
}

TEST_CASE("a GPU that is not there is an error, auto takes what there is") {
  TorchTrainer trainer;
  TrainerOptions o;
  if (trainer.devices().size() > 1) {
    std::cout << "skipped: 1 check (this machine has a GPU)\n";
  } else {
    o.device = "cuda";
    CHECK_THROWS_AS(trainer.measure_step(small(), o, {}), UsageError);
  }
  o.device = "gpu";
  CHECK_THROWS_AS(trainer.measure_step(small(), o, {}), UsageError);
  o.device = "auto";
  o.batch_size = 4;
  CHECK(trainer.measure_step(small(), o, {}) > 0);
  std::stop_source told;
  told.request_stop();
  CHECK(trainer.measure_step(small(), o, told.get_token()) == 0);  // in the midst of a step
}

TEST_CASE("libtorch's model gives the native engine's outputs") {
  const golden::Case c = golden::load_case("target_dims");
  const Tensor& x = c.vectors.at("batch0.x");
  Expectation e;
  TorchTrainer().make_model(c.settings, c.weights, "cpu")->expect(x.values, static_cast<std::size_t>(x.shape[0]), e);
  const Tensor& expected = c.vectors.at("fwd.preds");
  for (std::size_t i = 0; i < expected.values.size(); ++i)
    CHECK(std::fabs(e.forecast.values()[i] - expected.values[i]) < 2e-6F);
}

TEST_CASE("with a linear part libtorch's model gives the native engine's outputs, and training leaves it as it is") {
  MtadGatSettings s = small();
  s.linear_rows = 2;
  TensorMap weights = initial_weights(s, 3);
  std::mt19937 random(5);
  std::normal_distribution<float> noise;
  for (auto& [name, tensor] : weights)
    if (name.starts_with("linear_part.")) std::ranges::generate(tensor.values, [&] { return noise(random); });
  std::ranges::fill(weights.at("linear_part.low").values, -1.0F);
  std::ranges::fill(weights.at("linear_part.high").values, 1.0F);
  const std::size_t size = static_cast<std::size_t>(s.window_size * s.n_features);
  std::vector<float> windows(3 * size);
  std::ranges::generate(windows, [&] { return noise(random); });
  Expectation ours, theirs;
  make_native_model(s, weights)->expect(windows, 3, ours);
  TorchTrainer().make_model(s, weights, "cpu")->expect(windows, 3, theirs);
  for (std::size_t i = 0; i < ours.forecast.values().size(); ++i)
    CHECK(std::fabs(ours.forecast.values()[i] - theirs.forecast.values()[i]) < 5e-6F);

  Parameters parameters = make_parameters(weights, at::kCPU);
  Adam adam(parameters);
  const at::Tensor x = at::randn({4, s.window_size, s.n_features}), y = at::randn({4, s.n_features});
  TensorBackend backend(parameters, 0, true);
  const Losses l = mtad_gat_losses(backend, s, x, y, true, 1e-12);
  (l.forecast + l.reconstruction).backward();
  adam.step(0.1);
  const TensorMap after = to_tensor_map(parameters);
  for (const auto& [name, tensor] : weights)
    CHECK((after.at(name).values == tensor.values) == name.starts_with("linear_part."));
}
