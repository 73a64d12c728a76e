// Matrices and vectors of a panel as JSON, checked when they are read. Thread rule: free functions.
#pragma once

#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"

namespace anomctl {

Json json_of(const Matrix<double>& m);
// These throw Error(bad_input) that names `what`.
std::vector<double> finite(const Json& array, std::size_t size, const char* what);
Matrix<double> matrix_from(const Json& rows, std::size_t n, std::size_t k, const char* what);
std::vector<double> positive(std::vector<double> values, const char* what);

}  // namespace anomctl
