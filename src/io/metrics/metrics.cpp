#include "anomctl/io/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/summary.h>
#include <prometheus/text_serializer.h>

#include "anomctl/core/error.h"
#include "anomctl/core/time.h"

namespace anomctl {

struct Metrics::Impl {
  struct HistogramFamily {
    prometheus::Family<prometheus::Histogram>* family;
    std::vector<double> bounds;
  };
  struct CounterFamily {
    prometheus::Family<prometheus::Counter>* family;
    prometheus::Family<prometheus::Gauge>* created;
  };
  prometheus::Registry registry;
  // Filled by declare_*, before the first use; constant afterwards.
  std::map<std::string, CounterFamily> counters;
  std::map<std::string, prometheus::Family<prometheus::Gauge>*> gauges;
  std::map<std::string, HistogramFamily> histograms;
  std::map<std::string, prometheus::Family<prometheus::Summary>*> summaries;
};

namespace {
template <class Map>
auto& declared(Map& families, const std::string& name) {
  const auto found = families.find(name);
  if (found == families.end()) throw failed("metric " + name + " was never declared");
  return found->second;
}
}  // namespace

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::declare_counter(const std::string& name, const std::string& help) {
  const std::string stem = name.substr(0, name.size() - std::string("_total").size());
  impl_->counters[name] = {&prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry),
                           &prometheus::BuildGauge().Name(stem + "_created").Help(help).Register(impl_->registry)};
}
void Metrics::declare_gauge(const std::string& name, const std::string& help) {
  impl_->gauges[name] = &prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
}
void Metrics::declare_histogram(const std::string& name, const std::string& help, std::vector<double> bounds) {
  impl_->histograms[name] = {&prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry),
                             std::move(bounds)};
}
void Metrics::declare_summary(const std::string& name, const std::string& help) {
  impl_->summaries[name] = &prometheus::BuildSummary().Name(name).Help(help).Register(impl_->registry);
}

void Metrics::add(const std::string& name, const MetricLabels& labels, double by) {
  const Impl::CounterFamily& family = declared(impl_->counters, name);
  if (!family.family->Has(labels)) family.created->Add(labels).Set(static_cast<double>(system_clock().now()) / 1e9);
  family.family->Add(labels).Increment(by);
}
void Metrics::set(const std::string& name, const MetricLabels& labels, double value) {
  declared(impl_->gauges, name)->Add(labels).Set(value);
}
void Metrics::change(const std::string& name, const MetricLabels& labels, double by) {
  declared(impl_->gauges, name)->Add(labels).Increment(by);
}
void Metrics::remove(const std::string& name, const MetricLabels& labels) {
  auto* family = declared(impl_->gauges, name);
  if (family->Has(labels)) family->Remove(&family->Add(labels));
}
void Metrics::observe(const std::string& name, const MetricLabels& labels, double value) {
  if (const auto histogram = impl_->histograms.find(name); histogram != impl_->histograms.end())
    histogram->second.family->Add(labels, histogram->second.bounds).Observe(value);
  else
    declared(impl_->summaries, name)->Add(labels, prometheus::Summary::Quantiles{}).Observe(value);
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect()) + process_metrics_text();
}

}  // namespace anomctl
