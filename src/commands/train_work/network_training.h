// MTAD-GAT's part of a training. Private to train. Thread rule: one thread.
#pragma once

#include "commands/train_work/session.h"

namespace anomctl {

// Scaler, linear part, weights; checkpoints on the way.
void train_network(TrainSession& s);
// How errors become scores, from rows that took no part in the training; with a panel also the network's weight beside it.
void fit_network_score(TrainSession& s);

}  // namespace anomctl
