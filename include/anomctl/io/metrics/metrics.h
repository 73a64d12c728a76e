// Numbers that a monitoring system scrapes, in Prometheus' text format. Thread rule: every member is safe from any
// thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace anomctl {

using MetricLabels = std::map<std::string, std::string>;

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Each name is declared once, before its first use. A counter x_total comes with a gauge x_created, as Python's
  // client writes it.
  void declare_counter(const std::string& name, const std::string& help);
  void declare_gauge(const std::string& name, const std::string& help);
  // `bounds`: upper bounds of the buckets, ascending.
  void declare_histogram(const std::string& name, const std::string& help, std::vector<double> bounds);
  void declare_summary(const std::string& name, const std::string& help);  // sum and count

  void add(const std::string& name, const MetricLabels& labels = {}, double by = 1);
  void set(const std::string& name, const MetricLabels& labels, double value);
  void change(const std::string& name, const MetricLabels& labels, double by);  // of a gauge
  void remove(const std::string& name, const MetricLabels& labels);  // a gauge that no longer stands for anything
  void observe(const std::string& name, const MetricLabels& labels, double value);

  // The text format 0.0.4, with process_* of this process.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

inline constexpr const char* kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

// process_resident_memory_bytes and its like, as text; from /proc.
std::string process_metrics_text();

}  // namespace anomctl
