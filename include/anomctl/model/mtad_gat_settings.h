// Settings of the MTAD-GAT network (Zhao et al. 2020) with the names and defaults of srigas/MTAD-GAT-mlflow.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/json.h"

namespace anomctl {

struct MtadGatSettings {
  std::int64_t n_features = 0;            // k, sensors; set from the data
  std::int64_t window_size = 100;         // w
  std::int64_t out_dim = 0;               // o; 0: n_features
  std::vector<std::int64_t> target_dims;  // the predicted columns where out_dim < n_features
  std::int64_t kernel_size = 7;           // odd
  bool use_gatv2 = true;
  bool use_bias = true;                                                // of the attention layers
  std::optional<std::int64_t> feat_gat_embed_dim, time_gat_embed_dim;  // default: window, features
  std::int64_t gru_n_layers = 1, gru_hid_dim = 150;
  std::int64_t fc_n_layers = 3, fc_hid_dim = 150;
  std::int64_t recon_n_layers = 1, recon_hid_dim = 150;
  std::int64_t linear_rows = 0;  // of the window's last rows, for a linear forecast that the network corrects; 0: none
  double alpha = 0.2;            // negative slope of LeakyReLU
  double dropout = 0.2;          // training only

  static void fields(auto& self, auto&& field) {
    field("window_size", self.window_size, "rows a window", Between{2, 10'000});
    field("kernel_size", self.kernel_size, "width of the convolution over time, odd", Between{1, 101});
    field("use_gatv2", self.use_gatv2, "GATv2 attention instead of GAT");
    field("use_bias", self.use_bias, "bias in the attention layers");
    field("feat_gat_embed_dim", self.feat_gat_embed_dim,
          "embedding of the attention over sensors (default: window size)", Between{1, 4096});
    field("time_gat_embed_dim", self.time_gat_embed_dim,
          "embedding of the attention over time (default: number of sensors)", Between{1, 4096});
    field("gru_n_layers", self.gru_n_layers, "layers of the encoder GRU", Between{1, 8});
    field("gru_hid_dim", self.gru_hid_dim, "units of the encoder GRU", Between{1, 4096});
    field("fc_n_layers", self.fc_n_layers, "hidden layers of the forecaster", Between{1, 16});
    field("fc_hid_dim", self.fc_hid_dim, "units a hidden layer of the forecaster", Between{1, 4096});
    field("recon_n_layers", self.recon_n_layers, "layers of the reconstruction GRU", Between{1, 8});
    field("recon_hid_dim", self.recon_hid_dim, "units of the reconstruction GRU", Between{1, 4096});
    field("linear_rows", self.linear_rows,
          "last rows of the window for a linear forecast, fitted first, that the network corrects as far as held-out "
          "rows bear it out; 0: the network alone",
          Between{0, 32});
    field("alpha", self.alpha, "negative slope of the attention's LeakyReLU", Between{0, 1});
    field("dropout", self.dropout, "dropout while training", Between{0, 0.95});
  }
  // Throws UsageError for an even kernel, out_dim or target_dims that do not fit.
  void validate() const;
  Json to_json() const;                             // our names
  static MtadGatSettings from_json(const Json& j);  // ours, or the names of the reference (forecast_n_layers, ...)
};

}  // namespace anomctl
