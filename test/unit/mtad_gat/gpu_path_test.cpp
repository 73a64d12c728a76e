// What can be known of training on a GPU without one.
#include <ATen/record_function.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "anomctl/core/error.h"
#include "mtad_gat/adam.h"
#include "mtad_gat/attention.h"
#include "mtad_gat/torch_device.h"
#include "mtad_gat/training_errors.h"
#include "mtad_gat/training_step.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

// With gradients; by the formula alone where there is no bound.
std::vector<at::Tensor> logits_and_gradients(std::optional<std::int64_t> bytes) {
  at::manual_seed(3);
  const at::Tensor p = at::randn({5, 7, 3}).requires_grad_(true), q = at::randn({5, 7, 3}).requires_grad_(true);
  const at::Tensor a = at::randn({3}).requires_grad_(true), weight = at::randn({5, 7, 7});
  const at::Tensor e = bytes ? attention_logits(p, q, a, {}, 0.2, *bytes)
                             : at::matmul(at::leaky_relu(p.unsqueeze(2) + q.unsqueeze(1), 0.2), a);
  (e * weight).sum().backward();
  return {e, p.grad(), q.grad(), a.grad()};
}

MtadGatSettings small() {
  MtadGatSettings s;
  s.n_features = 4;
  s.out_dim = 2;
  s.target_dims = {1, 3};
  s.window_size = 10;
  s.gru_hid_dim = s.fc_hid_dim = s.recon_hid_dim = 8;
  return s;
}

std::string message(const char* what, const TrainerOptions& options) {
  try {
    translate(std::runtime_error(what), options);
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::failed);
    return e.what();
  }
}

}  // namespace

TEST_CASE("attention in pieces of any size gives what the formula gives") {
  const auto expected = logits_and_gradients(std::nullopt);
  for (const std::int64_t bytes : {1, 400, 3000, 1 << 20}) {  // a row, some rows, some windows, all at once
    INFO(bytes);
    const auto found = logits_and_gradients(bytes);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK((found[i] - expected[i]).abs().max().item<double>() < 1e-5);
  }
}

TEST_CASE("a training step reads nothing back from its device") {
  const MtadGatSettings s = small();
  Matrix<float> rows(50, 4);
  Parameters parameters = make_parameters(initial_weights(s, 0), at::kCPU);
  Adam adam(parameters);
  const SeriesWindows windows(rows, s.window_size, at::kCPU);
  const TrainingStep step({s, parameters, windows, true, 1e-12, nullptr, {}, {.own_kernels = false}});
  const std::vector<std::int64_t> first = {0, 3, 7};
  const at::Tensor starts = windows.starts(first);

  static std::vector<std::string> called;
  called.clear();
  const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback([](const at::RecordFunction& f) {
    called.emplace_back(f.name());
    return std::unique_ptr<at::ObserverContext>();
  }));
  at::Tensor losses = step.gradients(starts, [](const at::Tensor&) {});
  adam.step(0.001);
  losses += step.losses(starts);
  const auto asked = [](const char* operation) { return std::count(called.begin(), called.end(), operation); };
  CHECK(asked("aten::sqrt") > 0);
  // Whatever gives the program a tensor's value or a shape that hangs on one.
  for (const char* reading :
       {"aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::nonzero", "aten::equal"})
    CHECK(asked(reading) == 0);
  CHECK(losses.sum().item<double>() > 0);
  CHECK(asked("aten::item") == 1);  // it would have been seen
  at::removeCallback(handle);
}

TEST_CASE("why there is no GPU is told apart") {
  CHECK_THAT(why_no_gpu(0, 0, 0), Contains("without CUDA"));
  CHECK_THAT(why_no_gpu(0, 13000, 0), Contains("there is no NVIDIA driver"));
  CHECK_THAT(why_no_gpu(12080, 13000, 0), Contains("too old: it serves CUDA 12.8, this libtorch needs 13.0"));
  CHECK_THAT(why_no_gpu(13000, 13020, 0), Contains("shows no GPU"));
  CHECK_THAT(why_no_gpu(13000, 13000, 2), Contains("there are 2 GPUs"));
  for (const char* text : {"cuda:", "cuda:x", "cuda:9999", "cuda0", "gpu", ""})
    CHECK_THROWS_WITH(choose_device(text), Contains("is none of auto, cpu, cuda, cuda:N"));
  CHECK_THROWS_WITH(choose_device("cuda:999"), Contains("use --device cpu or auto"));
}

TEST_CASE("out of memory and a GPU that does not fit are told with the next step") {
  TrainerOptions o;
  CHECK_THAT(message("CUDA out of memory. Tried to allocate 2.00 GiB", o),
             Contains("--batch-size 64") && Contains("--attention-memory 128"));
  CHECK_THAT(message("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", o),
             Contains("--batch-size 64") && !Contains("attention"));
  CHECK_THAT(message("CUDA driver version is insufficient for CUDA runtime version", o), Contains("driver is too old"));
  CHECK_THAT(message("CUDA error: no kernel image is available for execution on the device", o),
             Contains("no code for this GPU"));
  CHECK_THAT(message("first\nsecond", o), Contains("libtorch failed: first") && !Contains("second"));
}
