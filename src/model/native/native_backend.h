// The backend of mtad_gat_network.h on plain memory. Thread rule: one thread an object; weights and kernels are shared.
#pragma once

#include <string_view>
#include <vector>

#include "anomctl/model/mtad_gat_network.h"
#include "model/native/packed_weights.h"

namespace anomctl {

// Memory handed out in order and taken back all at once; grows to the largest pass and stays.
class Arena {
 public:
  float* take(std::size_t floats);
  const float* zeros(std::size_t floats);
  void reset();

 private:
  struct Block {
    AlignedFloats memory;
    std::size_t used = 0;
  };
  std::vector<Block> blocks_;
};

class NativeBackend {
 public:
  // (batch, steps, width), each row `ld` floats apart, the steps of a window together or the windows of a step. A
  // (batch, width) array has one step.
  struct Array {
    float* data = nullptr;
    std::size_t batch = 0, steps = 0, width = 0, ld = 0;
    bool step_first = false;
    float* row(std::size_t b, std::size_t t) const { return data + (step_first ? t * batch + b : b * steps + t) * ld; }
  };

  NativeBackend(const PackedWeights& weights, const Kernels& kernels) : w_(weights), k_(kernels) {}
  void reset() { arena_.reset(); }

  // Memory until the next reset.
  float* memory(std::size_t floats) { return arena_.take(floats); }
  // x: (b, w, k) unpadded
  Array input(const float* x, std::size_t batch);
  Array conv1d_relu(const Array& x, std::string_view layer);
  Array attend_sensors(const Array& x, const Attention& attention);
  Array attend_time(const Array& x, const Attention& attention);
  Array concat(const Array& x, const Array& y, const Array& z);  // to windows of a step together, as gru wants them
  Array gru(const Array& x, std::string_view layer, std::int64_t n);
  Array gru_last(const Array& x, std::string_view layer, std::int64_t n) { return last_step(gru(x, layer, n)); }
  Array last_step(const Array& x);
  Array spread_gru(const Array& x, std::int64_t steps, std::string_view layer, std::int64_t n);
  Array linear(const Array& x, std::string_view layer, std::int64_t n = 0);
  Array relu(const Array& x);
  Array add_linear_part(const Array& y, const Array& x, std::int64_t rows);
  Array dropout(const Array& x) { return x; }

 private:
  Array make(std::size_t batch, std::size_t steps, std::size_t width, bool step_first = false);
  // project(t, rows): the inputs of the steps from t on, `block` steps at a time.
  template <class Project>
  Array recurrence(const PackedGru& gru, std::size_t batch, std::size_t steps, std::size_t block,
                   const Project& project);
  // nodes (n, ldn), transposed (m, padded(n)) -> out (m, padded(n)), after the sigmoid
  void attend(const PackedAttention& attention, const float* nodes, std::size_t ldn, const float* transposed,
              float* out);

  // Of one attention, for one window after the other.
  struct Scratch {
    float *query = nullptr, *key = nullptr, *weights = nullptr, *scale = nullptr;
  };
  void take_scratch(const PackedAttention& attention);

  const PackedWeights& w_;
  const Kernels& k_;
  Arena arena_;
  Scratch scratch_;
};

}  // namespace anomctl
