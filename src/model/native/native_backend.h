// The backend of mtad_gat_network.h on plain memory. Thread rule: one thread an object; weights and kernels are shared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "anomctl/model/mtad_gat_network.h"
#include "model/native/packed_weights.h"

namespace anomctl {

// Memory handed out in order and taken back all at once; grows to the largest pass and stays.
class Arena {
 public:
  float* take(std::size_t floats);
  void reset();

 private:
  struct Block {
    std::unique_ptr<float[]> memory;
    std::size_t size = 0, used = 0;
  };
  std::vector<Block> blocks_;
};

class NativeBackend {
 public:
  // (batch, steps, width), each row `ld` floats apart; padding is zero. A (batch, width) array has one step.
  struct Array {
    float* data = nullptr;
    std::size_t batch = 0, steps = 0, width = 0, ld = 0;
    float* row(std::size_t b, std::size_t t) const { return data + (b * steps + t) * ld; }
  };

  NativeBackend(const PackedWeights& weights, const Kernels& kernels) : w_(weights), k_(kernels) {}
  void reset() { arena_.reset(); }

  // x: (b, w, k) unpadded
  Array input(const float* x, std::size_t batch);
  Array conv1d_relu(const Array& x, const std::string& layer);
  Array attend_sensors(const Array& x, const Attention& attention);
  Array attend_time(const Array& x, const Attention& attention);
  Array concat(const Array& x, const Array& y, const Array& z);
  Array gru(const Array& x, const std::string& layer, std::int64_t n);
  Array last_step(const Array& x);
  Array spread_gru(const Array& x, std::int64_t steps, const std::string& layer, std::int64_t n);
  Array linear(const Array& x, const std::string& layer);
  Array relu(const Array& x);
  Array dropout(const Array& x) { return x; }

 private:
  Array make(std::size_t batch, std::size_t steps, std::size_t width);
  // rows (m, n) with ld -> (n, padded(m))
  float* transposed(const float* from, std::size_t m, std::size_t n, std::size_t ld);
  Array recurrence(const PackedGru& gru, const float* projected, std::size_t batch, std::size_t steps);
  // nodes (n, m), other: the same transposed; -> (n, padded(m)) after the sigmoid
  float* attend(const PackedAttention& attention, const float* nodes, std::size_t ldn, const float* other,
                std::size_t ldo, float alpha);

  const PackedWeights& w_;
  const Kernels& k_;
  Arena arena_;
};

}  // namespace anomctl
