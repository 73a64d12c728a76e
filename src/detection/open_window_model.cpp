#include <stdexcept>

#include "anomctl/detection/bundle.h"
#include "anomctl/model/native_model.h"

namespace anomctl {
namespace {

class SilentModel : public WindowModel {
 public:
  explicit SilentModel(const Bundle& bundle) {
    shape_.window = static_cast<std::size_t>(bundle.settings.window_size);
    shape_.sensors = bundle.columns.size();
    shape_.targets = bundle.targets();
  }
  const WindowShape& shape() const override { return shape_; }
  std::string engine() const override { return "native panel"; }
  void expect(std::span<const float>, std::size_t, Expectation&) const override {
    throw std::logic_error("this bundle runs no network");
  }

 private:
  WindowShape shape_;
};

}  // namespace

std::shared_ptr<const WindowModel> open_window_model(const Bundle& bundle, int threads) {
  if (!bundle.runs_network()) return std::make_shared<const SilentModel>(bundle);
  return make_native_model(bundle.settings, bundle.weights, {.threads = threads});
}

}  // namespace anomctl
