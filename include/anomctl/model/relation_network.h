// The relation network: graph attention over the *other* sensors (GATv2, Brody et al. 2022; MTAD-GAT's feature
// attention turned to another question). For each sensor it predicts what the linear leave-one-out relation leaves
// over, from an encoding of each other sensor's last rows; a sensor never sees its own past, which would follow a
// fault. Trained here, forward and backward, without libtorch.
//
// Letters: k sensors, l last rows a sensor (the newest included), d width of an encoding, h heads, u hidden units of a
// sensor's output.
//   code_j   = relu(sum_l x[l][j] encoder[j][l] + identity_j + shift_j)                                    (d)
//   e_ij     = sum_c a[h][c] leaky(query_i[h][c] + key_j[h][c]) + edge[h][i][j],   j != i, softmax over j
//   context_i = concat_h sum_j softmax(e)_ij value_j[h]                                                    (h * d)
//   out_i    = w2_i . relu(context_i w1_i + b1_i) + b2_i
// Thread rule: RelationNetwork is constant once trained and may be shared; a RelationWorkspace belongs to one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"
#include "anomctl/model/tensors.h"

namespace anomctl {

struct RelationSettings {
  std::int64_t rows = 4;         // l
  std::int64_t width = 16;       // d
  std::int64_t heads = 4;        // h
  std::int64_t hidden = 32;      // u
  std::int64_t neighbours = 64;  // most sensors that one sensor attends to: those most correlated with its residual
  std::int64_t epochs = 80;
  std::int64_t patience = 15;
  std::int64_t batch = 128;
  double learning_rate = 3e-3;
  Duration budget = seconds(0);  // training stops at the end of the epoch that passes it, 0: never
  std::uint64_t seed = 0;        // a training without a budget repeats bit for bit on the same instruction set

  static void fields(auto& self, auto&& field) {
    field("relation_rows", self.rows, "last rows of each other sensor that the relation network sees", Between{1, 64});
    field("relation_width", self.width, "width of the relation network's encodings", Between{4, 128});
    field("relation_heads", self.heads, "attention heads of the relation network", Between{1, 16});
    field("relation_hidden", self.hidden, "hidden units of each sensor's output", Between{4, 256});
    field("relation_neighbours", self.neighbours, "most sensors that one sensor attends to", Between{1, 1024});
    field("relation_epochs", self.epochs, "most epochs of the relation network, 0 leaves it out", Between{0, 10'000});
    field("relation_patience", self.patience, "epochs without improvement after which it stops", Between{1, 1000});
    field("relation_learning_rate", self.learning_rate, "Adam's first learning rate", Between{1e-6, 1});
    field("relation_budget", self.budget,
          "longest training of the relation network, 0: no bound; where it cuts the training short, a repeat differs");
  }
};

// All parameters in one vector, so that the optimiser and the gradient check see one thing. T: float to train and run,
// double to check.
template <class T>
struct RelationParameters {
  RelationSettings settings;
  std::size_t sensors = 0;
  std::vector<std::vector<std::uint32_t>>
      neighbours;  // k lists of the sensors that sensor i attends to, never i itself
  std::vector<T> values;

  // Offsets into `values` of each block, in the order of the members.
  struct Layout {
    std::size_t encoder, shift, identity, query, query_bias, key, attention, value, value_bias, edge, w1, b1, w2, b2,
        total;
  };
  Layout layout() const;
};

// Scratch of one forward and backward pass over one row.
template <class T>
struct RelationWorkspace {
  std::vector<T> code, key, value, query, weight, context, hidden;                // forward
  std::vector<T> d_code, d_key, d_value, d_query, d_weight, d_context, d_hidden;  // backward
};

// Fresh parameters. Requires neighbours for each sensor.
template <class T>
RelationParameters<T> make_relation_parameters(const RelationSettings& settings,
                                               std::vector<std::vector<std::uint32_t>> neighbours, std::uint64_t seed);
// Queries depend on parameters only: call once after they change.
template <class T>
void prepare_relation(const RelationParameters<T>& p, RelationWorkspace<T>& w);
// x: (l, k), newest row first, clipped z-scores -> out: k.
template <class T>
void relation_forward(const RelationParameters<T>& p, RelationWorkspace<T>& w, std::span<const T> x, std::span<T> out);
// After relation_forward for the same x: adds the gradient of sum_i d_out[i] * out[i] to `gradient` (queries' part is
// left in w.d_query until relation_finish).
template <class T>
void relation_backward(const RelationParameters<T>& p, RelationWorkspace<T>& w, std::span<const T> x,
                       std::span<const T> d_out, std::span<T> gradient);
// Adds what the queries contribute and clears it; once a batch.
template <class T>
void relation_finish(const RelationParameters<T>& p, RelationWorkspace<T>& w, std::span<T> gradient);

// A trained network with what its held-out rows say of it.
struct RelationNetwork {
  RelationParameters<float> parameters;
  std::vector<double> gate;  // k, in [0, 1]: least squares on held-out rows minus two block standard errors
  double voice = 0;          // G, in [0, 1]: share of the held-out squared residual that the gated network explains
  std::vector<double> explained;  // k, the same a sensor
  std::int64_t epochs = 0;        // trained, the best one kept

  Json to_json() const;      // everything but the values
  Tensor to_tensor() const;  // the values
  static RelationNetwork from(const Json& json, const Tensor& values, std::size_t sensors);  // checks sizes
};

// inputs: (n, k) clipped z-scores; residual: (n, k), what the linear relation leaves over, about unit deviation;
// start[r]: first row of r's run. usable: ascending row numbers; the last `holdout` share gates, the 15 % before it
// stop the training.
RelationNetwork fit_relation(const Matrix<float>& inputs, const Matrix<float>& residual,
                             std::span<const std::int64_t> start, std::span<const std::int64_t> usable, double holdout,
                             const RelationSettings& settings);
// The network's input for row `row` of `inputs` (n, k): x (rows, k), newest row first; rows before `first`, the start
// of its run, are stood in for by the first.
void gather_relation_input(const Matrix<float>& inputs, std::int64_t row, std::int64_t first, std::int64_t rows,
                           std::span<float> x);

}  // namespace anomctl
