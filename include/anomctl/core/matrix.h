// A dense row-major matrix that owns its memory. Thread rule: a value, no locking.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace anomctl {

template <class T>
class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t cols, T fill = T{}) : rows_(rows), cols_(cols), data_(rows * cols, fill) {}

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  bool empty() const { return rows_ == 0; }
  T& operator()(std::size_t r, std::size_t c) { return data_[r * cols_ + c]; }
  const T& operator()(std::size_t r, std::size_t c) const { return data_[r * cols_ + c]; }
  std::span<T> row(std::size_t r) { return {data_.data() + r * cols_, cols_}; }
  std::span<const T> row(std::size_t r) const { return {data_.data() + r * cols_, cols_}; }
  // Rows [first, first + count) as one contiguous block, (count, cols).
  std::span<const T> rows_view(std::size_t first, std::size_t count) const {
    return {data_.data() + first * cols_, count * cols_};
  }
  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  std::span<const T> values() const { return data_; }
  std::span<T> values() { return data_; }

  // Requires: row.size() == cols(), or the matrix is still empty (then the row sets the width).
  void append_row(std::span<const T> row) {
    if (rows_ == 0 && cols_ == 0) cols_ = row.size();
    data_.insert(data_.end(), row.begin(), row.end());
    ++rows_;
  }
  // Keeps what fits; new elements are T{}.
  void resize_rows(std::size_t rows) {
    data_.resize(rows * cols_);
    rows_ = rows;
  }
  void reserve_rows(std::size_t rows) { data_.reserve(rows * cols_); }

  bool operator==(const Matrix&) const = default;

 private:
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
  std::vector<T> data_;
};

}  // namespace anomctl
